"""The vectors of a corpus by which related samples share batches: a table of `longtake embed`, matched to the samples by key."""

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from longtake.library.neighbours import WIDEST, whole_numbers
from longtake.library.order import Places
from longtake.library.shards import LoaderError
from longtake.schemas import storage
from longtake.schemas.layout import Layout

log = logging.getLogger(__name__)

_MOST_MISSING = 0.01  # of all samples
_ROWS = 1024  # read at a time


def sample_vectors(table: str, corpus: str, shards: tuple[str, ...], places: Places) -> NDArray[np.int16]:
    """Read the vectors of some samples, as `neighbours.whole_numbers`.

    A sample's vector is the mean of all that the table has of it: of its windows, videos and texts. `longtake embed` leaves
    damaged samples out, so one in a hundred may have none: it is near to nothing.

    Args:
        table: a Parquet file with the columns id, the key of a sample, and embedding.
        corpus: its folder.
        shards: their names.
        places: the samples, in the order of the corpus.

    Returns:
        A vector for each place. Raises LoaderError if an index cannot be read, ValueError if the table does not fit.
    """
    try:
        with storage.open_table(table) as stream, pq.ParquetFile(stream) as file:
            width = _width(file.schema_arrow)
            keys = _keys(Layout(corpus), shards, places)
            sums = np.zeros((len(keys), width), np.float32)
            for batch in file.iter_batches(_ROWS, columns=["id", "embedding"]):
                _add(sums, batch, keys)
    except storage.PARQUET_ERRORS as error:
        raise ValueError(f"data.related: {table}: not a table of longtake embed: {error}") from None
    if not np.isfinite(sums).all():
        raise ValueError(f"data.related: {table}: a vector is not finite")
    missing = np.flatnonzero(~sums.any(axis=1)).tolist()
    if len(missing) > max(1, _MOST_MISSING * len(keys)):
        raise ValueError(
            f"data.related: {table} has no vector of {len(missing)} of {len(keys)} samples, such as {keys[missing[0]]}: make it "
            f"again with: longtake embed RUN {corpus} --split SPLIT -o {table}"
        )
    if missing:
        log.warning("%s has no vector of %d of %d samples: they are related to none", table, len(missing), len(keys))
    return whole_numbers(sums)


def digest(vectors: NDArray[np.int16]) -> str:
    """Return what tells these vectors from others."""
    return hashlib.sha256(vectors.tobytes()).hexdigest()


def _keys(layout: Layout, shards: tuple[str, ...], places: Places) -> pa.Array:
    def read(shard: str) -> pa.ChunkedArray:
        path = layout.shard_index(shard)
        try:
            return storage.read_parquet(path, columns=["key"]).column(0)
        except (OSError, ValueError, KeyError) as error:
            raise LoaderError(
                f"{path}: cannot read the index: {error}. Check the corpus with: longtake verify"
            ) from None

    with ThreadPoolExecutor(16) as pool:
        columns = list(pool.map(read, shards))
    starts = np.cumsum([0, *map(len, columns)])
    whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    return whole.take(pa.array(starts[places[:, 0]] + places[:, 1])).combine_chunks()


def _width(schema: pa.Schema) -> int:
    """How many numbers a vector has. Raises ValueError."""
    lacking = {"id", "embedding"}.difference(schema.names)
    if lacking:
        raise ValueError(f"it has no column {sorted(lacking)[0]}")
    kind = schema.field("embedding").type
    if not pa.types.is_fixed_size_list(kind) or not pa.types.is_floating(kind.value_type) or kind.list_size > WIDEST:
        raise ValueError(f"embedding is {kind}, not lists of equally many numbers, at most {WIDEST}")
    return int(kind.list_size)


def _add(sums: NDArray[np.float32], batch: pa.RecordBatch, keys: pa.Array) -> None:
    """Add vectors to the sums of those samples that `keys` has."""
    owners = pc.index_in(batch.column("id").cast(pa.string()), value_set=keys)
    known = batch.column("embedding").filter(owners.is_valid())
    vectors = np.asarray(known.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(-1, sums.shape[1])
    np.add.at(sums, owners.drop_null().to_numpy().astype(np.int64), vectors)
