"""`longtake build`: from a configuration to a sealed corpus. Run again, it goes on where it was stopped."""

import time
from collections.abc import Callable
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from longtake.jobs.build.inputs import inputs_changed, inputs_of, is_adopted, remember_adopted
from longtake.jobs.build.plan import current_plan, decided_otherwise, make_plan, refuse_taken_down
from longtake.jobs.build.report import building_line, print_corpus, print_plan, print_warnings
from longtake.jobs.build.request import BuildRequest
from longtake.jobs.job import run_pipeline, written
from longtake.jobs.lock import locked
from longtake.pipeline.build.graph import LEDGER_PREFIX, add_building
from longtake.pipeline.build.seal import publish
from longtake.pipeline.decode.backend import backend
from longtake.pipeline.embeddings.clip_model import CLIP_MODEL
from longtake.pipeline.fragments.tasks import tasks_folder
from longtake.pipeline.plan.edit.plan import adopt_plan
from longtake.pipeline.plan.fingerprint import fingerprint
from longtake.pipeline.plan.summary import PlanSummary, check_plan, read_summary
from longtake.pipeline.run.note import noted
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import check_reachable, slots_per_process
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, read_manifest
from longtake.schemas.wording import plural


def build_corpus(request: BuildRequest, console: Console) -> CorpusManifest:
    """Build a corpus; plan it first if it has no plan. Raises CorpusError."""
    root = request.layout.root
    with locked(root):
        return written(_build(request, console), root, "sealing the corpus")


def launch_build(request: BuildRequest, console: Console) -> None:
    """Give the job that builds the planned corpus to a runner, and do not wait. Raises CorpusError, also if there is no plan."""
    layout = request.layout
    request.check_wait()
    if current_plan(request.config, despite_failures=True, rejects=request.rejects) is None:
        decisions = "" if request.rejects is None else " and these decisions"
        raise CorpusError(f"{layout.plan}: no plan for this configuration{decisions}. Make one with: longtake plan")
    with locked(layout.root):
        _build(request, console)


def building_job(request: BuildRequest, summary: PlanSummary) -> tuple[Callable[[Any], None], PipelineOptions]:
    """Return the function that adds the building graph to a pipeline, and the pipeline's options. Raises ConfigError."""
    options = request.options()
    check_reachable(request.config, options)
    slots = slots_per_process(options, request.workers)
    return lambda root: add_building(root, request.config, request.layout, summary, slots), options


def _build(request: BuildRequest, console: Console) -> CorpusManifest | None:
    config, layout = request.config, request.layout
    check_reachable(config, request.options())
    finished = None if request.overwrite else _finished(request)
    if finished is not None:
        console.print(f"{layout.root} is already complete: nothing to do.", markup=False, highlight=False)
        if (lost := _failed_videos(layout)) and request.plan is None:
            console.print(f"{plural(lost, 'video')} failed; try again with: longtake retry", highlight=False)
        return finished if finished.publication == config.publication else _published_anew(request, finished, console)
    backend(config.frames.decoder)  # a decoder that is not installed is an error before any work
    if CLIP_MODEL.asked(config):
        CLIP_MODEL.get(config)  # a model that does not load is an error before any work
    with noted(layout, "build", left_to_runner=not request.wait):
        return _plan_and_build(request, console)


def _published_anew(request: BuildRequest, finished: CorpusManifest, console: Console) -> CorpusManifest:
    """Write the card of a finished corpus again: only what the publisher says of it has changed."""
    manifest = finished.model_copy(update={"publication": request.config.publication})
    publish(request.layout, manifest)
    console.print("The card is written again: publication has changed. An audit has to be repeated.", highlight=False)
    return manifest


def _plan_and_build(request: BuildRequest, console: Console) -> CorpusManifest | None:
    config, layout, wait = request.config, request.layout, request.wait
    if request.plan is None:
        inputs_of(config)  # a source that cannot be read is an error before anything is deleted
        if request.overwrite:
            refuse_taken_down(layout)
        storage.delete(layout.manifest)
    known = None if wait else current_plan(config, despite_failures=True, rejects=request.rejects)
    summary = known or _plan(request, console)
    storage.delete(layout.manifest)  # not sooner for an edited plan: an error in it leaves the corpus as it was
    check_plan(summary, config, layout.ledger)
    _clear_results(layout)
    start = time.monotonic()
    graph, options = building_job(request, summary)
    run_pipeline(graph, options, console, lambda counts, seconds: building_line(counts, seconds, summary), wait)
    manifest = read_manifest(layout) if wait else None
    if manifest is not None:
        print_corpus(manifest, layout, PROGRESS.read(), time.monotonic() - start, console)
    return manifest


def _failed_videos(layout: Layout) -> int:
    summary = read_summary(layout.plan)
    return summary.failed_videos if summary else 0


def _finished(request: BuildRequest) -> CorpusManifest | None:
    """Return the manifest of the requested corpus if it is finished, else None. Raises CorpusError if another is there."""
    config, layout, plan = request.config, request.layout, request.plan
    manifest = read_manifest(layout)
    if manifest is None:
        return None
    other = None
    if manifest.fingerprint != fingerprint(config):
        other = "made with other settings or versions"
    elif inputs_changed(config):
        other = "whose inputs have changed since"
    elif plan is not None and not is_adopted(layout, plan):
        other = "made from another plan"
    elif (summary := read_summary(layout.plan)) is not None and decided_otherwise(summary, request.rejects):
        other = "made with other decisions"
    if other is None:
        return manifest
    raise CorpusError(f"{layout.root} holds a corpus {other}. Choose another output, or replace it with --overwrite.")


def _plan(request: BuildRequest, console: Console) -> PlanSummary:
    config, layout = request.config, request.layout
    if request.plan is not None:
        summary = adopt_plan(config, layout, request.plan, request.options())
        remember_adopted(layout, request.plan)
    else:
        found = None if request.overwrite else current_plan(config, rejects=request.rejects)
        if found is not None:
            console.print(f"Using the plan in {layout.plan}.", markup=False, highlight=False)
            return found
        summary = make_plan(request, console)
    print_plan(summary, layout, console)
    print_warnings(layout, config.publication, console)
    return summary


def _clear_results(layout: Layout) -> None:
    """Delete the results of an unfinished build, except its fragments: shards are packed again, and no old one may stay."""
    storage.delete_folder(tasks_folder(layout))
    storage.delete_folder(layout.shards)
    storage.delete_folder(layout.index)
    for part in storage.list_files(layout.ledger, ".parquet"):
        if part.rsplit("/", 1)[-1].startswith(LEDGER_PREFIX):
            storage.delete(part)
