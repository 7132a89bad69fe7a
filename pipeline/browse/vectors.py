"""The vectors of samples, as unit vectors in a file mapped into memory. They come from the table of `longtake embed`, or from
the sentence embeddings of `longtake plan --save-embeddings` (a sample gets the mean of its sentences)."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.browse.cache_tables import MEMORY
from longtake.pipeline.browse.store import Ids, Store
from longtake.pipeline.browse.table_rows import BATCH
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.listing import TEMPORARY

_KINDS = {"video": "frames", "text": "text"}  # kinds of rows of `longtake embed`, and their names for people
_SENTENCES = "sentences"
_CHUNK = 32_768  # vectors at a time
_NAME_IDS, _NAME_VECTORS = "ids.npy", "vectors.npy"

Vectors = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors that can be compared with each other. Row `ids[n]` has the vector `vectors[n]`; ids are in order."""

    name: str  # "frames", "text" or "sentences"
    ids: Ids
    vectors: Vectors

    def nearest(self, row_id: int, number: int) -> list[tuple[int, float]]:
        """The rows most similar to a row, except itself, with their cosine similarities; empty if it has no vector."""
        at = int(np.searchsorted(self.ids, row_id))
        if at == len(self.ids) or self.ids[at] != row_id:
            return []
        return self.closest(np.asarray(self.vectors[at], np.float32), number, at)

    def closest(self, own: npt.NDArray[np.float32], number: int, but: int = -1) -> list[tuple[int, float]]:
        """The rows most similar to a vector of unit length, with their cosine similarities. The entry `but` is left out.

        Raises ValueError if the vector has another width.
        """
        best_ids, best = np.empty(0, np.int32), np.empty(0, np.float32)
        for start in range(0, len(self.ids), _CHUNK):
            scores = np.asarray(self.vectors[start : start + _CHUNK], np.float32) @ own
            if start <= but < start + _CHUNK:
                scores[but - start] = -np.inf
            ids = np.concatenate([best_ids, self.ids[start : start + _CHUNK]])
            scores = np.concatenate([best, scores])
            top = np.argsort(-scores, kind="stable")[:number]
            best_ids, best = ids[top], scores[top]
        return [(int(n), float(s)) for n, s in zip(best_ids, best, strict=True) if np.isfinite(s)]


def open_spaces(store: Store, layout: Layout, table: str | None) -> list[Space]:
    """Open the available vectors: from `table`, a file of `longtake embed`, else from the corpus. They are kept with the cache.

    Raises CorpusError for a table without vectors or a damaged one, and OSError.
    """
    paths = [table] if table else storage.list_files(layout.embeddings, ".parquet")
    if not paths:
        return []
    name = hashlib.sha256()
    for path in paths:
        name.update(f"{path}\0{storage.size_and_tag(path)}\n".encode())
    folder = os.path.join(store.cache.folder, f"vectors-{name.hexdigest()[:16]}")
    if not os.path.isdir(folder):
        making = os.path.join(store.cache.folder, f"{TEMPORARY}{uuid.uuid4().hex}")
        os.makedirs(making)
        try:
            if table:
                _from_table(store, table, making)
            else:
                _from_sentences(store, layout, paths, making)
            if not os.path.isdir(folder):
                os.rename(making, folder)
        except storage.PARQUET_ERRORS as error:
            raise CorpusError(f"{table or layout.embeddings}: unreadable: {storage.damage(error)}") from None
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return [_opened(folder, space) for space in sorted(os.listdir(folder))]


def _opened(folder: str, space: str) -> Space:
    ids = np.load(os.path.join(folder, space, _NAME_IDS))
    return Space(space, ids, np.load(os.path.join(folder, space, _NAME_VECTORS), mmap_mode="r"))


class _Writer:
    """Writes the vectors of one space, in any order. Rows of the corpus without a vector get no entry in the files."""

    def __init__(self, folder: str, rows: int, width: int) -> None:
        os.makedirs(folder)
        self._folder, self._sum_path = folder, os.path.join(folder, "sum")
        self._sum = np.memmap(self._sum_path, np.float32, "w+", shape=(rows, width))
        self._has = np.zeros(rows, bool)

    def add(self, ids: Ids, vectors: npt.NDArray[np.floating[Any]]) -> None:
        """Add vectors to the sums of their rows; each vector is scaled to length 1 first."""
        unit = _unit(np.asarray(vectors, np.float32))
        good = np.isfinite(unit).all(axis=1) & (np.abs(unit).max(axis=1, initial=0) > 0)
        np.add.at(self._sum, ids[good], unit[good])
        self._has[ids[good]] = True

    def finish(self) -> None:
        ids = np.flatnonzero(self._has).astype(np.int32)
        path = os.path.join(self._folder, _NAME_VECTORS)
        shape = (len(ids), self._sum.shape[1])
        np.save(os.path.join(self._folder, _NAME_IDS), ids)
        if len(ids):
            out = np.lib.format.open_memmap(path, "w+", np.float16, shape)
            for start in range(0, len(ids), _CHUNK):
                out[start : start + _CHUNK] = _unit(self._sum[ids[start : start + _CHUNK]])
            out.flush()
        else:
            np.save(path, np.empty(shape, np.float16))
        os.unlink(self._sum_path)


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(np.where(lengths > 0, vectors / lengths, 0), np.float32)


def _from_table(store: Store, path: str, folder: str) -> None:
    writers: dict[str, _Writer] = {}
    with storage.open_table(path) as stream:
        file = pq.ParquetFile(stream)
        if missing := {"kind", "id", "embedding"} - set(file.schema_arrow.names):
            raise CorpusError(f"{path}: not a table of `longtake embed`: it has no column {', '.join(sorted(missing))}")
        for batch in file.iter_batches(BATCH, columns=["kind", "id", "embedding"]):
            rows = pa.Table.from_batches([batch])
            for kind, name in _KINDS.items():
                own = rows.filter(pc.equal(rows["kind"], kind))
                ids = store.rows_of(own["id"].to_pylist())
                there = [n for n, row_id in enumerate(ids) if row_id is not None]
                if not there:
                    continue
                vectors = _matrix(own["embedding"])[there]
                if name not in writers:
                    writers[name] = _Writer(os.path.join(folder, name), store.rows, vectors.shape[1])
                writers[name].add(np.array([ids[n] for n in there], np.int32), vectors)
    if not writers:
        raise CorpusError(f"{path}: no row is about a sample of this corpus; was it made from another corpus?")
    for writer in writers.values():
        writer.finish()


def _matrix(column: pa.ChunkedArray) -> npt.NDArray[np.floating[Any]]:
    column = column.combine_chunks()
    flat = np.asarray(pc.list_flatten(column))
    return flat.reshape(len(column), -1)


def _from_sentences(store: Store, layout: Layout, paths: list[str], folder: str) -> None:
    """Join each part of the embeddings with all sentences of the corpus, which are held in a database on disk."""
    waiting = os.path.join(folder, "waiting.duckdb")
    connection = duckdb.connect(waiting, config={"memory_limit": MEMORY})
    writer: _Writer | None = None
    try:
        connection.execute("CREATE TABLE sentence (row_id INTEGER, video_id VARCHAR, clip_id VARCHAR)")
        for batch in _sentences(layout):
            connection.register("batch", batch)
            connection.execute("INSERT INTO sentence SELECT row_id, video_id, unnest(clip_ids) FROM batch")
        model = None
        for path in paths:
            with storage.open_table(path) as stream:
                file = pq.ParquetFile(stream)
                own = (file.schema_arrow.metadata or {}).get(b"model")
                model = own if model is None else model
                if own != model:
                    continue  # vectors of another model cannot be compared
                for batch in file.iter_batches(_CHUNK, columns=["video_id", "clip_id", "embedding"]):
                    rows = pa.Table.from_batches([batch])
                    names = rows.select(["video_id", "clip_id"]).append_column("n", pa.array(range(len(rows))))
                    connection.register("batch", names)
                    query = "SELECT row_id, n FROM batch JOIN sentence USING (video_id, clip_id)"
                    found = connection.execute(query).fetchnumpy()
                    vectors = _matrix(rows["embedding"])
                    writer = writer or _Writer(os.path.join(folder, _SENTENCES), store.rows, vectors.shape[1])
                    writer.add(np.asarray(found["row_id"], np.int32), vectors[np.asarray(found["n"], np.int64)])
    finally:
        connection.close()
        os.unlink(waiting)
    if writer is not None:
        writer.finish()


def _sentences(layout: Layout) -> Iterator[pa.Table]:
    """Yield for each sample its row number, its video, and the ids of its sentences."""
    first = 0
    for path in storage.list_files(layout.index, ".parquet"):
        with storage.open_table(path) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(BATCH, columns=["video_id", "sentences"]):
                lists = batch.column("sentences")
                ids = pa.ListArray.from_arrays(
                    lists.offsets, pc.struct_field(lists.values, "clip_id"), mask=lists.is_null()
                )
                rows = pa.array(range(first, first + len(batch)), pa.int32())
                yield pa.table({"row_id": rows, "video_id": batch.column("video_id"), "clip_ids": ids})
                first += len(batch)
