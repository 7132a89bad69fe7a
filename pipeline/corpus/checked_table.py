"""Read the tables of a corpus without trusting them: columns, types and empty values are checked before rows are used."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from longtake.pipeline.corpus.faults import FaultList
from longtake.schemas import storage, tables
from longtake.schemas.scores import INDEX_SCORES, PLAN_SCORES, column

PLANNED = tuple(name for name in tables.PLAN.names if name not in ("shard", "position"))
_MAY_BE_EMPTY = frozenset(
    {"coherence", "timing", "asr", "speaker", "language", "duplicate_of", "duplicate_video_of", "evaluation_overlap"}
    | {*map(column, (*PLAN_SCORES, *INDEX_SCORES)), *(f"source_{name}" for name in tables.SOURCE_COLOR)}
    | {*tables.SPEECH.names}
)
#: Columns that were added later: an older corpus does not have them.
_MAY_BE_MISSING = _MAY_BE_EMPTY - {"coherence"}
_ROWS = 512

#: The errors that pyarrow raises on a damaged or missing Parquet file.
UNREADABLE = (OSError, pa.ArrowException, ValueError, EOFError, MemoryError, OverflowError)


def read_rows(
    path: str,
    schema: pa.Schema,
    faults: FaultList,
    columns: list[str] | None = None,
    optional: Iterable[pa.Field] = (),
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a Parquet file in batches, with all columns or some. Stop at the first fault, and report it.

    `optional` are columns that the table may have beside those of `schema`.
    """
    for batch in read_batches(path, schema, faults, columns, optional):
        try:
            rows = batch.to_pylist()
        except UNREADABLE as error:  # text that is not UTF-8
            faults.cannot_read(f"unreadable: {error}")
            return
        yield rows


def read_batches(
    path: str,
    schema: pa.Schema,
    faults: FaultList,
    columns: list[str] | None = None,
    optional: Iterable[pa.Field] = (),
) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a Parquet file. Stop at the first fault, and report it."""
    try:
        with storage.open_table(path) as stream:
            file = pq.ParquetFile(stream)
            if not _has_columns(file.schema_arrow, _with(schema, file.schema_arrow, optional), faults):
                return
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                empty = [
                    name for name in batch.schema.names if name not in _MAY_BE_EMPTY and _has_null(batch.column(name))
                ]
                if empty:
                    faults.cannot_read(f"empty values in column {', '.join(empty)}")
                    return
                yield batch
    except FileNotFoundError:
        faults.cannot_read("missing")
    except UNREADABLE as error:
        faults.cannot_read(f"unreadable: {error}")


def _with(schema: pa.Schema, found: pa.Schema, optional: Iterable[pa.Field]) -> pa.Schema:
    """The schema with those of the optional columns that a file has."""
    return pa.schema([*schema, *(field for field in optional if field.name in found.names)])


def _has_columns(found: pa.Schema, wanted: pa.Schema, faults: FaultList) -> bool:
    before = faults.number
    for field in wanted:
        if field.name not in found.names:
            if field.name in _MAY_BE_MISSING:
                continue
            faults.add(f"column {field.name} is missing")
        elif not _fits(found.field(field.name).type, field.type):
            faults.add(f"column {field.name} is {found.field(field.name).type}, not {field.type}")
    for name in found.names:
        if name not in wanted.names:
            faults.add(f"column {name!r} is not part of this table")
    faults.unreadable = faults.number > before
    return not faults.unreadable


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a column has the wanted type. Sentence fields that were added later may be missing."""
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return _fits(found.value_type, wanted.value_type)
    if not (pa.types.is_struct(found) and pa.types.is_struct(wanted)):
        return bool(found == wanted)
    names = {field.name for field in found}
    later = [field for field in wanted if field.name in names or field.name not in _MAY_BE_MISSING]
    return bool(found == pa.struct(later))


def _has_null(array: pa.Array) -> bool:
    if array.null_count:
        return True
    if pa.types.is_list(array.type):
        return _has_null(array.flatten())
    if pa.types.is_struct(array.type):
        fields = zip(array.type, array.flatten(), strict=True)
        return any(_has_null(values) for field, values in fields if field.name not in _MAY_BE_EMPTY)
    return False


def row_digest(row: dict[str, Any]) -> int:
    """64 bits of a hash of the planned columns of a long clip, without its place: its plan row and index row give the same."""
    text = json.dumps([row.get(name) for name in PLANNED], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
