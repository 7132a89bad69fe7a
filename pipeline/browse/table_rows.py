"""Read the tables of a corpus as a stream of Arrow batches, whatever version of longtake wrote them."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from longtake.schemas import storage
from longtake.schemas.errors import CorpusError

BATCH = 2048  # rows


def batches(path: str, schema: pa.Schema, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of a Parquet file, some columns of `schema`. A column that an earlier version did not write is null.

    Raises CorpusError for a file that is damaged or has other types.
    """
    wanted = pa.schema([schema.field(name) for name in columns])
    try:
        with storage.open_table(path) as stream:
            file = pq.ParquetFile(stream)
            present = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(BATCH, columns=present):
                yield _conformed(pa.Table.from_batches([batch]), wanted)
    except storage.PARQUET_ERRORS as error:
        raise CorpusError(
            f"{path}: unreadable: {storage.damage(error)}. Check the corpus with: longtake verify"
        ) from None


def _conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def spoken(path: str) -> Iterator[list[str]]:
    """Yield a batch of texts at a time, one for each row of an index file, in order: the speech that captions were made from,
    or ""."""
    with storage.open_table(path) as stream:
        file = pq.ParquetFile(stream)
        names = [file.schema.column(n).path for n in range(len(file.schema))]
        asr = [name for name in names if name.startswith("sentences.") and name.endswith(".asr")]
        for batch in file.iter_batches(BATCH, columns=asr[:1] or ["key"]):
            if not asr or batch.column(0).flatten().field("asr").null_count == len(batch.column(0).flatten()):
                yield [""] * len(batch)
            else:
                yield [" ".join(s["asr"] or "" for s in row or ()) for row in batch.column(0).to_pylist()]
