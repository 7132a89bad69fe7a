"""Buckets: parts of the ids by their hash, so small that the rows of one fit into memory, and rows on their way to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from longtake.pipeline.read.line_source import LINE_BYTES
from longtake.pipeline.run.batches import Batch, Batches
from longtake.schemas.config import CorpusConfig

_BUCKET_BYTES = 16 << 20  # of input: some 60,000 sentences
_MOST_BUCKETS = 256  # beyond some 4 GB the buckets grow instead: each sends rows to each
_VIDEO_BUCKETS, MOST_VIDEO_BUCKETS, _VIDEOS = 64, 1024, 8


@dataclass(frozen=True, slots=True)
class Buckets:
    """The numbers of buckets. `rows`: so many that the rows of one fit into memory. `videos`: so many that all workers have work
    where a video takes long, because its source is looked at or its transcript is cleaned."""

    rows: int
    videos: int


def buckets_for(text_bytes: int, manifest_bytes: int, slow_videos: bool) -> Buckets:
    """The buckets for an input of so many bytes."""
    rows = min(1 + (text_bytes + manifest_bytes) // _BUCKET_BYTES, _MOST_BUCKETS)
    if not slow_videos:
        return Buckets(rows, rows)
    videos = manifest_bytes // LINE_BYTES // _VIDEOS
    return Buckets(rows, max(rows, min(max(videos, _VIDEO_BUCKETS), MOST_VIDEO_BUCKETS)))


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What the steps below need beside their rows."""

    config: CorpusConfig
    buckets: Buckets
    batches: Batches

    def by_bucket(self, rows: "Rows", buckets: int) -> Iterator[tuple[int, Batch]]:
        """The rows as batches by bucket of their first column, which holds ids."""
        return self.batches.by_bucket(rows.table(), map(encoded_name, rows.columns[0]), buckets)


class Rows:
    """Rows of a table while they are made, by column."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.columns: list[list[Any]] = [[] for _ in schema]

    def add(self, *values: Any) -> None:
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)

    def __len__(self) -> int:
        return len(self.columns[0])

    def table(self) -> pa.Table:
        arrays = [pa.array(column, field.type) for column, field in zip(self.columns, self.schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=self.schema)


def encoded_name(name: str) -> bytes:
    """An id as bytes; it may hold what UTF-8 cannot."""
    return name.encode("utf-8", "surrogatepass")


def encoded(column: pa.ChunkedArray) -> Iterator[bytes]:
    """The texts of a column as bytes."""
    return iter(column.cast(pa.binary()).to_numpy().tolist())


def values_of(table: pa.Table, name: str) -> list[Any]:
    """A column as Python values, quickly. Not for numbers with nulls."""
    return list(table[name].to_numpy().tolist())
