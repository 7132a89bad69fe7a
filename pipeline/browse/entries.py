"""Samples and their frames, read by range: first a row of the index, then bytes of the shard that it names.

No part of a request becomes a path. The key of a sample gives its row number, the row number gives the file of the index, and
the row must name the shard of that file.
"""

import threading
from collections import OrderedDict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from longtake.pipeline.browse.store import Store
from longtake.schemas import storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.keys import is_sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.records import IndexEntry, Member

_GROUPS_KEPT, _MAX_KEPT_BYTES = 32, 8 << 20  # number of row groups, size of one
_ENTRIES_KEPT = 256
_MAX_FRAME_BYTES, _MAX_PIXELS = 64 << 20, 8192 * 4320


class NoFrame(Exception):
    """The frame does not exist or is damaged; the message says which."""


class Entries:
    """The index rows of a corpus. Safe for many threads."""

    def __init__(self, layout: Layout, store: Store) -> None:
        self._layout, self._store = layout, store
        self._groups: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._entries: OrderedDict[str, IndexEntry] = OrderedDict()
        self._lock = threading.Lock()

    def entry(self, key: str) -> IndexEntry | None:
        """The index row of a sample, None if there is none. Raises CorpusError if it is damaged."""
        if not is_sample_key(key):
            return None
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        row_id = self._store.row_of(key)
        if row_id is None:
            return None
        shard, number = self._store.file_of(row_id)
        entry = self._read(shard, number, key)
        with self._lock:
            self._entries[key] = entry
            _shrink(self._entries, _ENTRIES_KEPT)
        return entry

    def frame(self, key: str, number: int | None = None) -> bytes:
        """The JPEG data of a frame; without a number, of the one in the middle. Raises NoFrame, CorpusError and OSError."""
        entry = self.entry(key)
        members = frames_of(entry) if entry else []
        number = len(members) // 2 if number is None else number
        if entry is None or not 0 <= number < len(members):
            raise NoFrame("no such frame")
        member = members[number]
        if not 0 < member.size <= _MAX_FRAME_BYTES or member.offset < 0:
            raise NoFrame("its place in the shard is damaged")
        data = storage.read_range(self._layout.shard(entry.shard), member.offset, member.size)
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            if height * width <= _MAX_PIXELS:
                simplejpeg.decode_jpeg(data, "GRAY")  # decode it all: a truncated JPEG has a sound header
        except ValueError as error:
            raise NoFrame(f"it does not decode: {error}") from None
        return data

    def _read(self, shard: str, number: int, key: str) -> IndexEntry:
        path = self._layout.shard_index(shard)
        try:
            row = self._row(path, number)
            entry = tables.entry_from_row(row)
            if entry.clip.key != key or entry.shard != shard:
                raise ValueError(key)
            return entry
        except FileNotFoundError:
            raise CorpusError(f"{path}: no longer exists. Start `longtake browse` again.") from None
        except storage.PARQUET_ERRORS as error:
            raise CorpusError(
                f"{path}: unreadable: {storage.damage(error)}. Check the corpus with: longtake verify"
            ) from None
        except (KeyError, TypeError, AttributeError, IndexError):
            raise CorpusError(f"{path}: a row is damaged. Check the corpus with: longtake verify") from None

    def _row(self, path: str, number: int) -> dict[str, Any]:
        with self._lock:
            for (known, first), table in self._groups.items():
                if known == path and first <= number < first + len(table):
                    self._groups.move_to_end((known, first))
                    return _nth(table, number - first)
        with storage.open_table(path) as stream:
            file = pq.ParquetFile(stream)
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if number < first + rows:
                    table = _known(file.read_row_group(group))
                    break
                first += rows
            else:
                raise IndexError(number)
        if table.nbytes <= _MAX_KEPT_BYTES:
            with self._lock:
                self._groups[path, first] = table
                _shrink(self._groups, _GROUPS_KEPT)
        return _nth(table, number - first)


def frames_of(entry: IndexEntry) -> list[Member]:
    """The frames of a sample in time order."""
    return [member for member in entry.members if member.name.endswith(".jpg")]


def _known(table: pa.Table) -> pa.Table:
    return table.select([name for name in tables.INDEX.names if name in table.column_names])


def _nth(table: pa.Table, number: int) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(tables.INDEX.names) | table.slice(number, 1).to_pylist()[0]
    return found


def _shrink(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
