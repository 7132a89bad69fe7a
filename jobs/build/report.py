"""The output of `longtake plan` and `longtake build`: tables, and one line of progress."""

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from longtake.jobs import terminal
from longtake.pipeline.plan.estimate import likely, price_of
from longtake.pipeline.plan.summary import PlanSummary, empty_splits
from longtake.pipeline.publish.plan_warnings import plan_warnings
from longtake.pipeline.run.progress import BYTES, HOURS, Phase
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest
from longtake.schemas.printable import printable
from longtake.schemas.publication import Publication
from longtake.schemas.wording import bytes_of, duration, human_bytes, plural

_SETTLED = 3.0  # seconds after which speed and time left of a phase can be believed


def planning_line(phase: Phase | None) -> str:
    """Return one line: the current phase, how much of it is done, how fast, what is left."""
    if phase is None or not phase.done:
        return "starting" if phase is None else phase.name
    is_settled = phase.rate is not None and phase.seconds >= _SETTLED
    speed = f", {phase.rate:,.0f} per second" if is_settled else ""
    if phase.unit == BYTES:
        amount = human_bytes(phase.done) if phase.total is None else bytes_of(phase.done, phase.total)
        speed = ""
    elif phase.unit == HOURS:
        amount = f"{phase.done:,.2f} {'' if phase.total is None else f'of {phase.total:,.2f} '}h of sound"
        speed = f", {(phase.rate or 0) * 3600:,.0f} times real time" if is_settled else ""
    elif phase.total is None:
        amount = plural(round(phase.done), phase.unit)
    else:
        amount = f"{phase.done:,.0f} of {plural(round(phase.total), phase.unit)}"
    left = phase.left_s if phase.seconds >= _SETTLED else None
    return f"{phase.name} {amount}{speed}" + (f", about {duration(left)} left" if left and left >= 1 else "")


def print_plan(summary: PlanSummary, layout: Layout, console: Console, price: float | None = None) -> None:
    """Print the plan as tables; with the `price` of a core-hour, in any currency, also the cost of its CPU-hours."""
    flow = Table(title="Input and plan", title_justify="left")
    for heading in ("", "in", "planned", "dropped"):
        flow.add_column(heading, justify="left" if not heading else "right")
    for subject, name in (("videos", "videos"), ("sentences", "sentences"), ("clips", "long clips")):
        count = summary.counts[subject]
        flow.add_row(name, f"{count.total:,}", f"{count.kept:,}", f"{count.dropped:,}")
    if summary.groups:
        used = summary.counts["clips"].total
        flow.add_row("published groups", f"{summary.groups:,}", f"{used:,}", f"{summary.groups - used:,}")
    flow.add_row("hours of speech", f"{summary.hours['in']:,.2f}", f"{summary.hours.get('said', 0):,.2f}", "")
    flow.add_row("hours with pauses", "", f"{summary.hours['out']:,.2f}", "")
    for title, column in (("words", "sum"), ("words, mean", "mean"), ("words, median", "p50")):
        flow.add_row(title, *(_number(summary.words[side][column]) for side in ("in", "out")), "")
    flow.add_row("words, 5 % to 95 %", *(_range(summary.words[side]) for side in ("in", "out")), "")
    console.print(flow)
    console.print("Words are counted per sentence in the input, per long clip in the plan.", style="dim")
    if summary.cleaned:
        removed = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in summary.cleaned.items())
        console.print(f"Taken out of the text: {removed}.", style="dim", highlight=False)
    if unread := sum(n for key, n in summary.drops.items() if key.startswith("record ")):
        console.print(
            f"{plural(unread, 'input line')} could not be used. The ledger says why.", style="bold red", highlight=False
        )
    if summary.drops:
        drops = Table(title="Dropped", title_justify="left")
        for heading in ("what", "stage", "reason"):
            drops.add_column(heading)
        drops.add_column("rows", justify="right")
        for key, number in summary.drops.items():
            if not key.startswith("note "):
                drops.add_row(*key.split(), f"{number:,}")
        if drops.row_count:
            console.print(drops)
    for key, number in summary.drops.items():
        if key.startswith("note "):
            console.print(
                f"{plural(number, 'note')} in the ledger: {key.split()[-1]}.", style="yellow", highlight=False
            )
    if summary.masked:
        masked = ", ".join(f"{n:,} {kind}" for kind, n in summary.masked.items())
        console.print(f"Masked in the text: {masked}.", highlight=False)
    if model := summary.config.get("captions", {}).get("model"):
        clips = summary.counts["clips"].kept
        console.print(
            f"{summary.rewritten:,} of {plural(clips, 'long clip')} with captions by {model}.",
            highlight=False,
            markup=False,
        )
    splits = Table(title="Shards", title_justify="left")
    splits.add_column("split")
    for heading in ("samples", "frames", "shards"):
        splits.add_column(heading, justify="right")
    for name, split in summary.splits.items():
        splits.add_row(name, *(f"{split[heading]:,}" for heading in ("samples", "frames", "shards")))
    console.print(splits)
    for name in empty_splits(summary):
        terminal.warn(no_sample(name))
    cost = summary.estimate
    ranges = {name: likely(name, cost[name], summary.probe) for name in ("bytes", "cpu_hours", "decoded_frames")}
    console.print(
        f"To build: about {human_bytes(cost['bytes'])} ({' to '.join(map(human_bytes, ranges['bytes']))}), "
        f"{cpu_time(cost['cpu_hours'])} ({' to '.join(map(cpu_time, ranges['cpu_hours']))}), "
        f"{cost['decoded_frames']:,} frames to decode ({_frames(ranges['decoded_frames'])}).",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"Estimated {cost['how']}.", style="dim", highlight=False)
    if price is not None:
        amount = price_of(cost["cpu_hours"], price)
        console.print(
            f"At {price:g} for a core-hour: {amount:,.2f}. Clouds that sell hyperthreads as cores need up to twice the hours; "
            "disks, shuffling and storage come on top (docs/cloud.md).",
            highlight=False,
        )
    if summary.decisions:
        number, found = summary.decisions["rejects"], summary.decisions["applied"]
        lost = number - found
        unused = f"; {lost:,} {'names' if lost == 1 else 'name'} nothing in this plan" if lost else ""
        console.print(f"Decisions: {found:,} of {plural(number, 'rejection')} applied{unused}.", highlight=False)
    console.print(f"Plan: {layout.plan}   Reasons: {layout.ledger}", highlight=False, markup=False)


def print_warnings(layout: Layout, publication: Publication, console: Console) -> None:
    """Print what the publisher of the planned corpus has to know: docs/format.md, publication."""
    for warning in plan_warnings(layout, publication):
        console.print(printable(warning), style="yellow", highlight=False, markup=False)


def no_sample(split: str) -> str:
    """Return the warning for a split that was asked for and is empty."""
    return (
        f"The split {split} has no sample: there are too few videos, or its share is too small. With split_by: quota, each "
        "split gets a video if there are enough."
    )


def plan_as_json(summary: PlanSummary, layout: Layout, price: float | None) -> dict[str, Any]:
    """Return a plan for programs; docs/commands.md explains it."""
    cost = {} if price is None else {"price": round(price_of(summary.estimate["cpu_hours"], price), 4)}
    return {
        "corpus": layout.root,
        "plan": layout.plan,
        "ledger": layout.ledger,
        "warnings": [no_sample(name) for name in empty_splits(summary)],
        **summary.to_json(),
        "estimate": summary.estimate | cost,
    }


def corpus_as_json(manifest: CorpusManifest, layout: Layout) -> dict[str, Any]:
    """Return a finished corpus for programs; docs/commands.md explains it."""
    return {
        "corpus": layout.root,
        "name": manifest.name,
        "version": manifest.version,
        "fingerprint": manifest.fingerprint,
        "counts": {subject: count.to_json() for subject, count in manifest.counts.items()},
        "splits": manifest.splits(),
        "bytes": sum(shard.bytes for shard in manifest.shards),
        "warnings": [no_sample(name) for name in manifest.empty_splits()],
    }


def _frames(likely: tuple[float, float]) -> str:
    least, most = likely
    return "counted" if least == most else f"{least:,.0f} to {most:,.0f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _range(words: dict[str, Any]) -> str:
    return f"{_number(words['p5'])} to {_number(words['p95'])}"


def cpu_time(hours: float) -> str:
    """Return hours of one core for people."""
    if hours >= 1:
        return f"{hours:,.1f} CPU-hours"
    if hours * 60 >= 2:
        return f"{hours * 60:,.0f} CPU-minutes"
    return f"{hours * 3600:,.{0 if hours * 3600 >= 10 else 1}f} CPU-seconds"


def building_line(counts: Counter[str], seconds: float, plan: PlanSummary) -> str:
    """Return one line: what is done, how fast, what is left."""
    total = plan.counts["clips"].kept
    done = counts["clips"] + counts["dropped"]
    if total and done >= total:
        shards = sum(split["shards"] for split in plan.splits.values())
        return f"packing {counts['shards']:,} of {plural(shards, 'shard')}, {human_bytes(counts['bytes'])}"
    minutes = max(seconds, 1e-9) / 60
    if not done:
        return f"starting: {plural(total, 'long clip')} to decode"
    return (
        f"decoding {done:,} of {plural(total, 'long clip')}, {counts['frames'] / max(seconds, 1e-9):,.0f} frames/s, "
        f"{counts['video_ms'] / 3.6e6 / minutes:.2f} h of video per minute, {counts['dropped']:,} dropped, "
        f"about {duration(seconds / done * (total - done))} left"
    )


def print_corpus(
    manifest: CorpusManifest, layout: Layout, counts: Counter[str], seconds: float, console: Console
) -> None:
    table = Table(title=f"{manifest.name}: built in {seconds:,.1f} s", title_justify="left")
    table.add_column("")
    for heading in ("in", "kept", "dropped"):
        table.add_column(heading, justify="right")
    for subject in ("videos", "sentences", "clips"):
        count = manifest.counts[subject]
        name = "long clips" if subject == "clips" else subject
        table.add_row(name, f"{count.total:,}", f"{count.kept:,}", f"{count.dropped:,}")
    console.print(table)
    for name in manifest.empty_splits():
        terminal.warn(no_sample(name))
    size = sum(shard.bytes for shard in manifest.shards)
    for name, split in manifest.splits().items():
        console.print(
            f"{name}: {plural(split['samples'], 'sample')}, {plural(split['frames'], 'frame')} "
            f"in {plural(split['shards'], 'shard')}",
            highlight=False,
        )
    console.print(
        human_bytes(size)
        + (
            f"; {counts['video_ms'] / 3.6e6:.2f} h of video decoded" if counts["tasks"] else ""
        )  # not counted if decoded elsewhere
        + (f", {counts['reused']:,} fragments of an earlier run reused" if counts["reused"] else ""),
        highlight=False,
    )
    if counts["changed"]:
        console.print(
            f"{plural(counts['changed'], 'source video')} changed after planning, and the new content was decoded. See the "
            "notes source_changed in the ledger.",
            style="yellow",
            highlight=False,
        )
    console.print(
        f"Corpus: {layout.root}   Check it with: longtake verify {layout.root}", markup=False, highlight=False
    )
