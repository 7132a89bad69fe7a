"""The Parquet file of `longtake embed`: rows are encoded in batches and written in row groups, as they come."""

from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from longtake.jobs.retrieve.inputs import TextItem, VideoItem
from longtake.model.retrieval.embedding import Embedder

_GROUP = 1024  # rows of a row group


def schema(width: int, parts: bool, about: dict[str, str]) -> pa.Schema:
    """Return the columns kind, id, source, start_ms, end_ms, embedding; with `parts`, the vectors of clips or sentences."""
    vector = pa.list_(pa.float32(), width)
    fields = [
        pa.field("kind", pa.string(), nullable=False),  # video or text
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("start_ms", pa.int64()),
        pa.field("end_ms", pa.int64()),
        pa.field("embedding", vector, nullable=False),
    ]
    if parts:
        fields.append(pa.field("parts", pa.list_(vector), nullable=False))
    return pa.schema(fields, metadata={f"longtake.{name}": value for name, value in about.items()})


class EmbeddingTable:
    """Takes items and writes their rows to a local path. Memory holds at most a batch of each shape and one row group."""

    def __init__(self, path: str, embedder: Embedder, parts: bool, batch_size: int, about: dict[str, str]) -> None:
        self._embedder, self._parts, self._batch_size = embedder, parts, batch_size
        self._schema = schema(embedder.width, parts, about)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._videos: dict[int, list[VideoItem]] = {}  # by number of frames: a batch has one shape
        self._texts: list[TextItem] = []
        self._rows: list[dict[str, Any]] = []

    def add(self, item: VideoItem | TextItem) -> str:
        """Take an item, and return its kind."""
        if isinstance(item, TextItem):
            self._texts.append(item)
            if len(self._texts) == self._batch_size:
                self._encode_texts()
            return "text"
        waiting = self._videos.setdefault(len(item.frames), [])
        waiting.append(item)
        if len(waiting) == self._batch_size:
            self._encode_videos(len(item.frames))
        return "video"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                for frames in list(self._videos):
                    self._encode_videos(frames)
                self._encode_texts()
                self._write()
        finally:
            self._writer.close()

    def _encode_videos(self, frames: int) -> None:
        items = self._videos.pop(frames, [])
        if not items:
            return
        found = self._embedder.videos(
            [item.frames for item in items], clips=frames // self._embedder.size.frames_per_clip
        )
        self._take("video", items, found.video, list(found.clips))

    def _encode_texts(self) -> None:
        items, self._texts = self._texts, []
        if not items:
            return
        found = self._embedder.texts([item.sentences for item in items])
        real = [vectors[:count] for vectors, count in zip(found.sentences, found.counts, strict=True)]
        self._take("text", items, found.paragraph, real)

    def _take(self, kind: str, items: list[Any], vectors: Tensor, parts: list[Tensor]) -> None:
        for item, vector, own in zip(items, vectors, parts, strict=True):
            row = {
                "kind": kind,
                "id": item.id,
                "source": item.source,
                "start_ms": item.start_ms,
                "end_ms": item.end_ms,
                "embedding": vector.numpy(),
            }
            self._rows.append(row | ({"parts": list(own.numpy())} if self._parts else {}))
        if len(self._rows) >= _GROUP:
            self._write()

    def _write(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []
