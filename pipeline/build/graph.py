"""The Beam graph of `longtake build`: reads the plan and the source videos; writes shards, index, ledger and corpus.json.

Joins carry only names and facts, never media or text: a decode task points at rows of the plan, and a packed shard reads its
rows from the plan and its frames from fragments.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList, AsSingleton

from longtake.pipeline.build import seal
from longtake.pipeline.build.pack import pack, samples_of, shard_numbers
from longtake.pipeline.build.relevance import Relevance, with_relevance
from longtake.pipeline.build.stored import StoredSample, is_index, keep_shard, stored_samples, unchanged
from longtake.pipeline.decode import SourceError, SourceNote, versions
from longtake.pipeline.filters.frame_filter import frame_fault
from longtake.pipeline.fragments import fragment
from longtake.pipeline.fragments.fragment import Marker, WantedClip
from longtake.pipeline.fragments.plan_table import Task, clips_of, clips_of_shard, plan_parts
from longtake.pipeline.fragments.tasks import listed_tasks, note_failure
from longtake.pipeline.fragments.work import decode_source
from longtake.pipeline.ledger.write import WriteLedger
from longtake.pipeline.plan.summary import PlanSummary, check_failed
from longtake.pipeline.read.rows import DROPS, Dropped, drop
from longtake.pipeline.run import metrics as step_metrics
from longtake.pipeline.run.concurrent import Concurrent
from longtake.pipeline.run.dataflow import decode_hints
from longtake.pipeline.run.events import event
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.slots import Slots, shared_slots
from longtake.pipeline.run.sources import detail_of, in_slot, local_source
from longtake.pipeline.run.worker import begin_work
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, Filters
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import ShardRecord
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, drop_clip
from longtake.schemas.versions import versions as installed

LEDGER_PREFIX = "part-build"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a decode task gave: where its fragment is, and how many of its samples go to each planned shard."""

    video_id: str
    part: str
    marker: str
    kept: tuple[tuple[tuple[str, int], int], ...]  # ((split, planned shard), samples)
    error: tuple[Reason, str] | None = None  # why the whole source video was dropped
    filtered: int = 0  # samples that were decoded, then dropped by a threshold
    relevance: str | None = None  # the file with the relevance of its samples, if asked for
    notes: tuple[SourceNote, ...] = ()  # on the source video; some or all of its tasks give the same note


def add_building(root: Any, config: CorpusConfig, layout: Layout, plan: PlanSummary, workers: int) -> None:
    """Add decode, pack and seal to the pipeline `root`. The plan is already in the corpus."""
    tasks = (
        root
        | "Plan parts" >> beam.Create(plan_parts(layout))
        | "Tasks" >> beam.FlatMap(listed_tasks, layout, config, versions(config.frames.decoder))
    )
    results = decode_tasks(tasks, config, layout, workers)
    ledger = (
        (results[DROPS], lost_videos(results.results))
        | "Drops" >> beam.Flatten()
        | "Ledger" >> WriteLedger(layout.ledger, LEDGER_PREFIX)
    )
    checked = ledger | "Check failures" >> beam.Map(_check, config, layout, plan)
    shards = pack_results(results.results, Pack(config.filters, layout), workers, checked)
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


def decode_tasks(tasks: Any, config: CorpusConfig, layout: Layout, workers: int) -> Any:
    """Decode each task, unless an earlier run left its marker."""
    decode = beam.ParDo(Concurrent(Decode(config, layout, workers), workers))
    return (
        tasks
        | "Spread" >> beam.Reshuffle()
        | "Decode"
        >> decode.with_resource_hints(**decode_hints(tasks.pipeline.options)).with_outputs(DROPS, main="results")
    )


class Decode(beam.DoFn):
    """A DoFn from Task to a TaskResult, and a Drop for each long clip and sentence that is dropped."""

    def __init__(self, config: CorpusConfig, layout: Layout, workers: int) -> None:
        self._config, self._layout, self._workers, self._versions = config, layout, workers, installed()

    def setup(self) -> None:
        begin_work(self._versions)
        self._slots: Slots = shared_slots(self._workers, self._config.limits.memory_bytes)
        self._relevance = Relevance(self._config) if self._config.filters.clip_model is not None else None

    def process(self, task: Task) -> Iterator[TaskResult | Dropped]:
        path, clips = fragment.marker_path(self._layout, task.digest), clips_of(task)
        if task.changed:
            yield drop(_changed(task))
        reasons: dict[str, tuple[Reason, str]] = {}
        filtered: dict[str, tuple[Reason, str]] = {}
        error, relevance, notes = None, None, list[Drop]()
        on_source: tuple[SourceNote, ...] = ()
        try:
            marker = self._earlier(path) or self._decode(task, [WantedClip(c.key, c.frame_times_ms) for c in clips])
            on_source = marker.notes
            if self._relevance is not None:
                relevance, marker, notes = self._relevance.score(clips, path, marker)
            faults = ((sample.key, frame_fault(sample.scores, self._config.filters)) for sample in marker.samples)
            filtered = {key: fault for key, fault in faults if fault is not None}
            reasons = filtered | {fault.key: (fault.reason, fault.detail) for fault in marker.faults}
        except SourceError as failure:
            error = failure.reason, detail_of(failure, task.uri)
            reasons = {clip.key: error for clip in clips}
            note_failure(self._layout, task, failure.reason)
        lost = [
            row for clip in clips if clip.key in reasons for row in drop_clip(clip, Stage.DECODE, *reasons[clip.key])
        ]
        kept = Counter((clip.split, clip.shard) for clip in clips if clip.key not in reasons)
        _tell(task, clips, reasons, error)
        yield from map(drop, [*lost, *notes])
        placed = tuple(sorted(kept.items()))
        yield TaskResult(task.video_id, task.part, path, placed, error, len(filtered), relevance, on_source)

    def _earlier(self, path: str) -> Marker | None:
        marker = fragment.read_marker(path)
        if marker is None or not fragment.is_sound(path, marker):
            return None
        PROGRESS.add(reused=1)
        step_metrics.count("decode", tasks_reused=1)
        return marker

    def _decode(self, task: Task, wanted: list[WantedClip]) -> Marker:
        config = self._config
        uri = config.resolve(task.uri)
        with step_metrics.timed("decode", "task_ms"), local_source(uri, config.limits, task.source) as path:
            marker, seconds = in_slot(
                self._slots,
                config.limits.decode_seconds,
                decode_source,
                path,
                wanted,
                config.frames,
                config.limits,
                self._layout,
                task.digest,
                config.filters.scores_frames,
                None if storage.is_remote(uri) else task.source,
            )
        step_metrics.measure(
            "decode", task_bytes=marker.size, **{f"{kind}_ms": 1000 * s for kind, s in seconds.items()}
        )
        step_metrics.count("decode", bytes=marker.size)
        PROGRESS.add(**{f"seconds_{kind}": value for kind, value in seconds.items()})
        return marker


def _changed(task: Task) -> Drop:
    """The note that a source video changed since the plan looked at it."""
    PROGRESS.add(changed=1)
    event(logging.WARNING, "source_changed", video_id=task.video_id, detail=task.changed)
    return Drop(task.video_id, Subject.NOTE, task.video_id, Stage.DECODE, Reason.SOURCE_CHANGED, task.changed)


def _tell(
    task: Task, clips: list[LongClip], lost: dict[str, tuple[Reason, str]], error: tuple[Reason, str] | None
) -> None:
    """Count and log the result of a task."""
    kept = [clip for clip in clips if clip.key not in lost]
    frames, clips_ms = sum(len(clip.frame_times_ms) for clip in kept), sum(c.end_ms - c.start_ms for c in clips)
    PROGRESS.add(tasks=1, clips=len(kept), frames=frames, video_ms=clips_ms, dropped=len(lost))
    step_metrics.count("decode", tasks=1, clips=len(kept), frames=frames, clips_ms=clips_ms)
    if error is not None:
        event(logging.WARNING, "task_failed", video_id=task.video_id, reason=error[0].value, detail=error[1])
        return
    event(logging.INFO, "task_done", video_id=task.video_id, clips=len(kept), lost=len(lost), frames=frames)
    for clip in clips:
        if clip.key in lost:
            reason, detail = lost[clip.key]
            event(logging.DEBUG, "clip_lost", video_id=task.video_id, key=clip.key, reason=reason.value, detail=detail)


def lost_videos(results: Any) -> Any:
    """The ledger rows of source videos without a sample, and the notes on source videos."""
    return (
        results
        | "Video of result" >> beam.Map(lambda result: (result.video_id, result))
        | "By video" >> beam.GroupByKey()
        | "Whole videos" >> beam.FlatMap(_video_rows)
    )


def _video_rows(element: tuple[str, Iterable[TaskResult]]) -> list[Drop]:
    """The notes on a source video, each once, and its own ledger row if decoding left no sample."""
    video_id, results = element[0], list(element[1])
    step_metrics.count("decode", videos=1)
    told = {note.reason: note.detail for result in sorted(results, key=lambda r: r.marker) for note in result.notes}
    notes = [Drop(video_id, Subject.NOTE, video_id, Stage.DECODE, reason, told[reason]) for reason in sorted(told)]
    return notes + _lost_video(video_id, results)


def _lost_video(video_id: str, results: list[TaskResult]) -> list[Drop]:
    if any(result.kept for result in results):
        return []
    if any(result.filtered for result in results):  # it can be decoded, so this is no failure
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


def pack_results(results: Any, step: "Pack", workers: int, checked: Any) -> Any:
    """A ShardRecord for each shard that has samples. `checked` delays packing until the failures have been counted."""
    places = results | "Places" >> beam.FlatMap(
        lambda result: [
            (place, (result.part, result.marker, result.relevance, result.video_id, n)) for place, n in result.kept
        ]
    )
    shards = places | "By shard" >> beam.GroupByKey()
    numbers = (
        results.pipeline
        | "Once" >> beam.Create([None], reshuffle=False)
        | "Numbers"
        >> beam.FlatMap(lambda _, used: shard_numbers(used).items(), AsList(shards | "Planned shards" >> beam.Keys()))
    )
    return shards | "Pack" >> beam.ParDo(Concurrent(step, workers), AsDict(numbers), AsSingleton(checked))


class Pack(beam.DoFn):
    """A DoFn from (planned shard, its fragments) to a ShardRecord. Side inputs: the published number of each planned shard, and
    anything that must be done before.

    Shards that are in the corpus `stay` with the same bytes are not written again.
    """

    def __init__(self, filters: Filters, layout: Layout, stay: str | None = None) -> None:
        self._filters, self._layout, self._stay = filters, layout, stay

    def process(
        self,
        element: tuple[tuple[str, int], Iterable[tuple[str, str, str | None, str, int]]],
        numbers: dict[tuple[str, int], int],
        _: None,
    ) -> Iterator[ShardRecord]:
        (split, planned), fragments = element[0], list(element[1])
        markers = {}
        found: dict[str, StoredSample] = {}
        for path, relevance in sorted({path: relevance for _, path, relevance, *_ in fragments}.items()):
            if is_index(path):
                found |= stored_samples(path, {video_id for _, own, _, video_id, _ in fragments if own == path})
                continue
            marker = fragment.read_marker(path)
            if marker is None:
                raise OSError(f"{path}: no longer exists. Run the same command again.")
            markers[path] = marker if relevance is None else with_relevance(marker, relevance)
        parts = sorted({part for part, *_ in fragments})
        chosen = list(samples_of(clips_of_shard(parts, split, planned), markers, self._filters, found))
        decoded = sum(samples for *_, samples in fragments)
        if len(chosen) != decoded:
            raise OSError(f"shard {split} {planned}: {len(chosen)} samples found, {decoded} decoded")
        number = numbers[split, planned]
        record = unchanged(split, number, chosen, found) if found else None
        if record is not None:
            keep_shard(record, found[chosen[0].clip.key], self._layout, self._stay)
        else:
            with step_metrics.timed("pack", "pack_ms"):
                record = pack(self._layout, split, number, chosen)
        PROGRESS.add(shards=1, bytes=record.bytes)
        step_metrics.count("pack", shards=1, clips=record.samples, frames=record.frames, bytes=record.bytes)
        step_metrics.measure("pack", shard_bytes=record.bytes)
        event(logging.INFO, "shard_packed", shard=record.name, samples=record.samples, bytes=record.bytes)
        yield record
