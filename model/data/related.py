"""The vectors of a corpus by which related samples share batches: a table of `longtake embed`, matched to the samples by key."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from longtake.library.neighbours import WIDEST, whole_numbers
from longtake.library.order import Places
from longtake.library.shards import LoaderError
from longtake.schemas import storage
from longtake.schemas.layout import Layout


def sample_vectors(table: str, corpus: str, shards: tuple[str, ...], places: Places) -> NDArray[np.int16]:
    """Read the vectors of some samples, as `neighbours.whole_numbers`.

    A sample's vector is the mean of all that the table has of it: of its windows, videos and texts.

    Args:
        table: a Parquet file with the columns id, the key of a sample, and embedding.
        corpus: its folder.
        shards: their names.
        places: the samples, in the order of the corpus.

    Returns:
        A vector for each place. Raises LoaderError if an index cannot be read, ValueError if the table does not fit.
    """
    keys = _keys(Layout(corpus), shards, places)
    found = _read(table)
    owners = pc.index_in(found["id"].combine_chunks(), value_set=keys)
    known = owners.is_valid().to_numpy(zero_copy_only=False)
    vectors = _numbers(table, found["embedding"])[known]
    rows = owners.filter(pa.array(known)).to_numpy(zero_copy_only=False).astype(np.int64)
    sums, counts = np.zeros((len(keys), vectors.shape[1]), np.float32), np.bincount(rows, minlength=len(keys))
    np.add.at(sums, rows, vectors)
    if missing := np.flatnonzero(counts == 0).tolist():
        raise ValueError(
            f"data.related: {table} has no vector of {len(missing)} of {len(keys)} samples, such as {keys[missing[0]]}: make it "
            f"again with: longtake embed RUN {corpus} -o {table}"
        )
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


def _read(table: str) -> pa.Table:
    try:
        found = storage.read_parquet(table, columns=["id", "embedding"])
        return found.set_column(0, "id", found["id"].cast(pa.string()))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ValueError(f"data.related: {table}: not a table of longtake embed: {error}") from None


def _numbers(table: str, column: pa.ChunkedArray) -> NDArray[np.float32]:
    kind = column.type
    if not pa.types.is_fixed_size_list(kind) or not pa.types.is_floating(kind.value_type) or kind.list_size > WIDEST:
        raise ValueError(
            f"data.related: {table}: embedding is {kind}, not lists of equally many numbers, at most {WIDEST}"
        )
    flat = np.asarray(column.combine_chunks().flatten().to_numpy(zero_copy_only=False), np.float32)
    if not np.isfinite(flat).all():
        raise ValueError(f"data.related: {table}: a vector is not finite")
    return flat.reshape(-1, kind.list_size)
