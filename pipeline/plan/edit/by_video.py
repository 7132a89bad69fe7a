"""The rows of an edited plan and of the plan that was edited, brought together by video: as tables in a join, then one video at a
time as objects."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate, groupby, islice
from operator import attrgetter, itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.read.buckets import encoded, values_of
from longtake.pipeline.run.batches import Batch, Batches, one_table
from longtake.pipeline.run.parts import JoinByPart
from longtake.schemas import storage, tables
from longtake.schemas.clip_columns import clips_of
from longtake.schemas.records import LongClip

ROWS = 1024  # of a batch
_ROWS_PER_PART = 8192  # of both plans
_AT_ONCE = 512  # rows that become objects together
_FILE, _ROW = "_file", "_row"
Span = tuple[str, int, int]  # clip id, start and end, which identify a sentence


@dataclass(frozen=True, slots=True, order=True)
class PlannedClip:
    """A row of the plan that was edited, with only the compared fields."""

    start_ms: int
    key: str
    spans: tuple[Span, ...]
    text: str = ""  # with frames.uniform alone


@dataclass(frozen=True, slots=True)
class EditedClip:
    """A valid row of the edited plan, and its place: file and row number."""

    where: tuple[str, int]
    clip: LongClip


@dataclass(frozen=True, slots=True)
class VideoRows:
    """The rows of one video in both plans, in order."""

    video_id: str
    edited: list[EditedClip]
    planned: list[PlannedClip]


def join_by_video(batches: Batches) -> JoinByPart:
    """The step that joins batches of `edited` and of `planned` rows, for `videos_of`."""
    return JoinByPart(_ROWS_PER_PART, batches, {"edited": _video_ids, "planned": _video_ids})


def _video_ids(rows: pa.Table) -> Iterator[bytes]:
    return encoded(rows["video_id"])


def edited_rows(clips: Sequence[EditedClip]) -> pa.Table:
    """The table of some rows of the edited plan."""
    rows = tables.bare_plan_table([row.clip for row in clips])
    rows = rows.append_column(_FILE, pa.array([row.where[0] for row in clips], pa.string()))
    return rows.append_column(_ROW, pa.array([row.where[1] for row in clips], pa.int64()))


def planned_rows(part: str, batches: Batches, with_text: bool) -> Iterator[Batch]:
    """Yield the rows of a part of the plan that was edited, with the columns that are compared, of the sentences their text only
    if asked for. The part may be of an earlier version, whose sentences have fewer fields."""
    with storage.open_table(part) as stream:
        file = pq.ParquetFile(stream)
        for rows in file.iter_batches(batch_size=ROWS, columns=["key", "video_id", "sentences"], use_threads=False):
            said = rows["sentences"]
            values = said.flatten()
            fields = [values.field(field.name).cast(field.type) for field in _SENTENCE]
            if not with_text:
                fields[-1] = pa.nulls(len(values), pa.string())
            sizes = pc.list_value_length(said).to_numpy().tolist()
            bounds = pa.array([0, *accumulate(sizes)], pa.int32())
            spans = pa.ListArray.from_arrays(bounds, pa.StructArray.from_arrays(fields, fields=list(_SENTENCE)))
            yield batches.of(pa.table([rows["key"], rows["video_id"], spans], schema=_PLANNED))


_SENTENCE = pa.struct(
    [("clip_id", pa.string()), ("start_ms", pa.int64()), ("end_ms", pa.int64()), ("text", pa.string())]
)
_PLANNED = pa.schema([("key", pa.string()), ("video_id", pa.string()), ("sentences", pa.list_(_SENTENCE))])


def videos_of(sides: dict[str, Iterable[Batch]]) -> Iterator[VideoRows]:
    """Yield the rows of a part of the join, one video after the other."""
    edited = one_table(sides["edited"], edited_rows([]).schema)
    planned = one_table(sides["planned"], _PLANNED)
    by_video = merge(_edited(edited), _planned(planned), key=itemgetter(0))
    for video_id, rows in groupby(by_video, key=itemgetter(0)):
        both = [row for _, row in rows]
        ours = sorted((row for row in both if isinstance(row, EditedClip)), key=attrgetter("where"))
        yield VideoRows(video_id, ours, sorted(row for row in both if isinstance(row, PlannedClip)))


def _slices(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield the rows in the order of their videos, some at a time: memory holds them once."""
    order = pc.sort_indices(rows["video_id"])
    return (rows.take(order.slice(at, _AT_ONCE)) for at in range(0, len(rows), _AT_ONCE))


def _edited(rows: pa.Table) -> Iterator[tuple[str, Any]]:
    for some in _slices(rows):
        places = zip(values_of(some, _FILE), values_of(some, _ROW), strict=True)
        for clip, where in zip(clips_of(some), places, strict=True):
            yield clip.video.video_id, EditedClip(where, clip)


def _planned(rows: pa.Table) -> Iterator[tuple[str, Any]]:
    for some in _slices(rows):
        said = some["sentences"].combine_chunks()
        ids, starts, ends, texts = (
            column.to_numpy(zero_copy_only=False).tolist() for column in said.flatten().flatten()
        )
        spans, texts = zip(ids, starts, ends, strict=True), iter(texts)
        sizes = pc.list_value_length(said).to_numpy().tolist()
        for video_id, key, size in zip(values_of(some, "video_id"), values_of(some, "key"), sizes, strict=True):
            of_clip, said_in_clip = tuple(islice(spans, size)), tuple(islice(texts, size))
            yield video_id, PlannedClip(of_clip[0][1], key, of_clip, said_in_clip[0] or "")
