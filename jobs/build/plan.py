"""`longtake plan`: decide what the corpus will be, and say what it costs, before any video is decoded."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.table import Table

from longtake.jobs.job import run_pipeline
from longtake.pipeline.filters.clip_filter import check_filters
from longtake.pipeline.filters.lists import lists_of
from longtake.pipeline.filters.rejects import Rejects, keep_rejects, rejects_file
from longtake.pipeline.fragments.seen import seen_folder
from longtake.pipeline.ledger.counts import TAKEDOWN_PREFIX
from longtake.pipeline.plan.estimate import likely, price_of
from longtake.pipeline.plan.fingerprint import fingerprint
from longtake.pipeline.plan.graph import add_planning
from longtake.pipeline.plan.models import MODELS
from longtake.pipeline.plan.summary import SUMMARY_FILE, PlanSummary, empty_splits, read_summary
from longtake.pipeline.read.chapters import IN_META
from longtake.pipeline.read.line_source import check_columns, files_of
from longtake.pipeline.run.runner import check_reachable, is_local, pipeline_options, slots_per_process
from longtake.pipeline.text.sentences.punctuation_model import PUNCTUATION_MODEL
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.wording import human_bytes, plural

_SMALL_BYTES, _LINE_BYTES = 1 << 20, 200  # a manifest that is counted, and about what a line of others takes


class ProbeMode(StrEnum):
    """How closely `plan` looks at the sources."""

    NONE = "none"
    HEADER = "header"
    PACKETS = "packets"


def make_plan(
    config: CorpusConfig,
    probe: ProbeMode,
    workers: int,
    beam_args: list[str],
    console: Console,
    save_embeddings: bool = False,
    rejects: Rejects | None = None,
) -> PlanSummary:
    """Write plan/ and ledger/ below the output, and embeddings/ where asked, without what curators rejected. Raises CorpusError.
    Whether the plan is good enough to be built is for `check_plan` to say, once a person can see it."""
    launch_plan(config, probe, workers, beam_args, console, save_embeddings, rejects=rejects)
    layout = Layout(config.root)
    summary = read_summary(layout.plan)
    if summary is None:
        raise CorpusError(f"{layout.plan}: the runner ended without writing a plan; see its log")
    return summary


def launch_plan(
    config: CorpusConfig,
    probe: ProbeMode,
    workers: int,
    beam_args: list[str],
    console: Console,
    save_embeddings: bool = False,
    wait: bool = True,
    rejects: Rejects | None = None,
) -> None:
    """Run the job that plans; without `wait`, leave it to the runner. The job writes the summary last, so no half of a plan looks
    whole. Raises CorpusError and ConfigError."""
    layout = Layout(config.root)
    if not wait and is_local(pipeline_options(beam_args, workers)):
        raise ConfigError("--no-wait: the job would end with this process; name the runner that goes on with it")
    graph, options = planning_job(config, probe, workers, beam_args, save_embeddings, rejects)
    inputs = inputs_of(config)
    refuse_taken_down(layout)
    if rejects is None and (forgotten := _rejects_before(layout)):
        console.print(
            f"The plan before this one left out what {plural(forgotten, 'reject')} named; without --decisions it comes back.",
            style="yellow",
            highlight=False,
        )
    clear_plan(layout)
    keep_rejects(layout, rejects)
    storage.write_bytes(_inputs_path(layout), json.dumps(inputs).encode())
    run_pipeline(graph, options, console, _progress, wait)


def _rejects_before(layout: Layout) -> int:
    """How many rejects the plan that is there was made with."""
    with suppress(CorpusError):  # of another format
        summary = read_summary(layout.plan)
        return summary.decisions["rejects"] if summary is not None and summary.decisions else 0
    return 0


def planning_job(
    config: CorpusConfig,
    probe: ProbeMode,
    workers: int,
    beam_args: list[str],
    save_embeddings: bool = False,
    rejects: Rejects | None = None,
) -> tuple[Callable[[Any], None], PipelineOptions]:
    """What adds the planning graph to a pipeline, and the options to run it with. Raises ConfigError."""
    one_thread = probe is ProbeMode.NONE and config.source.text.format == "hdvila"
    options = pipeline_options(beam_args, workers, one_thread, pieces=_videos(config))
    check_reachable(config, options)
    layout, slots = Layout(config.root), slots_per_process(options, workers)
    check_filters(config, probe.value)
    if PUNCTUATION_MODEL.asked(config):
        PUNCTUATION_MODEL.get(config)  # loaded here, so that one which cannot be does not end the command halfway
    embed, caption = embedding(config, layout, save_embeddings), captioning(config)
    file = rejects_file(layout, rejects.digest, len(rejects)) if rejects and rejects.digest else None
    return lambda root: add_planning(root, config, layout, probe.value, slots, embed, caption, file), options


def _videos(config: CorpusConfig) -> int:
    """How many videos the manifest has, about: its lines are counted where it is small."""
    number = 0
    for file in files_of(config.resolve(config.source.videos)):
        size = storage.size_and_tag(file)[0]
        is_lines = size <= _SMALL_BYTES and not file.endswith((".gz", ".parquet"))
        number += storage.read_bytes(file).count(b"\n") + 1 if is_lines else size // _LINE_BYTES + 1
    return number


def embedding(config: CorpusConfig, layout: Layout, save: bool) -> Any:
    """What embeds texts in the graph, None where nobody asks. Raises ConfigError for a model that does not load."""
    if not config.coherence.enabled:
        if save:
            raise ConfigError("--save-embeddings: nothing is embedded unless coherence.enabled is true")
        return None
    from longtake.pipeline.embeddings.graph import prepare_embedding

    return prepare_embedding(config, layout.embeddings, save)


def captioning(config: CorpusConfig) -> Any:
    """What writes captions in the graph, None where nobody asks. Raises ConfigError for a model that does not load."""
    if config.captions.model is None:
        return None
    from longtake.pipeline.plan.captions.graph import prepare_captions

    return prepare_captions(config)


def refuse_taken_down(layout: Layout) -> None:
    """Raise CorpusError where videos were taken down: the sources may still name them, and planning would bring them back."""
    parts = storage.list_files(layout.ledger, ".parquet")
    if any(part.rsplit("/", 1)[-1].startswith(f"{TAKEDOWN_PREFIX}-") for part in parts):
        raise CorpusError(
            f"{layout.root}: videos were taken down from this corpus, or samples of them, and planning anew could bring them "
            "back. Take them out of the sources, or leave them out with --decisions, and choose another output."
        )


def clear_plan(layout: Layout) -> None:
    """Remove an earlier plan; its summary goes first, so that no half of a plan looks whole."""
    storage.delete(storage.join(layout.plan, SUMMARY_FILE))
    storage.delete_folder(layout.plan)
    storage.delete_folder(layout.ledger)
    storage.delete_folder(seen_folder(layout))


def current_plan(
    config: CorpusConfig, despite_failures: bool = False, rejects: Rejects | None = None
) -> PlanSummary | None:
    """The plan that lies in the output, if this configuration and these inputs made it, and these rejects where any are named.

    One with failures does not count, unless that is said or a person has edited it since: who starts again may have mended the
    sources.
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
    """Whether a plan was made with other rejects than these; where none are named, the plan's own are as good as any."""
    return rejects is not None and (summary.decisions or {}).get("sha256") != rejects.digest


def inputs_changed(config: CorpusConfig) -> bool:
    """Whether the sources are others than those that the plan was made from, as far as that is still known."""
    try:
        known = json.loads(storage.read_bytes(_inputs_path(Layout(config.root))))
    except (OSError, ValueError):
        return False
    return bool(known != inputs_of(config))


def inputs_of(config: CorpusConfig) -> dict[str, Any]:
    """What the configuration says of its sources, and size and tag of each file that it names itself: manifest, text, groups.

    Raises ConfigError for one that is missing.
    """
    source = config.source
    named = {
        source.videos: ("video_id",),
        source.groups: (),
        None if source.chapters == IN_META else source.chapters: (),
    }
    if source.text.format == "hdvila":
        named[source.text.path] = ("clip_id", "text")
    elif source.text.is_joined:
        named[source.text.path] = ()
    files = []
    for path, columns in named.items():
        for file in files_of(config.resolve(path)) if path else ():
            check_columns(file, columns)
            files.append(file)
    for path in lists_of(config):
        files += files_of(config.resolve(path))
    sizes = {file.removeprefix(f"{config.base}/"): list(storage.size_and_tag(file)) for file in files}
    known = {"source": source.model_dump(mode="json"), "limits": config.limits.model_dump(mode="json"), "files": sizes}
    return known | models_of(config)


def models_of(config: CorpusConfig) -> dict[str, str]:
    """The digest of each model that the configuration asks for. Raises ConfigError for one that is not there."""
    return {name: model.digest(config) for name, model in MODELS.items() if model.asked(config)}


def other_models(config: CorpusConfig, layout: Layout) -> list[str]:
    """Which of them are others than those that the corpus was made with, as far as that is still known there."""
    try:
        known = json.loads(storage.read_bytes(_inputs_path(layout)))
    except (OSError, ValueError):
        return []
    return [name for name, digest in models_of(config).items() if known.get(name, digest) != digest]


def _inputs_path(layout: Layout) -> str:
    return storage.join(layout.staging, "inputs.json")


def remember_adopted(layout: Layout, folder: str) -> None:
    """Note which edited plan was taken over."""
    storage.write_bytes(_adopted_path(layout), json.dumps(_files_in(folder)).encode())


def is_adopted(layout: Layout, folder: str) -> bool:
    """Whether the edited plan in `folder` is the one that was taken over last."""
    try:
        return bool(json.loads(storage.read_bytes(_adopted_path(layout))) == _files_in(folder))
    except (OSError, ValueError):
        return False


def _files_in(folder: str) -> dict[str, list[Any]]:
    files = storage.list_files(folder, ".parquet") or [folder]
    return {file: list(storage.size_and_tag(file)) for file in files}


def _adopted_path(layout: Layout) -> str:
    return storage.join(layout.staging, "adopted.json")


def _progress(counts: Counter[str], seconds: float) -> str:
    done = f"planning: {counts['videos']:,} videos, {counts['videos'] / max(seconds, 1e-9):,.0f} per second"
    return f"{done}; {counts['captioned']:,} long clips captioned" if counts["captioned"] else done


def print_plan(summary: PlanSummary, layout: Layout, console: Console, price: float | None = None) -> None:
    """The plan as tables; with the `price` of a core for an hour, in any currency, also what its CPU-hours come to."""
    flow = Table(title="What goes in and what is planned", title_justify="left")
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
    console.print("Words are counted per sentence on the way in, per long clip as planned.", style="dim")
    if summary.cleaned:
        removed = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in summary.cleaned.items())
        console.print(f"Taken out of the text: {removed}.", style="dim", highlight=False)
    if unread := sum(n for key, n in summary.drops.items() if key.startswith("record ")):
        console.print(
            f"{plural(unread, 'input line')} could not be used; see the ledger.", style="bold red", highlight=False
        )
    if summary.drops:
        drops = Table(title="Left out", title_justify="left")
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
        console.print(
            f"No sample fell to the split {name}, which the configuration asks for: there are too few videos, or its share is "
            "too small.",
            style="yellow",
            highlight=False,
        )
    cost = summary.estimate
    ranges = {name: likely(name, cost[name], summary.probe) for name in ("bytes", "cpu_hours", "decoded_frames")}
    console.print(
        f"To build: about {human_bytes(cost['bytes'])} ({' to '.join(map(human_bytes, ranges['bytes']))}), "
        f"{_cpu_time(cost['cpu_hours'])} ({' to '.join(map(_cpu_time, ranges['cpu_hours']))}), "
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
        unused = f"; {plural(lost, 'decision')} {'names' if lost == 1 else 'name'} nothing in this plan" if lost else ""
        console.print(f"Decisions: {found:,} of {plural(number, 'reject')} applied{unused}.", highlight=False)
    console.print(f"Plan: {layout.plan}   Reasons: {layout.ledger}", highlight=False, markup=False)


def _frames(likely: tuple[float, float]) -> str:
    least, most = likely
    return "counted" if least == most else f"{least:,.0f} to {most:,.0f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,g}" if isinstance(value, int) else f"{value:,.1f}"


def _range(words: dict[str, Any]) -> str:
    return f"{_number(words['p5'])} to {_number(words['p95'])}"


def _cpu_time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} CPU-hours"
    if hours * 60 >= 2:
        return f"{hours * 60:,.0f} CPU-minutes"
    return f"{hours * 3600:,.{0 if hours * 3600 >= 10 else 1}f} CPU-seconds"
