"""The Beam graph that drops or marks long clips whose paragraphs repeat those of others."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.filters.clip_filter import video_row
from longtake.pipeline.plan.duplicates.find import FindDuplicates, duplicates_of
from longtake.pipeline.plan.duplicates.similarity import normalised
from longtake.pipeline.plan.duplicates.survivors import Duplicate, key_of, ranked
from longtake.pipeline.plan.video import PlannedVideo
from longtake.pipeline.plan.video_rows import ROWS_PER_PART, packed_videos, videos_of
from longtake.pipeline.read.rows import DROPS, drop
from longtake.pipeline.run.batches import Batch
from longtake.pipeline.run.parts import JoinByPart
from longtake.pipeline.run.runner import batches_for
from longtake.schemas.config import Duplicates
from longtake.schemas.reasons import Reason, Stage
from longtake.schemas.records import Drop, LongClip, drop_clip

FILTERED = "filtered"


class LeaveOutDuplicates(beam.PTransform):
    """Takes PlannedVideo; gives the same without its duplicates, or with marks on them, as `settings` says. Also gives ledger
    rows (DROPS) and the number of long clips dropped from a video (FILTERED)."""

    def __init__(self, settings: Duplicates, seed: int) -> None:
        super().__init__()
        self._settings, self._seed = settings, seed

    def expand(self, videos: Any) -> Any:
        found = (
            videos
            | "Paragraphs" >> beam.FlatMap(paragraphs_of, self._seed)
            | "Duplicates" >> FindDuplicates(self._settings.similarity)
        )
        join = JoinByPart(ROWS_PER_PART, batches_for(videos.pipeline.options), _NAMES)
        return (
            {"videos": packed_videos(videos), "found": found}
            | "By video" >> join
            | "Leave out" >> beam.FlatMap(_leave_out, self._settings).with_outputs(DROPS, FILTERED, main="videos")
        )


def paragraphs_of(planned: PlannedVideo, seed: int) -> Iterator[tuple[bytes, str]]:
    """Yield the name and normalised text of each long clip. A long clip without words is never a duplicate."""
    for clip in planned.clips:
        text = normalised(clip.paragraph)
        if text:
            in_repeat = clip.duplicate_video_of is not None
            yield ranked(clip.video.video_id, seed, clip.key, in_repeat), text


def _video_parts(keys: Iterable[str]) -> Iterator[bytes]:
    return (key.rsplit("-", 2)[0].encode() for key in keys)


def _videos_of_clips(rows: pa.Table) -> Iterator[bytes]:
    return _video_parts(rows["key"].to_pylist())


def _videos_of_duplicates(found: pa.Table) -> Iterator[bytes]:
    return _video_parts(map(key_of, found["name"].to_pylist()))


_NAMES = {"videos": _videos_of_clips, "found": _videos_of_duplicates}


def _leave_out(element: tuple[int, dict[str, Iterable[Batch]]], settings: Duplicates) -> Iterator[Any]:
    _, sides = element
    repeats = {key_of(duplicate.name): duplicate for duplicate in duplicates_of(sides["found"])}
    for planned in videos_of(sides["videos"]):
        clips, drops, left_out = without_repeats(planned.clips, repeats, settings)
        yield from map(drop, drops)
        if left_out:
            yield TaggedOutput(FILTERED, left_out)
        if clips:
            yield replace(planned, clips=tuple(clips))


def without_repeats(
    clips: Iterable[LongClip], repeats: dict[str, Duplicate], settings: Duplicates
) -> tuple[list[LongClip], list[Drop], int]:
    """The long clips of a video that stay, the ledger rows of the others, and the number of the others."""
    kept: list[LongClip] = []
    gone: list[LongClip] = []
    drops: list[Drop] = []
    for clip in clips:
        repeat = repeats.get(clip.key)
        if repeat is None:
            kept.append(clip)
        elif settings.paragraphs == "flag":
            kept.append(replace(clip, duplicate_of=key_of(repeat.survivor)))
        else:
            gone.append(clip)
            drops += drop_clip(clip, Stage.FILTER, *_why(repeat, settings))
    if gone and not kept:
        drops.append(video_row(gone))
    return kept, drops, len(gone)


def _why(repeat: Duplicate, settings: Duplicates) -> tuple[Reason, str]:
    survivor, like = key_of(repeat.survivor), key_of(repeat.like)
    stays = f"like {survivor}, which stays" if like == survivor else f"like {like}; {survivor} stays"
    if repeat.similarity is None:
        return Reason.EXACT_DUPLICATE, f"the same words, {stays}"
    return Reason.NEAR_DUPLICATE, f"similarity {repeat.similarity:.4g} reaches {settings.similarity:g}, {stays}"
