"""`longtake explain`: the input of one video, what each step did to it, and why."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from longtake.jobs import terminal
from longtake.jobs.changes import Changes
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, load_config
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import read_manifest
from longtake.schemas.printable import masked

if TYPE_CHECKING:
    from longtake.pipeline.explain.explanation import Explanation
    from longtake.pipeline.plan.summary import PlanSummary
    from longtake.pipeline.run.slots import Slots


def explain(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration of the corpus.")],
    video_id: Annotated[str, typer.Argument(metavar="VIDEO_ID", help="The video_id in the record of the video.")],
    picture: Annotated[
        str | None, typer.Option("--picture", "-p", metavar="PNG", help="Also draw a timeline of the video.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything, as JSON instead of text.")] = False,
    probe: Annotated[
        str | None,
        typer.Option(
            metavar="none|header|packets",
            help="How to probe the source video; by default as the plan did, or its header if there is no plan.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many rows of each list to print; 0: all.")] = 60,
    changes: Changes = None,
) -> None:
    """Show what became of one video: its input, the work of each step, each cut and each drop with its reason.

    It plans the video again, alone. Duplicates and the findings of the build come from the corpus, if its plan is current.
    As in: longtake explain corpus.yaml dQw4w9WgXcQ --picture explained.png
    """
    explanation = explain_video(load_config(config, changes or ()), video_id, probe)
    data = None
    if picture is not None:
        from longtake.jobs.explain.picture import draw

        data = draw(explanation)
    if as_json:
        typer.echo(masked(json.dumps(explanation.to_json(), indent=1, sort_keys=True)))
    else:
        from longtake.jobs.explain.text import print_explanation

        print_explanation(explanation, terminal.console(is_answer=True), limit)
    if picture is not None and data is not None:
        storage.write_bytes(picture, data)
        terminal.print_line(terminal.console(stderr=True), f"Picture: {picture}")


def explain_video(config: CorpusConfig, video_id: str, probe: str | None) -> "Explanation":
    """Explain one video. `probe` is "none", "header", "packets", or None for the probe of the plan. Raises ConfigError, or
    CorpusError for a video that the manifest does not have."""
    from longtake.jobs.build.request import ProbeMode
    from longtake.pipeline.corpus.withdrawn import read_withdrawn
    from longtake.pipeline.explain.corpus import drops_of, known_of
    from longtake.pipeline.explain.explain import explain as explained, plan_one
    from longtake.pipeline.explain.read import read_video
    from longtake.pipeline.explain.withheld import without_withdrawn
    from longtake.pipeline.filters.clip_filter import check_filters
    from longtake.pipeline.plan.summary import read_summary
    from longtake.schemas.reasons import Subject

    layout = Layout(config.root)
    summary = read_summary(layout.plan)
    missing = _not_current(config, summary)
    if probe is None:
        probe = "header" if missing or summary is None else summary.probe
    elif probe not in [mode.value for mode in ProbeMode]:
        raise ConfigError(f"--probe {probe}: must be one of none, header, packets")
    check_filters(config, probe)
    withdrawn = read_withdrawn(layout)
    if withdrawn.video(video_id):
        why = sorted({row.reason.value for row in drops_of(layout, video_id) if row.subject is Subject.VIDEO})
        raise CorpusError(
            f"{config.root}: video {video_id!r} is no longer in this corpus: {', '.join(why)}. Nothing of it is shown."
        )
    reading = read_video(video_id, config)
    if reading.record is None:
        reasons = "; ".join(f"{row.reason.value}: {row.detail}" for row in reading.drops)
        raise CorpusError(f"{config.source.place}: the record of video {video_id!r} cannot be used: {reasons}")
    with _slots(probe) as slots:
        planned = plan_one(reading, config, slots, probe, layout.embeddings)
    notes, known = [], None
    if missing or summary is None:
        notes.append(f"{missing} So duplicates among videos, shards and results of the build are unknown.")
    else:
        known = known_of(layout, video_id, read_manifest(layout) is not None, summary.edited is not None)
        if probe != summary.probe:
            notes.append(f"The plan was made with --probe {summary.probe}, this with --probe {probe}.")
    return without_withdrawn(explained(reading, planned, config, known, notes), withdrawn)


def _not_current(config: CorpusConfig, summary: "PlanSummary | None") -> str:
    """Return why the output has no plan of this configuration and these inputs; empty if it has one."""
    from longtake.jobs.build.inputs import inputs_changed
    from longtake.pipeline.plan.fingerprint import fingerprint

    if summary is None:
        return f"There is no plan in {config.root} yet."
    if summary.fingerprint != fingerprint(config):
        return f"The plan in {config.root} was made with other settings, or another version of longtake."
    if inputs_changed(config):
        return f"The plan in {config.root} was made from other inputs."
    return ""


@contextmanager
def _slots(probe: str) -> "Iterator[Slots | None]":
    """Yield a process to look at the source. It ends with the block."""
    if probe == "none":
        yield None
        return
    from longtake.pipeline.run.slots import close_shared_slots, shared_slots

    try:
        yield shared_slots(1)
    finally:
        close_shared_slots()
