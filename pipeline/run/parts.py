"""Write tables of any length in parts. Only the key of a row decides its part, so runner and workers do not matter."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.pvalue import AsSingleton

from longtake.pipeline.run.batches import Batch, Batches, rows_in, table_of
from longtake.schemas.keys import hash64

_MAX_PARTS = 4096
HASH = "_hash"  # the column that decides the part of a row


def with_hash(table: pa.Table, keys: Iterable[str], seed: int = 0) -> pa.Table:
    """Add the hash of the key of each row, in a last column that `without_hash` takes away."""
    known: dict[str, int] = {}
    hashes = [known[key] if key in known else known.setdefault(key, hash64(key, seed)) for key in keys]
    return table.append_column(HASH, pa.array(hashes, pa.uint64()))


def without_hash(table: pa.Table) -> pa.Table:
    """The table as it was before `with_hash`."""
    return table.drop_columns(HASH)


class ByPart(beam.PTransform):
    """Groups the rows of batches, which have their hash, into ((number, parts), batches), one element for each part of a table,
    with about `rows_per_part` rows in each.

    With `first`, a table without rows, the first part appears even without rows.
    """

    def __init__(self, rows_per_part: int, batches: Batches, first: pa.Table | None = None) -> None:
        super().__init__()
        self._rows_per_part, self._batches, self._first = rows_per_part, batches, first

    def expand(self, rows: Any) -> Any:
        parts = (
            rows
            | "Rows" >> beam.Map(rows_in)
            | "Count" >> beam.CombineGlobally(sum)
            | "Parts" >> beam.Map(number_of_parts, self._rows_per_part)
        )
        placed = rows | "Part" >> beam.FlatMap(_placed, self._batches, AsSingleton(parts))
        if self._first is not None:
            start = parts | "First part" >> beam.Map(lambda n, batch: ((0, n), batch), Batches().of(self._first))
            placed = (placed, start) | "All parts" >> beam.Flatten()
        return placed | "By part" >> beam.GroupByKey()


def _placed(batch: Batch, batches: Batches, parts: int) -> Iterator[tuple[tuple[int, int], Batch]]:
    if parts == 1:
        yield (0, 1), batch
        return
    table = table_of(batch)
    for number, rows in batches.by_number(table, part_numbers(table[HASH].to_numpy(), parts)):
        yield (number, parts), rows


def number_of_parts(rows: int, rows_per_part: int) -> int:
    """The number of parts of a table."""
    return min(max(1, -(-rows // rows_per_part)), _MAX_PARTS)


def part_numbers(hashes: npt.NDArray[np.uint64], parts: int) -> npt.NDArray[np.uint64]:
    """hash * parts >> 64 of each hash. Its product has more than 64 bits, so it is made in halves."""
    half, n = np.uint64(32), np.uint64(parts)
    low = (hashes & np.uint64(0xFFFFFFFF)) * n >> half
    return ((hashes >> half) * n + low) >> half
