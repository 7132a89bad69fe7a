"""Rows that cross a shuffle: Arrow tables as compressed bytes. What a process holds beyond a bound goes to scratch files.

Beam's in-process runner holds all that waits for a shuffle. So there a batch beyond the bound is its place in a file, and memory
does not grow with the input. Runners with several processes get the bytes, and keep them where they keep all their data.
"""

import json
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from longtake.schemas import scratch
from longtake.schemas.errors import CorpusError

Batch = bytes  # a header, then the table, or its place in a file

_HEADER = struct.Struct("<?I")  # whether it is in a file, and its number of rows
_HELD_BYTES = 32 << 20  # that one job keeps in memory
# LZ4 takes a third of the CPU of zstd. Arrow's threads would cost more than they save: the tables are small.
_WRITING = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)


def rows_in(batch: Batch) -> int:
    """The number of rows of a batch, without reading it."""
    return int(_HEADER.unpack_from(batch)[1])


@dataclass(frozen=True, slots=True)
class Batches:
    """How a job keeps its batches. `to_files`: those beyond the bound in files, which all its steps can read."""

    to_files: bool = False

    def of(self, table: pa.Table) -> Batch:
        """Return a table as a batch. Raises CorpusError if there is no room for its file."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=_WRITING) as stream:
            stream.write(table)
        data = sink.getvalue()
        if self.to_files and not _FILES.may_hold(data.size):
            return _HEADER.pack(True, table.num_rows) + json.dumps(_FILES.append(data)).encode()
        whole: bytes = data.to_pybytes()
        return _HEADER.pack(False, table.num_rows) + whole

    def by_bucket(self, table: pa.Table, names: Iterable[bytes], buckets: int) -> Iterator[tuple[int, Batch]]:
        """Divide a table by the buckets of `names`, one for each row. Which bucket a name has decides nothing but who works."""
        if buckets == 1:
            if table.num_rows:
                yield 0, self.of(table)
            return
        numbers = np.fromiter((zlib.crc32(name) % buckets for name in names), np.int32, table.num_rows)
        yield from self.by_number(table, numbers)

    def by_number(self, table: pa.Table, numbers: npt.NDArray[Any]) -> Iterator[tuple[int, Batch]]:
        """Divide a table by a number for each row. The rows of a number keep their order."""
        if not table.num_rows:
            return
        order = np.argsort(numbers, kind="stable")
        table, numbers = table.take(order).combine_chunks(), numbers[order]
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist()]
        for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
            yield int(numbers[start]), self.of(table.slice(start, end - start))


def table_of(batch: Batch) -> pa.Table:
    """Return the table of a batch."""
    is_file, _ = _HEADER.unpack_from(batch)
    data: Any = pa.py_buffer(batch)[_HEADER.size :]
    if is_file:
        data = _FILES.read(*json.loads(bytes(data)))
    return pa.ipc.open_stream(data, options=_READING).read_all()


def one_table(batches: Iterable[Batch], schema: pa.Schema) -> pa.Table:
    """Return the rows of batches as one table, of one chunk."""
    return chunked_table(batches, schema).combine_chunks()


def chunked_table(batches: Iterable[Batch], schema: pa.Schema) -> pa.Table:
    """Return the rows of batches as one table, in the memory that they have. A column that a batch lacks is null in its rows."""
    tables = [table_of(batch) for batch in batches]
    return pa.concat_tables(tables, promote_options="default") if tables else schema.empty_table()


class _Files:
    """The files of this process with batches: each thread appends to its own, and any thread reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._open: dict[str, int] = {}  # descriptors by path
        self._held = self._written = 0

    def may_hold(self, size: int) -> bool:
        """Count `size` bytes as held in memory, if the bound allows."""
        with self._lock:
            if self._held + size > _HELD_BYTES:
                return False
            self._held += size
            return True

    def append(self, data: pa.Buffer) -> tuple[str, int, int]:
        """Write to the file of this thread. Returns path, offset and size."""
        path = getattr(self._mine, "path", "")
        if path not in self._open:
            with self._lock:
                path = self._mine.path = os.path.join(scratch.folder(), f"rows-{len(self._open)}-{os.getpid()}")
                self._open[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        descriptor, left = self._open[path], memoryview(data)
        offset = os.lseek(descriptor, 0, os.SEEK_END)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
        except OSError as error:
            raise CorpusError(
                f"{os.path.dirname(path)}: {error.strerror} while planning put rows aside there, after {self._written:,} bytes. "
                "Make room, or set TMPDIR to a folder with more, then run the same command again; nothing is lost."
            ) from error
        with self._lock:
            self._written += data.size
        return path, offset, data.size

    def read(self, path: str, offset: int, size: int) -> pa.Buffer:
        """Return a part of a file. Raises CorpusError if it is not there."""
        pieces, at = [], 0
        while at < size and (piece := os.pread(self._open[path], size - at, offset + at)):
            pieces.append(piece)
            at += len(piece)
        if at < size:
            raise CorpusError(f"{path}: cut off while the job was running. Run the same command again.")
        return pa.py_buffer(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def clear(self) -> None:
        with self._lock:
            for path, descriptor in self._open.items():
                os.close(descriptor)
                os.unlink(path)
            self._open.clear()
            self._held = self._written = 0


_FILES = _Files()


def clear_batches() -> None:
    """Delete the files of this process with batches, at the end of a job."""
    _FILES.clear()


class Pack(beam.DoFn):
    """Makes batches of about `rows` rows from objects. `make_table` makes the table of a list of them, `rows_of` says how many
    rows one is; None: one."""

    def __init__(
        self, make_table: Any, batches: Batches, rows: int, rows_of: Callable[[Any], int] | None = None
    ) -> None:
        self._make_table, self._batches, self._rows, self._rows_of = make_table, batches, rows, rows_of

    def start_bundle(self) -> None:
        self._waiting: list[Any] = []
        self._number = 0

    def process(self, element: Any) -> Iterator[Batch]:
        self._waiting.append(element)
        self._number += 1 if self._rows_of is None else self._rows_of(element)
        if self._number >= self._rows:
            yield self._packed()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._waiting:
            yield GlobalWindows.windowed_value(self._packed())

    def _packed(self) -> Batch:
        waiting, self._waiting, self._number = self._waiting, [], 0
        return self._batches.of(self._make_table(waiting))
