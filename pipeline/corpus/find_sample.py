"""Find a sample of a finished corpus by its key, and read it through the index, so no tar is scanned."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from longtake.pipeline.corpus.checked_table import UNREADABLE
from longtake.schemas import storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.keys import is_sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.records import Drop, IndexEntry

_THREADS = 16  # an index is small: reading one from an object store is mostly waiting
_MAX_SAMPLE = 1 << 30  # bytes
_LISTED = ["key", "split", "shard", "position", "start_ms", "end_ms", "n_sentences", "n_words"]


@dataclass(frozen=True, slots=True)
class FoundSample:
    """The place of a sample. `others` is the number of further samples that the name matches."""

    shard: str
    key: str
    others: int


def list_samples(layout: Layout, split: str | None, limit: int) -> Iterator[dict[str, Any]]:
    """Yield the first `limit` samples in the order of the shards: some columns of their index rows."""
    for path in storage.list_files(layout.index, ".parquet"):
        if limit <= 0:
            return
        if split is None or _name(path).rpartition("-")[0] == split:
            rows = _read(path, columns=_LISTED).slice(0, limit).to_pylist()
            limit -= len(rows)
            yield from rows


def find_sample(layout: Layout, name: str) -> FoundSample | None:
    """Find the sample that `name` stands for: a key, the unique start of a key, or a video_id (its first sample).

    Returns None if there is no such sample. Raises CorpusError if several keys start with `name`.
    """
    paths = storage.list_files(layout.index, ".parquet")
    with ThreadPoolExecutor(_THREADS) as pool:
        rows = [row for found in pool.map(lambda path: _matches(path, name), paths) for row in found]
    exact = [row for row in rows if row["key"] == name]
    of_video = sorted((row for row in rows if row["video_id"] == name), key=lambda row: (row["start_ms"], row["key"]))
    chosen = exact or of_video or rows
    if not chosen:
        return None
    if not exact and not of_video and len(rows) > 1:
        keys = sorted(row["key"] for row in rows)
        some = ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
        raise CorpusError(f"{len(rows):,} samples have keys that start with {name!r}: {some}")
    if not is_sample_key(chosen[0]["key"]):  # else the key, as a file name of a contact sheet, could lead anywhere
        raise CorpusError(f"{chosen[0]['key']!r} is not the key of a sample. Check the corpus with: longtake verify")
    return FoundSample(chosen[0]["shard"], chosen[0]["key"], len(chosen) - 1)


def _matches(path: str, name: str) -> list[dict[str, Any]]:
    table = _read(path, columns=["key", "video_id", "start_ms"])
    which = pc.or_(pc.starts_with(table["key"], name), pc.equal(table["video_id"], name))
    return [row | {"shard": _name(path)} for row in table.filter(which).to_pylist()]


def _read(path: str, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
    """Rows of a table. Raises CorpusError if it is damaged."""
    try:
        return storage.read_parquet(path, columns=columns, filters=filters)
    except (*UNREADABLE, KeyError) as error:
        raise CorpusError(f"{path}: unreadable: {error}. Check the corpus with: longtake verify") from None


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


def read_entry(layout: Layout, found: FoundSample) -> IndexEntry:
    """The index row of a sample. Raises CorpusError if the row is missing or damaged."""
    table = _read(layout.shard_index(found.shard), filters=[("key", "=", found.key)])
    try:
        entry = tables.entry_from_row(table.to_pylist()[0])
        if entry.shard != found.shard:  # an index file may name only its own shard
            raise ValueError(entry.shard)
        return entry
    except (IndexError, KeyError, TypeError, ValueError):
        raise CorpusError(
            f"{layout.shard_index(found.shard)}: a row is damaged. Check the corpus with: longtake verify"
        ) from None


def read_files(layout: Layout, entry: IndexEntry) -> tuple[dict[str, bytes], bool]:
    """The files of a sample by name, in one ranged read, and whether their hash matches the index."""
    if not entry.members:
        return {}, False
    start = entry.members[0].offset
    size = entry.members[-1].offset + entry.members[-1].size - start
    if not 0 <= size <= _MAX_SAMPLE:
        return {}, False
    data = storage.read_range(layout.shard(entry.shard), start, size)
    files = {m.name: data[m.offset - start : m.offset - start + m.size] for m in entry.members}
    return files, hashlib.sha256(b"".join(files.values())).hexdigest() == entry.sha256


def find_drops(layout: Layout, name: str) -> list[Drop]:
    """The ledger rows about `name`: a video_id, the clip_id of a sentence, or the key of a long clip, or its start."""
    drops: list[Drop] = []
    for path in storage.list_files(layout.ledger, ".parquet"):
        table = _read(path, filters=pc.field("subject_id") >= name)
        which = pc.or_(
            pc.equal(table["subject_id"], name),
            pc.and_(pc.equal(table["subject"], "clip"), pc.starts_with(table["subject_id"], name)),
        )
        drops += _drops(table.filter(which))
    return sorted(drops)


def _drops(table: pa.Table) -> Iterator[Drop]:
    for row in table.to_pylist():
        try:
            yield tables.drop_from_row(row)
        except ValueError:
            continue  # this version does not know such a row; `longtake verify` reports it
