"""Planned videos on their way through a join: plan rows as tables, with the facts of their sources."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from longtake.pipeline.decode import Probe
from longtake.pipeline.plan.quota_graph import SplitByQuota
from longtake.pipeline.plan.video import PlannedVideo
from longtake.pipeline.run.batches import Batch, Pack, one_table, table_of
from longtake.pipeline.run.runner import batches_for
from longtake.schemas import tables
from longtake.schemas.clip_columns import clips_of
from longtake.schemas.config import CorpusConfig
from longtake.schemas.records import SourceInfo

ROWS_PER_PART = 8192  # of a join
_ROWS_IN_BATCH = 2048
_AT_ONCE = 512  # rows that become objects together
_FACTS = "facts"  # the column with the facts of a source, as JSON


def packed_videos(videos: Any) -> Any:
    """Batches of `video_rows`, for a collection of PlannedVideo."""
    batches = batches_for(videos.pipeline.options)
    return videos | "Video rows" >> beam.ParDo(Pack(video_rows, batches, _ROWS_IN_BATCH, _number_of_clips))


def split_videos(config: CorpusConfig) -> SplitByQuota:
    """Return the step that takes batches of `video_rows` and gives PlannedVideo, split by exact quota."""
    return SplitByQuota(config.split, config.seed, _ids_of, _with_splits)


def _ids_of(batch: Batch) -> list[str]:
    ids: list[str] = pc.unique(table_of(batch)["video_id"]).to_pylist()
    return ids


def _with_splits(batch: Batch, split_of: Callable[[str], str]) -> Iterator[PlannedVideo]:
    for planned in videos_of([batch]):
        split = split_of(planned.clips[0].video.video_id)
        yield replace(planned, clips=tuple(replace(clip, split=split) for clip in planned.clips))


def _number_of_clips(planned: PlannedVideo) -> int:
    return len(planned.clips)


def video_rows(videos: Sequence[PlannedVideo]) -> pa.Table:
    """A row for each long clip of the videos, one video after the other."""
    rows = tables.bare_plan_table([clip for planned in videos for clip in planned.clips])
    facts = [text for planned in videos for text in [_facts_text(planned.facts)] * len(planned.clips)]
    return rows.append_column(_FACTS, pa.array(facts, pa.string()))


def videos_of(batches: Iterable[Batch]) -> Iterator[PlannedVideo]:
    """Yield the videos of batches of `video_rows`, whose rows may have been divided by video."""
    rows = one_table(batches, video_rows([]).schema)
    for _, of_video in groupby(_clips_with_facts(rows), key=lambda pair: pair[0].video.video_id):
        clips, facts = zip(*of_video, strict=True)
        yield PlannedVideo(clips, _facts_of(facts[0]))


def _clips_with_facts(rows: pa.Table) -> Iterator[tuple[Any, str | None]]:
    for at in range(0, len(rows), _AT_ONCE):
        some = rows.slice(at, _AT_ONCE)
        yield from zip(clips_of(some), some[_FACTS].to_pylist(), strict=True)


def _facts_text(facts: Probe | None) -> str | None:
    return None if facts is None else json.dumps(asdict(facts))


def _facts_of(text: str | None) -> Probe | None:
    if text is None:
        return None
    facts = json.loads(text)
    audio = facts["audio_ms"]
    return Probe(SourceInfo(**facts["source"]), facts["exact"], None if audio is None else tuple(audio))
