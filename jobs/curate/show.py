"""`longtake show`: list the samples of a corpus, or look at one of them."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from longtake.jobs import terminal
from longtake.pipeline.corpus.find_sample import find_drops, find_sample, list_samples, read_entry, read_files
from longtake.pipeline.corpus.withdrawn import read_withdrawn
from longtake.pipeline.parse.timecode import short_timecode
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError, NoCorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, finished_manifest
from longtake.schemas.printable import printable
from longtake.schemas.records import Drop, IndexEntry
from longtake.schemas.tables import index_row
from longtake.schemas.wording import plural

_SHOWN_DROPS = 10


def show(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="A sample: its key, the start of its key, or a video_id.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="PNG", help="Where the contact sheet goes; <key>.png by default."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="List the samples of this split only.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many samples to list.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/commands.md).")] = False,
) -> None:
    """List the first samples of a corpus; with KEY, print that sample and write its frames and text as a contact sheet.

    With --json and KEY, the contact sheet is written only where --output names it.
    """
    console, layout = terminal.console(is_answer=True, stderr=as_json), Layout(corpus)
    try:
        manifest = finished_manifest(layout)
        if key is not None:
            _show_one(console, layout, key, output, as_json)
        elif as_json:
            total = _total(layout, manifest, split)
            terminal.print_json({"corpus": corpus, "total": total, "samples": list(list_samples(layout, split, limit))})
        else:
            _list(console, layout, manifest, split, limit)
    except NoCorpusError:
        raise
    except (CorpusError, OSError) as error:
        terminal.print_line(console, str(error))
        raise typer.Exit(1) from None


def _total(layout: Layout, manifest: CorpusManifest, split: str | None) -> int:
    """Return the number of samples. Raises CorpusError for an unknown split."""
    splits = manifest.splits()
    if split is not None and split not in splits:
        raise CorpusError(f"{layout.root} has no split {split!r}; it has {', '.join(sorted(splits))}")
    return sum(part["samples"] for name, part in splits.items() if split in (None, name))


def _list(console: Console, layout: Layout, manifest: CorpusManifest, split: str | None, limit: int) -> None:
    total = _total(layout, manifest, split)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("key", overflow="fold")
    for heading in ("split", "shard"):
        table.add_column(heading, no_wrap=True)
    for heading in ("duration", "sentences", "words"):
        table.add_column(heading, justify="right", no_wrap=True)
    shown = 0
    for row in list_samples(layout, split, limit):
        shown += 1
        duration = f"{(row['end_ms'] - row['start_ms']) / 1000:,.1f} s"
        cells = [row["key"], row["split"], row["shard"], duration, f"{row['n_sentences']:,}", f"{row['n_words']:,}"]
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
    terminal.print_line(console, f"{shown:,} of {total:,} samples" + (f" of split {split}" if split else ""))


def _show_one(console: Console, layout: Layout, name: str, output: str | None, as_json: bool) -> None:
    found = find_sample(layout, name)
    if found is None:
        _explain(console, layout, name, as_json)
        raise typer.Exit(1)
    entry = read_entry(layout, found)
    files, is_sound = read_files(layout, entry)
    if found.others:
        terminal.print_line(console, f"{name} has {found.others + 1:,} samples; this is the first.")
    if not as_json:
        for line in describe(entry):
            terminal.print_line(console, line)
    if not is_sound:
        terminal.print_line(
            console, "The files of this sample do not match the index. Check the corpus with: longtake verify"
        )
    if as_json:
        row = index_row(entry) | {"meta": json.loads(entry.clip.video.meta)}
        terminal.print_json({"corpus": layout.root, "others": found.others, "sound": is_sound, "sample": row})
        if output is None:
            return
    from longtake.pipeline.publish.contact_sheet import contact_sheet, to_png

    try:
        picture = to_png(contact_sheet(entry, files))
    except ValueError as error:
        raise CorpusError(str(error)) from None
    path = output or f"{found.key}.png"
    storage.write_bytes(path, picture)
    terminal.print_line(console, f"Contact sheet: {path}")


def describe(entry: IndexEntry) -> Iterator[str]:
    """Yield a sample as lines of text."""
    clip, source = entry.clip, entry.source
    start, end = short_timecode(clip.start_ms), short_timecode(clip.end_ms)
    facts = {
        "video": clip.video.video_id,
        "url": clip.video.url,
        "license": clip.video.license,
        "place": f"{entry.shard}.tar, position {entry.position}, split {clip.split}",
        "time": f"{start} to {end}, {(clip.end_ms - clip.start_ms) / 1000:,.1f} s",
        "text": f"{plural(len(clip.sentences), 'sentence')}, {plural(clip.n_words, 'word')}",
        "source": f"{source.width}x{source.height}, {source.fps:.5g} fps, {source.codec}, {source.duration_ms / 1000:,.1f} s",
        "frames": f"{len(clip.frame_times_ms)} of {entry.frame_size[1]}x{entry.frame_size[0]}",
        "meta": "" if clip.video.meta == "{}" else clip.video.meta,
    }
    yield clip.key
    yield from (f"  {name:8} {value}" for name, value in facts.items() if value)
    per_sentence = len(clip.frame_times_ms) // max(len(clip.sentences), 1)
    for number, sentence in enumerate(clip.sentences):
        yield ""
        yield f"{number + 1:3}  {short_timecode(sentence.start_ms)} to {short_timecode(sentence.end_ms)}  {sentence.text}"
        if sentence.asr is not None:
            yield f"     said    {sentence.asr}"
        own = slice(number * per_sentence, (number + 1) * per_sentence)
        for what, times in (("wanted", clip.frame_times_ms[own]), ("actual", entry.frame_pts_ms[own])):
            yield f"     {what}  {'  '.join(map(short_timecode, times))}"
    yield ""


def _explain(console: Console, layout: Layout, name: str, as_json: bool) -> None:
    """Print why there is no such sample."""
    drops = find_drops(layout, name)
    if as_json:
        told = [read_withdrawn(layout).told(drop) for drop in drops]
        rows = [{field: getattr(drop, field) for field in drop.__slots__} for drop in told]
        terminal.print_json({"corpus": layout.root, "sample": None, "dropped": rows})
        return
    if not drops:
        terminal.print_line(console, f"{name}: no such sample in this corpus, and no ledger row with this id")
        return
    withdrawn = read_withdrawn(layout)
    for drop in drops[:_SHOWN_DROPS]:
        terminal.print_line(console, _reason(withdrawn.told(drop)))
    if len(drops) > _SHOWN_DROPS:
        terminal.print_line(console, f"and {len(drops) - _SHOWN_DROPS:,} more")


def _reason(drop: Drop) -> str:
    what = {"clip": "long clip"}.get(drop.subject.value, drop.subject.value)
    detail = f" ({drop.detail})" if drop.detail else ""
    return f"{drop.subject_id}: {what} dropped at stage {drop.stage.value}: {drop.reason.value}{detail}"
