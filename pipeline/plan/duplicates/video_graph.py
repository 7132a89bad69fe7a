"""The Beam graph that drops videos with the same pictures as another video. It decodes and compares few frames of each."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.decode import SourceError
from longtake.pipeline.plan.duplicates.find import FindDuplicates, duplicates_of
from longtake.pipeline.plan.duplicates.footprint import (
    DIFFERENT,
    OF_VIDEOS,
    SAME_SHARE,
    Footprint,
    different,
    footprint_of,
)
from longtake.pipeline.plan.duplicates.graph import FILTERED
from longtake.pipeline.plan.duplicates.survivors import Duplicate, key_of, ranked
from longtake.pipeline.plan.video import PlannedVideo
from longtake.pipeline.plan.video_rows import ROWS_PER_PART, packed_videos, videos_of
from longtake.pipeline.read.buckets import encoded, encoded_name
from longtake.pipeline.read.rows import DROPS, Dropped, drop
from longtake.pipeline.run.batches import Batch
from longtake.pipeline.run.concurrent import Concurrent
from longtake.pipeline.run.parts import JoinByPart
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import batches_for
from longtake.pipeline.run.slots import Slots, shared_slots
from longtake.pipeline.run.sources import in_slot, local_source
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, drop_clip

NOTES = "notes"


class TakeFootprint(beam.DoFn):
    """Takes PlannedVideo; gives (name, Footprint), or a note on why the video is not compared."""

    def __init__(self, config: CorpusConfig, workers: int) -> None:
        self._config, self._workers = config, workers

    def setup(self) -> None:
        self._slots: Slots = shared_slots(self._workers, self._config.limits.memory_bytes)

    def process(self, planned: PlannedVideo) -> Iterator[tuple[bytes, Footprint] | Dropped]:
        video, limits = planned.clips[0].video, self._config.limits
        PROGRESS.advance("comparing pictures", 1, "video")
        try:
            with local_source(self._config.resolve(video.uri), limits) as path:
                found = in_slot(self._slots, limits.decode_seconds, footprint_of, path, limits)
        except SourceError as error:
            yield drop(_note(video.video_id, str(error)))
            return
        pictures = different(found.hashes)
        if pictures < DIFFERENT:
            yield drop(_note(video.video_id, f"{pictures} different pictures; {DIFFERENT} are needed"))
        else:
            yield ranked(video.video_id, self._config.seed), found


def _note(video_id: str, detail: str) -> Drop:
    return Drop(
        video_id, Subject.NOTE, video_id, Stage.FILTER, Reason.NOT_COMPARED, f"compared with no video: {detail}"
    )


class LeaveOutVideos(beam.PTransform):
    """Takes PlannedVideo; gives the videos that stay, marked or not, ledger rows (DROPS, and NOTES on videos that are compared
    with none) and the number of drops (FILTERED)."""

    def __init__(self, config: CorpusConfig, workers: int) -> None:
        super().__init__()
        self._config, self._workers = config, workers

    def expand(self, videos: Any) -> Any:
        take = Concurrent(TakeFootprint(self._config, self._workers), self._workers)
        footprints = videos | "Footprint" >> beam.ParDo(take).with_outputs(DROPS, main="found")
        repeats = footprints.found | "Same videos" >> FindDuplicates(SAME_SHARE, OF_VIDEOS)
        join = JoinByPart(ROWS_PER_PART, batches_for(videos.pipeline.options), _NAMES)
        left = (
            {"videos": packed_videos(videos), "repeats": repeats}
            | "By id" >> join
            | "Leave out"
            >> beam.FlatMap(_leave_out, self._config.duplicates.videos == "flag").with_outputs(
                DROPS, FILTERED, main="videos"
            )
        )
        return {"videos": left.videos, DROPS: left[DROPS], FILTERED: left[FILTERED], NOTES: footprints[DROPS]}


def _ids_of_clips(rows: pa.Table) -> Iterator[bytes]:
    return encoded(rows["video_id"])


def _ids_of_duplicates(found: pa.Table) -> Iterator[bytes]:
    return (encoded_name(key_of(name)) for name in found["name"].to_pylist())


_NAMES = {"videos": _ids_of_clips, "repeats": _ids_of_duplicates}


def _leave_out(element: tuple[int, dict[str, Iterable[Batch]]], flag: bool) -> Iterator[Any]:
    _, sides = element
    repeats = {key_of(duplicate.name): duplicate for duplicate in duplicates_of(sides["repeats"])}
    for planned in videos_of(sides["videos"]):
        repeat = repeats.get(planned.clips[0].video.video_id)
        if repeat is None:
            yield planned
        elif flag:
            survivor = key_of(repeat.survivor)
            yield replace(planned, clips=tuple(replace(c, duplicate_video_of=survivor) for c in planned.clips))
        else:
            yield from map(drop, video_drops(planned.clips, repeat))
            yield TaggedOutput(FILTERED, len(planned.clips))


def video_drops(clips: tuple[LongClip, ...], repeat: Duplicate) -> list[Drop]:
    """The ledger rows of a duplicate video: for itself, its long clips and their sentences."""
    survivor, like = key_of(repeat.survivor), key_of(repeat.like)
    stays = f"{like}, which stays" if like == survivor else f"{like}; {survivor} stays"
    share = 1.0 if repeat.similarity is None else repeat.similarity
    video_id = clips[0].video.video_id
    detail = f"{100 * share:.3g} % of the frames compared are those of {stays}"
    rows = [Drop(video_id, Subject.VIDEO, video_id, Stage.FILTER, Reason.DUPLICATE_VIDEO, detail)]
    for clip in clips:
        rows += drop_clip(clip, Stage.FILTER, Reason.DUPLICATE_VIDEO, detail)
    return rows
