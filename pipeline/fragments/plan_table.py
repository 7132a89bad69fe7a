"""Reads the plan by part, by the rows of a decode task, or by shard. Reads only the wanted rows."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from longtake.pipeline.fragments.fragment import WantedClip, fragment_digest
from longtake.pipeline.fragments.seen import SourceVersions, difference, version_of
from longtake.pipeline.run.sources import Version
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip

_TASK_MS = (
    600_000  # a long video is decoded in ranges of about this length, so that a retry is cheap and no task lags behind
)


@dataclass(frozen=True, slots=True)
class Task:
    """A decode task: `rows` consecutive rows of a plan part from `first`, all of one video. It is small, for shuffles."""

    part: str
    first: int
    rows: int
    video_id: str
    uri: str
    digest: str
    source: Version = (0, "")  # size and tag of the file in the digest; (0, "") if unknown
    changed: str = ""  # the change of the file since the plan; only in the first task of each video


def plan_parts(layout: Layout) -> list[str]:
    """The files of the plan, in order."""
    return storage.list_files(layout.plan, ".parquet")


def tasks_of(
    part: str, config: CorpusConfig, versions: dict[str, str], only: Container[int] | None = None
) -> Iterator[Task]:
    """Yield the decode tasks of one part of the plan, or of the rows in `only`."""
    columns = ["key", "video_id", "uri", "start_ms", "end_ms", "frame_times_ms"]
    seen = SourceVersions(Layout(config.root), config.seed)
    with storage.open_table(part) as stream:
        numbered = enumerate(_rows(pq.ParquetFile(stream), columns))
        rows = (row for row in numbered if only is None or row[0] in only)
        for (video_id, uri), group in groupby(rows, key=lambda row: (row[1]["video_id"], row[1]["uri"])):
            found = version_of(config.resolve(uri))
            source = found or (0, "")  # decoding will report the problem
            changed = difference(seen.of(video_id), found) if found else ""
            for piece in _ranges(group):
                wanted = [WantedClip(row["key"], tuple(row["frame_times_ms"])) for _, row in piece]
                digest = fragment_digest(uri, source, wanted, config.frames, versions, config.filters.scores_frames)
                yield Task(part, piece[0][0], len(piece), video_id, uri, digest, source, changed)
                changed = ""


def _ranges(group: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    piece: list[tuple[int, dict[str, Any]]] = []
    for number, row in group:
        if piece and (row["end_ms"] - piece[0][1]["start_ms"] > _TASK_MS or number != piece[-1][0] + 1):
            yield piece
            piece = []
        piece.append((number, row))
    yield piece


def _rows(file: pq.ParquetFile, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(batch_size=512, columns=columns):
        yield from batch.to_pylist()


def clips_of(task: Task) -> list[LongClip]:
    """The plan rows of a task."""
    with storage.open_table(task.part) as stream:
        file = pq.ParquetFile(stream)
        start, groups, skipped = 0, [], 0
        for number in range(file.num_row_groups):
            size = file.metadata.row_group(number).num_rows
            if start + size > task.first and start < task.first + task.rows:
                groups.append(number)
                if len(groups) == 1:
                    skipped = start
            start += size
        table = file.read_row_groups(groups).slice(task.first - skipped, task.rows)
    return [tables.clip_from_row(row) for row in table.to_pylist()]


def clips_of_shard(parts: Iterable[str], split: str, shard: int) -> list[LongClip]:
    """The rows of one planned shard in some parts of the plan, by position."""
    filters = [("split", "=", split), ("shard", "=", shard)]
    found = pa.concat_tables(storage.read_parquet(part, columns=tables.PLAN.names, filters=filters) for part in parts)
    return sorted((tables.clip_from_row(row) for row in found.to_pylist()), key=lambda clip: clip.position)
