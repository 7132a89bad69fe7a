"""`longtake build`: from a configuration to a sealed corpus. Run again, it goes on where it was stopped."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.table import Table

from longtake.jobs.build.plan import (
    ProbeMode,
    current_plan,
    decided_otherwise,
    inputs_changed,
    inputs_of,
    is_adopted,
    make_plan,
    print_plan,
    refuse_taken_down,
    remember_adopted,
)
from longtake.jobs.job import run_pipeline
from longtake.jobs.lock import locked
from longtake.pipeline.build.graph import LEDGER_PREFIX, add_building
from longtake.pipeline.embeddings.clip_model import CLIP_MODEL
from longtake.pipeline.filters.rejects import Rejects
from longtake.pipeline.fragments.tasks import tasks_folder
from longtake.pipeline.plan.edit.plan import adopt_plan
from longtake.pipeline.plan.fingerprint import fingerprint
from longtake.pipeline.plan.summary import PlanSummary, check_plan, read_summary
from longtake.pipeline.run.note import noted
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import check_reachable, is_local, pipeline_options, slots_per_process
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, read_manifest
from longtake.schemas.wording import human_bytes, plural


def build_corpus(
    config: CorpusConfig,
    probe: ProbeMode,
    workers: int,
    beam_args: list[str],
    console: Console,
    plan: str | None = None,
    overwrite: bool = False,
    rejects: Rejects | None = None,
) -> CorpusManifest:
    """Build the corpus of `config` without what curators rejected, or of the edited plan in the folder `plan`. Raises
    CorpusError."""
    layout = Layout(config.root)
    with locked(layout.root):
        manifest = _build(config, layout, probe, workers, beam_args, console, plan, overwrite, rejects)
    if manifest is None:
        raise CorpusError(f"{layout.root}: the runner ended without sealing the corpus; see its log")
    return manifest


def launch_build(
    config: CorpusConfig, workers: int, beam_args: list[str], console: Console, rejects: Rejects | None = None
) -> None:
    """Hand the job that builds the planned corpus to a runner that goes on with it. Raises CorpusError, also without a plan."""
    layout = Layout(config.root)
    if is_local(pipeline_options(beam_args, workers)):
        raise ConfigError("--no-wait: the job would end with this process; name the runner that goes on with it")
    if current_plan(config, despite_failures=True, rejects=rejects) is None:
        decisions = "" if rejects is None else " and these decisions"
        raise CorpusError(f"{layout.plan}: no plan of this configuration{decisions}. Make it first with: longtake plan")
    with locked(layout.root):
        _build(config, layout, ProbeMode.NONE, workers, beam_args, console, None, False, rejects, wait=False)


def building_job(
    config: CorpusConfig, summary: PlanSummary, workers: int, beam_args: list[str]
) -> tuple[Callable[[Any], None], PipelineOptions]:
    """What adds the building graph to a pipeline, and the options to run it with. Raises ConfigError."""
    options = pipeline_options(beam_args, workers, pieces=_pieces(summary))
    check_reachable(config, options)
    slots = slots_per_process(options, workers)
    return lambda root: add_building(root, config, Layout(config.root), summary, slots), options


def _pieces(summary: PlanSummary) -> int:
    """How many pieces of work a build has at once, about: decode tasks (a video, or ten minutes of a long one), or shards."""
    tasks = summary.counts["videos"].kept + int(6 * summary.hours["out"])
    return max(tasks, sum(split["shards"] for split in summary.splits.values()))


def _build(
    config: CorpusConfig,
    layout: Layout,
    probe: ProbeMode,
    workers: int,
    beam_args: list[str],
    console: Console,
    plan: str | None,
    overwrite: bool,
    rejects: Rejects | None,
    wait: bool = True,
) -> CorpusManifest | None:
    check_reachable(config, pipeline_options(beam_args, workers))
    finished = None if overwrite else _finished(config, layout, plan, rejects)
    if finished is not None:
        console.print(f"{layout.root} is complete already: nothing to do.", markup=False, highlight=False)
        if (lost := _failed_videos(layout)) and plan is None:
            console.print(f"{plural(lost, 'video')} had failed; longtake retry tries again.", highlight=False)
        return finished
    if CLIP_MODEL.asked(config):
        CLIP_MODEL.get(config)  # one that does not load is an error before any work
    with noted(layout, "build", left_to_runner=not wait):
        return _plan_and_build(config, layout, probe, workers, beam_args, console, plan, overwrite, rejects, wait)


def _plan_and_build(
    config: CorpusConfig,
    layout: Layout,
    probe: ProbeMode,
    workers: int,
    beam_args: list[str],
    console: Console,
    plan: str | None,
    overwrite: bool,
    rejects: Rejects | None,
    wait: bool,
) -> CorpusManifest | None:
    if plan is None:
        inputs_of(config)  # a source that cannot be read is an error before anything is undone
        if overwrite:
            refuse_taken_down(layout)
        storage.delete(layout.manifest)
    known = None if wait else current_plan(config, despite_failures=True, rejects=rejects)
    summary = known or _plan(config, layout, probe, workers, beam_args, console, plan, overwrite, rejects)
    storage.delete(layout.manifest)  # not sooner for an edited plan: one that is refused leaves the corpus as it was
    check_plan(summary, config, layout.ledger)
    _clear_results(layout)
    start = time.monotonic()
    graph, options = building_job(config, summary, workers, beam_args)
    run_pipeline(graph, options, console, lambda counts, seconds: progress_line(counts, seconds, summary), wait)
    manifest = read_manifest(layout) if wait else None
    if manifest is not None:
        _print_result(manifest, layout, PROGRESS.read(), time.monotonic() - start, console)
    return manifest


def _failed_videos(layout: Layout) -> int:
    summary = read_summary(layout.plan)
    return summary.failed_videos if summary else 0


def _finished(config: CorpusConfig, layout: Layout, plan: str | None, rejects: Rejects | None) -> CorpusManifest | None:
    """The manifest of the finished corpus that is asked for, None where there is none. Raises CorpusError for another one."""
    manifest = read_manifest(layout)
    if manifest is None:
        return None
    other = None
    if manifest.fingerprint != fingerprint(config):
        other = "made with other settings or versions"
    elif inputs_changed(config):
        other = "made from inputs that have changed since"
    elif plan is not None and not is_adopted(layout, plan):
        other = "made from another plan"
    elif (summary := read_summary(layout.plan)) is not None and decided_otherwise(summary, rejects):
        other = "made with other decisions"
    if other is None:
        return manifest
    raise CorpusError(f"{layout.root} holds a corpus {other}. Choose another output, or replace it with --overwrite.")


def _plan(
    config: CorpusConfig,
    layout: Layout,
    probe: ProbeMode,
    workers: int,
    beam_args: list[str],
    console: Console,
    plan: str | None,
    anew: bool,
    rejects: Rejects | None,
) -> PlanSummary:
    if plan is not None:
        summary = adopt_plan(config, layout, plan, pipeline_options(beam_args, workers))
        remember_adopted(layout, plan)
    else:
        found = None if anew else current_plan(config, rejects=rejects)
        if found is not None:
            console.print(f"Using the plan in {layout.plan}.", markup=False, highlight=False)
            return found
        summary = make_plan(config, probe, workers, beam_args, console, rejects=rejects)
    print_plan(summary, layout, console)
    return summary


def _clear_results(layout: Layout) -> None:
    """Remove what an unfinished build left beside its fragments: shards are packed anew, and none may stay by mistake."""
    storage.delete_folder(tasks_folder(layout))
    storage.delete_folder(layout.shards)
    storage.delete_folder(layout.index)
    for part in storage.list_files(layout.ledger, ".parquet"):
        if part.rsplit("/", 1)[-1].startswith(LEDGER_PREFIX):
            storage.delete(part)


def progress_line(counts: Counter[str], seconds: float, plan: PlanSummary) -> str:
    """One line: what is done, how fast, what is left."""
    total = plan.counts["clips"].kept
    done = counts["clips"] + counts["dropped"]
    if total and done >= total:
        shards = sum(split["shards"] for split in plan.splits.values())
        return f"packing: {counts['shards']:,}/{shards:,} shards, {human_bytes(counts['bytes'])}"
    minutes = max(seconds, 1e-9) / 60
    left = f"{seconds / done * (total - done) / 60:,.1f} min left" if done else "starting"
    return (
        f"decoding: {done:,}/{total:,} long clips, {counts['frames'] / max(seconds, 1e-9):,.0f} frames/s, "
        f"{counts['video_ms'] / 3.6e6 / minutes:.2f} h of video per minute, {counts['dropped']:,} dropped, {left}"
    )


def _print_result(
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
    for name, share in manifest.config["split"].items():
        if share > 0 and name not in manifest.splits():
            console.print(f"No sample is in the split {name}, which was asked for.", style="yellow", highlight=False)
    size = sum(shard.bytes for shard in manifest.shards)
    for name, split in manifest.splits().items():
        console.print(
            f"{name}: {split['samples']:,} samples, {split['frames']:,} frames in {plural(split['shards'], 'shard')}",
            highlight=False,
        )
    console.print(
        human_bytes(size)
        + (
            f"; {counts['video_ms'] / 3.6e6:.2f} h of video decoded" if counts["tasks"] else ""
        )  # elsewhere: not counted
        + (f", {counts['reused']:,} fragments of an earlier run reused" if counts["reused"] else ""),
        highlight=False,
    )
    if counts["changed"]:
        console.print(
            f"{plural(counts['changed'], 'source')} changed after being planned, and what is there now was decoded: see the "
            "notes source_changed in the ledger.",
            style="yellow",
            highlight=False,
        )
    console.print(
        f"Corpus: {layout.root}   Check it with: longtake verify {layout.root}", markup=False, highlight=False
    )
