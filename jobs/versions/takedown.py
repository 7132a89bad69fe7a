"""`longtake takedown`: remove videos from a finished corpus for good, and samples that curators rejected."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from longtake.jobs import terminal
from longtake.jobs.decision_files import ConflictPolicy, DecisionFiles, read_files
from longtake.schemas import storage
from longtake.schemas.decision import NOBODY, OnConflict
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.printable import printable
from longtake.schemas.removals import Removal, append_removal, checked_request, read_removals

if TYPE_CHECKING:
    from longtake.jobs.versions.revise import FinishedCorpus
    from longtake.pipeline.revise.known_copies import CopiedVideos
    from longtake.pipeline.revise.select import KnownSamples, KnownVideos
    from longtake.schemas.layout import Layout
    from longtake.schemas.manifest import CorpusManifest

_SHOWN = 10
_REMEMBERED = 1000  # known copies in corpus.json
_COPY = "a known copy of what was taken down"


def takedown(
    context: typer.Context,
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    videos: Annotated[
        str | None, typer.Option("--videos", metavar="FILE", help="Ids of videos, one per line; -: from stdin.")
    ] = None,
    decided: DecisionFiles = None,
    on_conflict: ConflictPolicy = OnConflict.REFUSE,
    with_duplicates: Annotated[
        bool,
        typer.Option(
            "--with-duplicates", help="Also take down known copies: the same frames or words under another id."
        ),
    ] = False,
    note: Annotated[str, typer.Option("--note", help="The reason; written to the ledger and corpus.json.")] = "",
    request: Annotated[
        str | None,
        typer.Option(
            "--request", metavar="REF", help="The reference of the request: keep a record of it, for longtake removals."
        ),
    ] = None,
    received: Annotated[
        str, typer.Option("--received", metavar="DAY", help="With --request: the day it came, as 2026-11-20.")
    ] = "",
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Ignore ids that the corpus does not know.")
    ] = False,
) -> None:
    """Remove videos, and samples that curators rejected, for good: frames and text in shards, index, plan, embeddings, staging.

    The ledger keeps their ids with reason taken_down (a video) or rejected (a sample), and why, but no text. Shards without
    them are not touched. Known copies that stay are listed. An interruption leaves the corpus whole; run it again.
    """
    if videos is None and not decided:
        raise ConfigError("takedown: nothing to take down is named; give --videos FILE, --decisions FILE, or both")
    from longtake.jobs.lock import check_there, locked
    from longtake.jobs.versions.revise import Revision, finished, next_change, next_manifest, print_change, replace
    from longtake.pipeline.revise.known_copies import CopiedVideos, known_copies
    from longtake.pipeline.revise.rejection import Rejection
    from longtake.pipeline.revise.removal_proof import removed_samples
    from longtake.pipeline.revise.select import known_samples, known_videos
    from longtake.schemas.reasons import Stage

    console, note = terminal.console(), _checked_note(note)
    if received and request is None:
        raise ConfigError("takedown: --received goes with --request REF")
    if request is not None:
        checked_request(request, received)
    asked = read_asked(videos, decided, on_conflict, note)
    check_there(corpus)
    with locked(corpus):
        old = finished(corpus)
        known = known_videos(old.layout, frozenset(asked.videos))
        samples = known_samples(old.layout, frozenset(asked.samples))
        _check_known(asked, known, samples, corpus, ignore_unknown, console)
        taken_down = {name: asked.videos[name] for name in known.here - known.taken_down}
        copies = known_copies(old.layout, known.here & asked.videos.keys(), samples.here | samples.gone)
        if copies and with_duplicates:
            asked = asked.with_copies(copies)
            samples = known_samples(old.layout, frozenset(asked.samples))
            taken_down |= {name: asked.videos[name] for name in copies.videos}
        planned = [clip for clip in samples.planned if clip.video_id not in taken_down]
        rejection = Rejection.of({key: (Stage.TAKEDOWN, asked.samples[key]) for key in samples.here}, planned)
        if not taken_down and not rejection.why:
            console.print(f"{_already(asked, known, samples)}: nothing to do.", highlight=False)
            if request is not None:
                _close_record(request, old, console)
            return
        change = next_change(old, keep_places=True, taken_down=taken_down, rejection=rejection)
        done = asked.told(taken_down, rejection.why) | ({"note": note} if note else {})
        stay = CopiedVideos() if with_duplicates else copies
        done |= {"copies": stay.names[:_REMEMBERED]} if stay else {}
        revision = Revision(change, (old,), next_manifest(old, "takedown", done))
        record = None
        if request is not None:
            removed = removed_samples(old.layout, old.manifest, taken_down, rejection.why)
            record = Removal(
                request=request.strip(),
                received=received,
                note=note,
                videos=tuple(sorted(taken_down)),
                samples=dict(removed.samples),
                copies_by_frames=tuple(sorted(copies.videos)),
                copies_by_text=tuple(sorted(copies.clips)),
                copies_removed=with_duplicates,
                before=_stated(old.manifest, old.layout),
                shards_gone=dict(removed.shards),
            )
            append_removal(old.layout, record)  # before the work: an interruption leaves a record that is not done
        made = replace(revision, context.obj, console, even_same=True)
        if record is not None:
            _finish_record(record, finished(corpus), console)
    if made is not None:
        what = [f"{_counted(len(taken_down), 0)} taken down"] if taken_down else []
        what += [f"{_counted(0, len(rejection.why))} rejected"] if rejection.why else []
        print_change(f"{made.name}: {', '.join(what)}", old.manifest, made, corpus, console)
    if stay:
        _print_copies(stay, console)
    console.print(
        "Nothing of them is left in this corpus. Remove them from copies of it and from the sources yourself.",
        highlight=False,
    )


def _stated(manifest: "CorpusManifest", layout: "Layout") -> dict[str, Any]:
    """A version as the record of a removal names it."""
    return {
        "version": manifest.version,
        "corpus_json_sha256": hashlib.sha256(storage.read_bytes(layout.manifest)).hexdigest(),
    }


def _finish_record(record: Removal, new: "FinishedCorpus", console: Console) -> None:
    """Write that a request is done."""
    when = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    shards = {shard.name: shard.sha256 for shard in new.manifest.shards}
    append_removal(new.layout, record.finished(when, _stated(new.manifest, new.layout), shards))
    terminal.print_line(
        console, f"Request {record.request}: recorded. Prove it with: longtake removals {new.layout.root}"
    )


def _close_record(request: str, now: "FinishedCorpus", console: Console) -> None:
    """Write that a request is done whose takedown was interrupted after its work."""
    for record in read_removals(now.layout):
        if record.request == request.strip() and not record.done:
            _finish_record(record, now, console)


def _print_copies(stay: "CopiedVideos", console: Console) -> None:
    """Print the known copies that stay in the corpus."""
    number = _counted(len(stay.videos), len(stay.clips))
    named = "\n  ".join(printable(name) for name in stay.names[:_SHOWN])
    more = f"\n  ... and {len(stay) - _SHOWN:,} more" if len(stay) > _SHOWN else ""
    text = (
        f"Known copies stay, with the same frames or words: {number}. To take them down too: --with-duplicates.\n"
        f"  {named}{more}"
    )
    console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class TakedownOptions:
    """Ids of videos and keys of samples to remove, each with the detail of its ledger row. `curators` says who decided so, by
    subject and id; None if no file with decisions is named."""

    videos: Mapping[str, str]
    samples: Mapping[str, str]
    curators: Mapping[tuple[str, str], frozenset[str]] | None

    def with_copies(self, copies: "CopiedVideos") -> "TakedownOptions":
        """Return the same with known copies. Their ledger rows say that they are copies."""
        videos = {**dict.fromkeys(copies.videos, _COPY), **self.videos}
        return TakedownOptions(videos, {**dict.fromkeys(copies.clips, _COPY), **self.samples}, self.curators)

    def told(self, videos: Iterable[str], samples: Iterable[str]) -> dict[str, Any]:
        """Return the history entry for the removed videos and samples."""
        gone = [*(("video", name) for name in videos), *(("sample", key) for key in samples)]
        done: dict[str, Any] = {"videos": sum(subject == "video" for subject, _ in gone)}
        if self.curators is None:
            return done
        names = frozenset[str]().union(*(self.curators.get(about, frozenset()) for about in gone))
        return done | {"samples": len(gone) - done["videos"], "curators": sorted(names)}


def read_asked(videos: str | None, decided: Sequence[str] | None, policy: OnConflict, note: str) -> TakedownOptions:
    """Read what the files name. Raises ConfigError for a file that cannot be used, and if curators differ and no policy says
    which decision counts."""
    from longtake.pipeline.filters.rejects import REJECT, Rejects
    from longtake.schemas.decisions import current, settle

    ids = frozenset[str]() if videos is None else read_ids(videos)
    if not decided:
        return TakedownOptions(dict.fromkeys(ids, note), {}, None)
    rows = [row for log in read_files(decided) for row in log]
    rejects = Rejects.of(settle(rows, policy))
    curators = {
        about: frozenset(one.curator or NOBODY for one in those if one.decision == REJECT)
        for about, those in current(rows).items()
    }
    return TakedownOptions(
        {**rejects.videos, **{name: note or rejects.videos.get(name, "") for name in ids}}, rejects.samples, curators
    )


def _check_known(
    asked: TakedownOptions,
    known: "KnownVideos",
    samples: "KnownSamples",
    corpus: str,
    ignore_unknown: bool,
    console: Console,
) -> None:
    """Check for ids that the corpus does not know. Raises CorpusError; with `ignore_unknown`, prints their number instead."""
    videos = sorted(asked.videos.keys() - known.here)
    keys = sorted(asked.samples.keys() - samples.here - samples.gone)
    if not videos and not keys:
        return
    number = _counted(len(videos), len(keys))
    if ignore_unknown:
        console.print(f"Unknown, ignored: {number}.", highlight=False)
        return
    unknown = [*videos, *keys]
    named = "\n  ".join(printable(name) for name in unknown[:_SHOWN])
    more = f"\n  ... and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
    raise CorpusError(
        f"{corpus} does not know {number}; nothing was changed. To ignore them, add --ignore-unknown.\n  {named}{more}"
    )


def _already(asked: TakedownOptions, known: "KnownVideos", samples: "KnownSamples") -> str:
    """Return why there is nothing to do."""
    if not asked.videos and not asked.samples:
        return "No decision rejects anything"
    gone = _counted(len(known.taken_down), len(samples.gone))
    if not gone:
        return "None of them is in this corpus"
    return f"{gone} already taken down" + (" or dropped" if samples.gone else "")


def _counted(videos: int, samples: int) -> str:
    from longtake.schemas.wording import plural

    named = ((videos, "video"), (samples, "sample"))
    return " and ".join(plural(number, noun) for number, noun in named if number)


def read_ids(path: str) -> frozenset[str]:
    """Read the ids in a file, one per line; empty lines are skipped. Raises ConfigError if there is none."""
    import sys

    try:
        data = sys.stdin.buffer.read() if path == "-" else storage.read_bytes(path)
        lines = data.decode("utf-8-sig").split("\n")
    except FileNotFoundError:
        raise ConfigError(f"--videos {path}: no such file. It holds the ids of videos, one per line.") from None
    except IsADirectoryError:
        raise ConfigError(f"--videos {path}: a folder, not a file with the ids of videos") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"--videos {path}: not UTF-8 text: {error}") from None
    ids = frozenset(line.strip() for line in lines) - {""}
    if not ids:
        raise ConfigError(f"--videos {path}: no id in it; write one per line")
    return ids


def _checked_note(note: str) -> str:
    if len(note) > 1000 or not note.isprintable():
        raise ConfigError("--note: at most 1,000 characters, on one line")
    return note
