"""`longtake plan`: decide what the corpus will be, and say what it costs, before any video is decoded."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from longtake.jobs.build.inputs import inputs_changed, inputs_of, remember_inputs
from longtake.jobs.build.report import planning_line
from longtake.jobs.build.request import BuildRequest
from longtake.jobs.job import run_pipeline, written
from longtake.jobs.terminal import print_line
from longtake.pipeline.filters.clip_filter import check_filters
from longtake.pipeline.filters.rejects import Rejects, keep_rejects, rejects_file
from longtake.pipeline.find.folder import find_videos
from longtake.pipeline.fragments.seen import seen_folder
from longtake.pipeline.ledger.counts import TAKEDOWN_PREFIX
from longtake.pipeline.plan.fingerprint import fingerprint
from longtake.pipeline.plan.graph import PlanSteps, add_planning
from longtake.pipeline.plan.summary import SUMMARY_FILE, PlanSummary, read_summary
from longtake.pipeline.read.line_source import LINE_BYTES, files_of, is_packed, text_bytes
from longtake.pipeline.read.speech import prepare_hearing
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import check_reachable, is_local, slots_per_process
from longtake.pipeline.text.sentences.punctuation_model import PUNCTUATION_MODEL
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.wording import human_bytes, plural

_MUCH_SCRATCH, _SCRATCH_SHARE = 1 << 29, 2.7  # bytes, and the share of the input that waits in files, measured
_SMALL_BYTES = 1 << 20  # smaller manifests are counted


def make_plan(request: BuildRequest, console: Console) -> PlanSummary:
    """Write plan/ and ledger/ below the output, and embeddings/ if asked, without what curators rejected. Raises CorpusError.
    `check_plan` says later whether the plan is good enough to build, when a person can see it."""
    launch_plan(request, console)
    plan = request.layout.plan
    return written(read_summary(plan), plan, "writing a plan")


def launch_plan(request: BuildRequest, console: Console) -> None:
    """Run the job that plans, or leave it to the runner. The job writes the summary last, so half a plan never looks whole.
    Raises CorpusError and ConfigError."""
    request.check_wait()
    layout = request.layout
    graph, options = planning_job(request)
    inputs = inputs_of(request.config)
    refuse_taken_down(layout)
    if request.rejects is None and (forgotten := _rejects_before(layout)):
        console.print(
            f"The previous plan applied {plural(forgotten, 'rejection')}; without --decisions, what was rejected comes back.",
            style="yellow",
            highlight=False,
        )
    _tell_scratch(inputs, options, console)
    clear_plan(layout)
    keep_rejects(layout, request.rejects)
    remember_inputs(layout, inputs)
    run_pipeline(graph, options, console, lambda *_: planning_line(PROGRESS.phase()), request.wait)


def _tell_scratch(inputs: dict[str, Any], options: PipelineOptions, console: Console) -> None:
    """Print how much disk the job will need for rows on their way, if that is much, and how much is free."""
    needed = round(_SCRATCH_SHARE * text_bytes({file: size for file, (size, _) in inputs["files"].items()}))
    if needed < _MUCH_SCRATCH or not is_local(options):
        return
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    line = (
        f"Rows on their way take about {human_bytes(needed)} in {folder} (TMPDIR), which has {human_bytes(free)} free."
    )
    print_line(console, line, "yellow" if free < needed else "")


def _rejects_before(layout: Layout) -> int:
    """Return how many rejections the existing plan was made with."""
    with suppress(CorpusError):  # of another format
        summary = read_summary(layout.plan)
        return summary.decisions["rejects"] if summary is not None and summary.decisions else 0
    return 0


def planning_job(request: BuildRequest) -> tuple[Callable[[Any], None], PipelineOptions]:
    """Return the function that adds the planning graph to a pipeline, and the pipeline's options. Raises ConfigError."""
    config, probe, layout, rejects = request.config, request.probe, request.layout, request.rejects
    options = request.options()
    check_reachable(config, options)
    slots = slots_per_process(options, request.workers)
    check_filters(config, probe.value)
    if PUNCTUATION_MODEL.asked(config):
        PUNCTUATION_MODEL.get(config)  # a model that does not load is an error before any work
    if config.source.text.hears and is_local(options):  # elsewhere this machine may lack the accelerator
        prepare_hearing(config, slots)
    steps = PlanSteps(
        embed=embedding(config, layout, request.save_embeddings),
        caption=captioning(config),
        rejects=rejects_file(layout, rejects.digest, len(rejects)) if rejects and rejects.digest else None,
    )
    return lambda root: add_planning(root, config, layout, probe.value, slots, steps), options


def expected_videos(config: CorpusConfig) -> int:
    """Estimate how many videos the manifest has; count the lines of a small one, and the videos of a folder."""
    number = 0
    if config.source.folder is not None:
        folder = config.resolve(config.source.folder)
        return sum(len(found.videos) for found in find_videos(folder))
    for file in files_of(config.resolve(config.source.videos)):
        size = storage.size_and_tag(file)[0]
        is_lines = size <= _SMALL_BYTES and not is_packed(file)
        number += storage.read_bytes(file).count(b"\n") + 1 if is_lines else size // LINE_BYTES + 1
    return number


def embedding(config: CorpusConfig, layout: Layout, save: bool) -> Any:
    """Return the step that embeds texts in the graph; None if not asked. Raises ConfigError for a model that does not load."""
    if not config.coherence.enabled:
        if save:
            raise ConfigError("--save-embeddings: there are no embeddings to save; set coherence.enabled: true")
        return None
    from longtake.pipeline.embeddings.graph import prepare_embedding

    return prepare_embedding(config, layout.embeddings, save)


def captioning(config: CorpusConfig) -> Any:
    """Return the step that writes captions in the graph; None if not asked. Raises ConfigError for a model that does not load."""
    if config.captions.model is None:
        return None
    from longtake.pipeline.plan.captions.graph import prepare_captions

    return prepare_captions(config)


def refuse_taken_down(layout: Layout) -> None:
    """Raise CorpusError if videos were taken down: the sources may still name them, and planning would bring them back."""
    parts = storage.list_files(layout.ledger, ".parquet")
    if any(part.rsplit("/", 1)[-1].startswith(f"{TAKEDOWN_PREFIX}-") for part in parts):
        raise CorpusError(
            f"{layout.root}: videos or samples were taken down from this corpus, and a new plan could bring them "
            "back. Remove them from the sources, or drop them with --decisions, and choose another output."
        )


def clear_plan(layout: Layout) -> None:
    """Delete an earlier plan, its summary first, so that half a plan never looks whole."""
    storage.delete(storage.join(layout.plan, SUMMARY_FILE))
    storage.delete_folder(layout.plan)
    storage.delete_folder(layout.ledger)
    storage.delete_folder(seen_folder(layout))


def current_plan(
    config: CorpusConfig, despite_failures: bool = False, rejects: Rejects | None = None
) -> PlanSummary | None:
    """Return the plan in the output if it was made with this configuration, these inputs, and `rejects` unless that is None.

    A plan with failures does not count, because the sources may have been repaired since. It does count with
    `despite_failures`, or if a person has edited it.
    """
    summary = read_summary(Layout(config.root).plan)
    if summary is None or summary.fingerprint != fingerprint(config) or inputs_changed(config):
        return None
    if decided_otherwise(summary, rejects):
        return None
    if summary.failed_videos and summary.edited is None and not despite_failures:
        return None
    return summary


def decided_otherwise(summary: PlanSummary, rejects: Rejects | None) -> bool:
    """Return whether a plan was made with other rejections than `rejects`; None agrees with every plan."""
    return rejects is not None and (summary.decisions or {}).get("sha256") != rejects.digest
