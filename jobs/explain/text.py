"""An explanation as text for a terminal. All text from a source is made printable first."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from rich.console import Console
from rich.table import Table
from rich.text import Text

from longtake.pipeline.explain.explanation import ExplainedCut, Explanation, FilterCheck, Said
from longtake.pipeline.parse.timecode import short_timecode
from longtake.pipeline.parse.transcripts.cue import BREAK
from longtake.schemas.printable import printable
from longtake.schemas.records import Drop
from longtake.schemas.wording import plural

_BAR = 12  # characters of a similarity of 1
_EXAMPLES = 5  # changes shown for each cleaning step
_SHOWN_CHARACTERS = 160  # of a cue
_MOST_COLUMNS = 6  # long clips with scores side by side


def print_explanation(found: Explanation, console: Console, limit: int) -> None:
    """Print an explanation, with at most `limit` rows of each list; 0: all."""
    _line(console, f"{found.video.video_id}", "bold")
    for note in found.notes:
        _line(console, f"Note: {note}", "yellow")
    _heading(console, "What came in")
    _came_in(found, console)
    if found.steps:
        _heading(console, f"Cleaning: {len(found.cues):,} cues, {found.steps[-1].cues_out:,} left")
        _steps(found, console, limit)
    if found.sentences:
        timing = Counter(said.timing or "as given" for said in found.sentences)
        kinds = ", ".join(f"{n:,} {name}" for name, n in sorted(timing.items()))
        _heading(console, f"Sentences: {len(found.sentences):,} (times: {kinds})")
        if found.clips:
            _line(console, f"Cut {found.coherence}.", "dim")
        _sentences(found, console, limit)
    if found.clips:
        _heading(console, f"Long clips: {len(found.clips):,}")
        _clips(found, console, limit)
        _scores(found, console)
    drops = [row for row in (*found.recomputed, *found.later) if not row.detail.startswith("in long clip ")]
    if drops:
        _heading(console, f"Dropped: {plural(len(drops), 'ledger row')}")
        _drops(drops, set(found.later), console, limit)


def _came_in(found: Explanation, console: Console) -> None:
    video, source = found.video, found.source
    look = "not looked at"
    if source is not None:
        look = f"{source.width}x{source.height}, {source.fps:.5g} fps, {source.codec}, {short_timecode(source.duration_ms)}"
    elif found.recomputed and any(row.stage.value == "probe" for row in found.recomputed):
        look = "cannot be used, see below; --probe none shows what would become of its text"
    facts = {
        "record": found.record,
        "file": video.uri,
        "url": video.url,
        "license": video.license,
        "source": look,
        "text": found.text_from,
        "chapters": ", ".join(map(short_timecode, found.chapters_ms)),
    }
    for name, value in facts.items():
        if value:
            _line(console, f"  {name:9} {value}")


def _steps(found: Explanation, console: Console, limit: int) -> None:
    for step in found.steps:
        if not step.changes:
            _line(console, f"  {step.name:12} nothing", "dim")
            continue
        gone = sum(change.lost for change in step.changes)
        told = f"{step.removals:,} taken out in {len(step.changes):,} cues" + (f", {gone:,} gone" if gone else "")
        _line(console, f"  {step.name:12} {told}")
        shown = step.changes[: _EXAMPLES if limit else None]
        for change in shown:
            before = _one_line(change.before, limit)
            after = ("gone: " if change.lost else "") + change.why
            if change.after is not None:
                after = _one_line(change.after, limit)
            _line(console, f"    {short_timecode(change.start_ms)}  {before}", "dim")
            _line(console, f"    {'':{len(short_timecode(change.start_ms))}}  -> {after}")
        if len(step.changes) > len(shown):
            _line(console, f"    and {len(step.changes) - len(shown):,} more", "dim")


def _sentences(found: Explanation, console: Console, limit: int) -> None:
    has_curve = any(said.similarity is not None for said in found.sentences)
    cuts = {cut.before: cut for cut in found.cuts}
    shown = _shown(len(found.sentences), cuts, limit)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("clip", justify="right")
    table.add_column("start", justify="right", no_wrap=True)
    table.add_column("end", justify="right", no_wrap=True)
    table.add_column("sentence", overflow="fold", ratio=1)
    if has_curve:
        table.add_column("similarity", no_wrap=True)
        table.add_column("depth", justify="right", no_wrap=True)
    last = -1
    for number in shown:
        said, cut = found.sentences[number], cuts.get(number)
        if number != last + 1:
            table.add_row("", "", "", Text(f"... {plural(number - last - 1, 'sentence')} ...", "dim"))
        if cut is not None:
            table.add_row("", "", "", Text(f"--- {_cut_words(cut)}", "bold cyan"))
        table.add_row(*_sentence_row(said, has_curve))
        last = number
    if last + 1 < len(found.sentences):
        table.add_row("", "", "", Text(f"... {plural(len(found.sentences) - last - 1, 'sentence')} ...", "dim"))
    console.print(table)
    if len(shown) < len(found.sentences):
        _line(console, "Only the sentences beside the cuts are shown; --limit 0 shows all.", "dim")


def _shown(count: int, cuts: Iterable[int], limit: int) -> list[int]:
    """Return the numbers of the sentences to show: all, or the ones before and after the first cuts."""
    if not limit or count <= limit:
        return list(range(count))
    wanted = {0, *(n for cut in cuts for n in (cut - 1, cut))}
    return sorted(wanted)[:limit]


def _sentence_row(said: Said, has_curve: bool) -> list[Text]:
    clip = "-" if said.clip is None else str(said.clip + 1)
    text = Text(printable(said.text))
    if said.reason:
        text = Text.assemble((printable(said.text), "strike dim"), (f"  {said.reason}", "red"))
    if said.caption is not None:
        text.append(f"\n-> {printable(said.caption)}", "green")
    row = [Text(clip), Text(short_timecode(said.start_ms)), Text(short_timecode(said.end_ms)), text]
    if has_curve and said.similarity is not None and said.depth is not None:
        bar = "#" * round(max(said.similarity, 0) * _BAR)
        row += [Text(f"{said.similarity:5.2f} {bar}"), Text(f"{said.depth:.2f}")]
    return row


def _cut_words(cut: ExplainedCut) -> str:
    return f"{cut.kind}: {cut.detail}" + (f" ({cut.silence_ms / 1000:.1f} s of silence)" if cut.kind != "gap" else "")


def _clips(found: Explanation, console: Console, limit: int) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("clip", justify="right")
    for heading in ("start", "end", "sentences", "words", "coherence"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("what became of it", overflow="fold", ratio=1)
    shown = found.clips[: limit or None]
    for number, clip in enumerate(shown, 1):
        fate, style = f"{clip.state}: {clip.place}" if clip.place else clip.state, "green"
        if clip.state == "dropped":
            why = f" ({clip.detail})" if clip.detail else ""
            fate, style = f"dropped at stage {clip.stage}: {clip.reason}{why}", "red"
        if clip.duplicate_of:
            fate += f"; repeats {clip.duplicate_of}"
        if clip.duplicate_video_of:
            fate += f"; its video repeats {clip.duplicate_video_of}"
        if clip.evaluation_overlap and clip.state != "dropped":
            fate += f"; overlaps with {clip.evaluation_overlap}"
        coherence = "" if clip.coherence is None else f"{clip.coherence:.3f}"
        times = short_timecode(clip.start_ms), short_timecode(clip.end_ms)
        cells = (str(number), *times, str(clip.sentences), str(clip.words), coherence)
        table.add_row(*map(Text, cells), Text(printable(fate), style))
    console.print(table)
    if len(shown) < len(found.clips):
        _line(console, f"and {len(found.clips) - len(shown):,} more; --limit 0 shows all", "dim")
    if found.masked:
        _line(console, "Masked in the text: " + ", ".join(f"{n} {kind}" for kind, n in found.masked))


def _scores(found: Explanation, console: Console) -> None:
    """Print scores against thresholds: every score of a few long clips, the range of many."""
    by_score: dict[str, list[tuple[int, FilterCheck]]] = {}
    for number, clip in enumerate(found.clips, 1):
        for check in clip.checks:
            by_score.setdefault(check.score, []).append((number, check))
    if not by_score:
        return
    few = len(found.clips) <= _MOST_COLUMNS
    _heading(console, "Scores against thresholds")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("score")
    table.add_column("threshold", no_wrap=True)
    for heading in [f"clip {n + 1}" for n in range(len(found.clips))] if few else ["lowest", "median", "highest"]:
        table.add_column(heading, justify="right", no_wrap=True)
    if not few:
        table.add_column("beyond it", overflow="fold")
    for score, checks in by_score.items():
        limit = next((f"{c.setting} {c.limit:g}" for _, c in checks if c.setting is not None), "")
        failed = [number for number, check in checks if check.fault]
        if few:
            values = dict(checks)
            cells = [_value(values.get(n + 1)) for n in range(len(found.clips))]
        else:
            numbers = [check.value for _, check in checks]
            cells = [Text(f"{v:.4g}") for v in (min(numbers), median(numbers), max(numbers))]
            cells.append(Text("clip " + ", ".join(map(str, failed)) if failed else "none" if limit else "", "red"))
        table.add_row(Text(score), Text(limit), *cells)
    console.print(table)


def _value(check: FilterCheck | None) -> Text:
    if check is None:
        return Text("")
    return Text(f"{check.value:.4g} !", "bold red") if check.fault else Text(f"{check.value:.4g}")


def _drops(drops: Sequence[Drop], later: set[Drop], console: Console, limit: int) -> None:
    groups: dict[tuple[str, str, str], list[Drop]] = {}
    for row in drops:
        groups.setdefault((row.stage.value, row.subject.value, row.reason.value), []).append(row)
    for (stage, subject, reason), rows in groups.items():
        since = ", as plan and build of the corpus say" if rows[0] in later else ""
        many = f" ({len(rows):,})" if len(rows) > 1 else ""
        _line(console, f"  {stage}: {subject} {reason}{many}{since}", "red")
        shown = rows[: max(1, limit // 10) if limit else None]
        for row in shown:
            _line(console, f"    {row.subject_id}: {row.detail}".removesuffix(": "))
        if len(shown) < len(rows):
            _line(console, f"    and {len(rows) - len(shown):,} more", "dim")


def _one_line(text: str, limit: int) -> str:
    """Return a cue on one line, cut short if there is a `limit`. The sign of a change of speaker becomes visible."""
    return printable(" / ".join(text.replace(BREAK, "|").split("\n")), _SHOWN_CHARACTERS if limit else None)


def _heading(console: Console, text: str) -> None:
    console.print()
    _line(console, text, "bold")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(printable(text), style), soft_wrap=True)
