"""`longtake status`: how far a running or dead job is."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from longtake.jobs import terminal
from longtake.schemas.printable import printable
from longtake.schemas.wording import duration, human_bytes, plural

if TYPE_CHECKING:
    from longtake.pipeline.build.status import DecodeProgress, JobStatus
    from longtake.pipeline.fetch.status import FetchStatus

_NAMES_SHOWN = 8
_STAGES = {
    "empty": "nothing planned yet",
    "planning": "planning",
    "planned": "planned; nothing decoded yet",
    "decoding": "decoding",
    "packing": "decoded; packing shards",
    "sealing": "packed; sealing",
    "sealed": "sealed: complete",
}


def status(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="The output folder or URI of a configuration.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/operations.md).")] = False,
    videos: Annotated[bool, typer.Option("--videos", help="Also list each video to decode.")] = False,
) -> None:
    """Show how far a running or dead job is, from the files of its output alone. It changes nothing.

    As in: longtake status mine/out/my-corpus, or: longtake status gs://bucket/corpus --json
    """
    from longtake.pipeline.build.status import read_status
    from longtake.pipeline.fetch.status import read_fetch_status

    fetching = read_fetch_status(output)
    if fetching is not None:
        if as_json:
            typer.echo(json.dumps(fetching.to_json(), indent=2))
        for line in () if as_json else _fetch_lines(fetching):
            terminal.print_line(terminal.console(is_answer=True), line)
        return
    found = read_status(output, videos)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))  # pure ASCII: nothing that a terminal acts on
        return
    console = terminal.console(is_answer=True)
    for line in _lines(found):
        terminal.print_line(console, line)
    if found.failed:
        console.print(_reasons(found))
    for video_id, state in found.videos.items():
        terminal.print_line(console, f"{video_id}  {state}")


def _fetch_lines(found: "FetchStatus") -> list[str]:
    state = {True: "running", False: "stopped", None: "on this storage, it is unknown whether it runs"}[found.running]
    note = found.note
    if note is not None and note.ended is not None and note.error is None:
        state = "ended"
    lines = [f"{found.folder}: fetching, {state}", f"{plural(found.records, 'video')} fetched or failed so far"]
    if note is not None and note.ended is None and note.progress is not None:
        lines.append(f"last word: {note.progress}")
    if note is not None and note.error is not None:
        lines.append(f"It ended with: {note.error}")
    if found.summary is not None:
        failed = ", ".join(f"{n:,} {reason}" for reason, n in found.summary.failed.items())
        lines.append(f"last run that ended: {found.summary.fetched:,} here, {human_bytes(found.summary.bytes)}")
        lines += [f"not fetched: {failed}"] if failed else []
    if found.running is False and state == "stopped":
        lines.append("No process is working on it. Run the same command again: it goes on where it was.")
    return lines


def _lines(found: "JobStatus") -> list[str]:
    lines = [f"{found.output}: {_STAGES[found.stage]}{_liveness(found)}"]
    note = found.note
    if (
        note is not None
        and note.progress is not None
        and note.told is not None
        and found.stage in ("empty", "planning")
    ):
        lines.append(f"{duration(max(found.now - note.told, 0))} ago: {note.progress}")
    if found.note is not None and found.note.error is not None and found.stage != "sealed":
        lines.append(f"It ended with: {found.note.error}")
    if found.plan is not None and found.manifest is None:
        counts = found.plan.counts
        lines.append(
            f"planned: {plural(counts['videos'].kept, 'video')}, {plural(counts['clips'].kept, 'long clip')}, "
            f"{found.plan.hours['out']:,.2f} h{', edited by hand' if found.plan.edited is not None else ''}"
        )
    if found.decoding is not None:
        lines.append(_decoded(found.decoding))
    if found.manifest is not None:
        size = sum(shard.bytes for shard in found.manifest.shards)
        samples = sum(shard.samples for shard in found.manifest.shards)
        shards = len(found.manifest.shards)
        version = f"version {found.manifest.version}, " if found.manifest.version != 1 else ""
        lines.append(
            f"{found.manifest.name}: {version}{plural(samples, 'sample')} in {plural(shards, 'shard')}, {human_bytes(size)}"
        )
        lines += [f"fault: {fault}" for fault in found.faults[:_NAMES_SHOWN]]
        if len(found.faults) > _NAMES_SHOWN:
            lines.append(f"... and {plural(len(found.faults) - _NAMES_SHOWN, 'more fault')}")
        lines.append(f"Only names and sizes were checked. Check the contents with: longtake verify {found.output}")
    elif found.shards or found.stage in ("packing", "sealing"):
        for split, planned in found.planned_shards.items():
            names = [name for name in found.shards if name.rpartition("-")[0] == split]
            lines.append(f"packed: {len(names):,} of {plural(planned, 'shard')} of {split}{_some(names)}")
    lines.append(f"last sign of life: {_age(found)}")
    if found.running is False and found.stage not in ("sealed", "empty"):
        lines.append("No process is working on it. Run the same command again: it goes on where it was.")
    return lines


def _liveness(found: "JobStatus") -> str:
    if found.running:
        who = f" (process {found.note.pid} on {found.note.host})" if found.note and found.note.ended is None else ""
        return f", running{who}"
    if found.stage in ("sealed", "empty"):
        return ""
    if found.running is None:
        if found.note is not None and found.note.left_to_runner:
            return ", left to a runner: see its console for whether it runs"
        return "; on this storage, it is unknown whether a process is working on it"
    return ", stopped"


def _decoded(decoding: "DecodeProgress") -> str:
    line = (
        f"decoded: {decoding.videos_done:,} of {decoding.videos:,} videos, "
        f"{decoding.clips_done:,} of {decoding.clips:,} long clips, {human_bytes(decoding.bytes)} of fragments"
    )
    if decoding.videos_failed:
        line += f"; {plural(decoding.videos_failed, 'video')} failed"
    if decoding.rate is not None:
        line += f"; {3600 * decoding.rate:,.0f} tasks an hour"
    if decoding.left_s is not None:
        line += f", about {duration(decoding.left_s)} left"
    return line


def _reasons(found: "JobStatus") -> Table:
    table = Table(title="Videos dropped so far" if found.manifest is None else "Videos dropped", title_justify="left")
    for heading in ("in", "reason"):
        table.add_column(heading)
    table.add_column("videos", justify="right")
    for step, reasons in found.failed.items():
        for reason, number in reasons.items():
            table.add_row(step, printable(reason), f"{number:,}")
    return table


def _some(names: list[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    return f" ({', '.join(sorted(names)[:_NAMES_SHOWN])}{more})"


def _age(found: "JobStatus") -> str:
    if found.last_sign is None:
        return "none"
    return f"{duration(max(found.now - found.last_sign, 0))} ago"
