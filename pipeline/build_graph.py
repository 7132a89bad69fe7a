"""The Beam graph of `longtake build`: the plan and the sources in; shards, index, ledger and corpus.json out.

Only names and facts go through the joins, never media and never text: a decode task points at rows of the plan, a packed shard
reads its rows from the plan and its frames from fragments.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsDict, AsList, AsSingleton

from longtake.pipeline import fragment, pack, seal
from longtake.pipeline.decode import SourceError, versions
from longtake.pipeline.filters.frame_filter import frame_fault
from longtake.pipeline.fragment import Marker, Wanted
from longtake.pipeline.ledger import WriteLedger
from longtake.pipeline.plan_summary import PlanSummary, check_failed
from longtake.pipeline.plan_table import Task, clips_of, clips_of_shard, plan_parts, tasks_of
from longtake.pipeline.progress import PROGRESS
from longtake.pipeline.read_graph import DROPS, Dropped, drop
from longtake.pipeline.relevance.step import Relevance, with_relevance
from longtake.pipeline.slots import Slots, shared_slots
from longtake.pipeline.source_work import decode_source, in_slot
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import ShardRecord
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, drop_clip

LEDGER_PREFIX = "part-build"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What became of a decode task: where the fragment is, and how many of its samples each planned shard gets."""

    video_id: str
    part: str
    marker: str
    kept: tuple[tuple[tuple[str, int], int], ...]  # ((split, planned shard), samples)
    error: tuple[Reason, str] | None = None  # why nothing of the source could be used
    filtered: int = 0  # samples that were decoded and left out by a threshold
    relevance: str | None = None  # where the relevance of its samples is, if that was asked for


def add_building(root: Any, config: CorpusConfig, layout: Layout, plan: PlanSummary, workers: int) -> None:
    """Add decode, pack and seal to the pipeline `root`. The plan lies in the corpus already."""
    results = _decode(root, config, layout, workers)
    lost = (
        results.results
        | "Video of result" >> beam.Map(lambda result: (result.video_id, result))
        | "By video" >> beam.GroupByKey()
        | "Whole videos" >> beam.FlatMap(_video_rows)
    )
    ledger = (results[DROPS], lost) | "Drops" >> beam.Flatten() | "Ledger" >> WriteLedger(layout.ledger, LEDGER_PREFIX)
    checked = ledger | "Check failures" >> beam.Map(_check, config, layout, plan)
    shards = _pack(results.results, config, layout, checked)
    _ = (
        root
        | "Last" >> beam.Create([None], reshuffle=False)
        | "Seal"
        >> beam.Map(
            lambda _, dropped, records: seal.seal(layout, config, plan, dropped, records),
            AsSingleton(ledger),
            AsList(shards),
        )
    )


# -- decode ------------------------------------------------------------------------------------------------------------


def _decode(root: Any, config: CorpusConfig, layout: Layout, workers: int) -> Any:
    """Every task beside the marker of an earlier run, if there is one: the join spreads the work and finds what is missing."""
    found = versions(config.frames.decoder)
    tasks = (
        root
        | "Plan parts" >> beam.Create(plan_parts(layout))
        | "Tasks" >> beam.FlatMap(tasks_of, config, found)
        | "Task digest" >> beam.Map(lambda task: (task.digest, task))
    )
    markers = (
        root
        | "Staging" >> beam.Create([f"{n:02x}" for n in range(256)])
        | "Markers" >> beam.FlatMap(_markers_in, layout)
    )
    return (
        {"tasks": tasks, "markers": markers}
        | "With markers" >> beam.CoGroupByKey()
        | "Decode" >> beam.ParDo(Decode(config, layout, workers)).with_outputs(DROPS, main="results")
    )


def _markers_in(prefix: str, layout: Layout) -> Iterator[tuple[str, str]]:
    for path in storage.list_files(storage.join(layout.staging, prefix), fragment.MARKER_SUFFIX):
        yield path.rsplit("/", 1)[-1].removesuffix(fragment.MARKER_SUFFIX), path


class Decode(beam.DoFn):
    """(digest, tasks and markers) in; TaskResult out, and a Drop for each long clip and sentence that was lost."""

    def __init__(self, config: CorpusConfig, layout: Layout, workers: int) -> None:
        self._config, self._layout, self._workers = config, layout, workers
        self._decode_ms = Metrics.distribution("decode", "milliseconds")
        self._samples = Metrics.counter("decode", "samples")

    def setup(self) -> None:
        self._slots: Slots = shared_slots(self._workers)
        self._relevance = Relevance(self._config) if self._config.filters.clip_model is not None else None

    def process(self, element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[TaskResult | Dropped]:
        digest, sides = element
        earlier = bool(list(sides["markers"]))
        path = fragment.marker_path(self._layout, digest)
        for task in sides["tasks"]:
            clips = clips_of(task)
            reasons: dict[str, tuple[Reason, str]] = {}
            filtered: dict[str, tuple[Reason, str]] = {}
            error, relevance, notes = None, None, list[Drop]()
            try:
                marker = self._earlier(path) if earlier else None
                marker = marker or self._decode(task, [Wanted(c.key, c.frame_times_ms) for c in clips])
                if self._relevance is not None:
                    relevance, marker, notes = self._relevance.score(clips, path, marker)
                faults = ((sample.key, frame_fault(sample.scores, self._config.filters)) for sample in marker.samples)
                filtered = {key: fault for key, fault in faults if fault is not None}
                reasons = filtered | {fault.key: (fault.reason, fault.detail) for fault in marker.faults}
            except SourceError as failure:
                error = failure.reason, failure.detail
                reasons = {clip.key: error for clip in clips}
            lost = [
                row
                for clip in clips
                if clip.key in reasons
                for row in drop_clip(clip, Stage.DECODE, *reasons[clip.key])
            ]
            kept = Counter((clip.split, clip.shard) for clip in clips if clip.key not in reasons)
            PROGRESS.add(
                tasks=1,
                clips=kept.total(),
                frames=sum(len(c.frame_times_ms) for c in clips if c.key not in reasons),
                video_ms=sum(c.end_ms - c.start_ms for c in clips),
                dropped=len(reasons),
            )
            self._samples.inc(kept.total())
            yield from map(drop, [*lost, *notes])
            placed = tuple(sorted(kept.items()))
            yield TaskResult(task.video_id, task.part, path, placed, error, len(filtered), relevance)

    def _earlier(self, path: str) -> Marker | None:
        marker = fragment.read_marker(path)
        if marker is None or not fragment.is_sound(path, marker):
            return None
        PROGRESS.add(reused=1)
        return marker

    def _decode(self, task: Task, wanted: list[Wanted]) -> Marker:
        config = self._config
        marker, seconds = in_slot(
            self._slots,
            config.limits.decode_seconds,
            decode_source,
            config.resolve(task.uri),
            wanted,
            config.frames,
            config.limits,
            self._layout,
            task.digest,
            config.filters.scores_frames,
        )
        self._decode_ms.update(round(1000 * sum(seconds.values())))
        PROGRESS.add(**{f"seconds_{kind}": value for kind, value in seconds.items()})
        return marker


def _video_rows(element: tuple[str, Iterable[TaskResult]]) -> list[Drop]:
    """The ledger row of a video that decoding left nothing of."""
    video_id, results = element[0], list(element[1])
    if any(result.kept for result in results):
        return []
    if any(result.filtered for result in results):  # it can be decoded: no failure
        detail = "none of its long clips is left; each has a row of its own"
        return [Drop(video_id, Subject.VIDEO, video_id, Stage.DECODE, Reason.ALL_CLIPS_FILTERED, detail)]
    reason, detail = min(
        (result.error for result in results if result.error),
        default=(Reason.ALL_CLIPS_DROPPED, "none of its long clips could be decoded; each has a row of its own"),
    )
    return [Drop(video_id, Subject.VIDEO, video_id, Stage.DECODE, reason, detail)]


def _check(dropped: Any, config: CorpusConfig, layout: Layout, plan: PlanSummary) -> None:
    check_failed(
        plan.failed_videos + dropped[("failed",)], plan.counts["videos"].total, config.max_failed, layout.ledger
    )


# -- pack --------------------------------------------------------------------------------------------------------------


def _pack(results: Any, config: CorpusConfig, layout: Layout, checked: Any) -> Any:
    """A ShardRecord for each shard that has samples. `checked` holds packing back until the failures have been counted."""
    places = results | "Places" >> beam.FlatMap(
        lambda result: [
            (place, (result.part, result.marker, result.relevance, samples)) for place, samples in result.kept
        ]
    )
    samples = (
        places
        | "Samples" >> beam.Map(lambda element: (element[0], element[1][3]))
        | "Samples of shard" >> beam.CombinePerKey(sum)
    )
    numbers = (
        samples
        | "All shards" >> beam.combiners.ToList()
        | "Numbers" >> beam.FlatMap(lambda counts: list(pack.shard_numbers(dict(counts)).items()))
    )
    return (
        places
        | "By shard" >> beam.GroupByKey()
        | "Pack" >> beam.Map(_pack_shard, config, layout, AsDict(numbers), AsSingleton(checked))
    )


def _pack_shard(
    element: tuple[tuple[str, int], Iterable[tuple[str, str, str | None, int]]],
    config: CorpusConfig,
    layout: Layout,
    numbers: dict[tuple[str, int], int],
    _: None,
) -> ShardRecord:
    (split, planned), fragments = element[0], list(element[1])
    markers = {}
    for path, relevance in sorted({path: relevance for _, path, relevance, _ in fragments}.items()):
        marker = fragment.read_marker(path)
        if marker is None:
            raise OSError(f"{path}: gone since it was written. Run the build again.")
        markers[path] = marker if relevance is None else with_relevance(marker, relevance)
    parts = sorted({part for part, _, _, _ in fragments})
    chosen = list(pack.samples_of(clips_of_shard(parts, split, planned), markers, config.filters))
    decoded = sum(samples for _, _, _, samples in fragments)
    if len(chosen) != decoded:
        raise OSError(f"shard {split} {planned}: {len(chosen)} samples found, {decoded} decoded")
    record = pack.pack(layout, split, numbers[split, planned], chosen)
    PROGRESS.add(shards=1, bytes=record.bytes)
    return record
