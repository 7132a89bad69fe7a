"""Tables of any length in parts, to write or to join them. Only the key of a row decides its part, so runner and workers do not
matter."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.pvalue import AsSingleton

from longtake.pipeline.run.batches import Batch, Batches, rows_in, table_of
from longtake.schemas.keys import hash64

_MAX_PARTS = 4096
_MAX_JOINED = 256  # each batch sends rows to each part: more parts would mean tables of a row
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
        parts = count_parts(rows, self._rows_per_part, _MAX_PARTS)
        placed = rows | "Part" >> beam.FlatMap(_placed, self._batches, AsSingleton(parts))
        if self._first is not None:
            start = parts | "First part" >> beam.Map(lambda n, batch: ((0, n), batch), Batches().of(self._first))
            placed = (placed, start) | "All parts" >> beam.Flatten()
        return placed | "By part" >> beam.GroupByKey()


def count_parts(rows: Any, rows_per_part: int, most: int = _MAX_JOINED) -> Any:
    """The number of parts for the rows of a collection of batches, as a collection of one number."""
    return (
        rows
        | "Rows" >> beam.Map(rows_in)
        | "Count" >> beam.CombineGlobally(sum)
        | "Parts" >> beam.Map(number_of_parts, rows_per_part, most)
    )


NamesOf = Callable[[pa.Table], Iterable[bytes]]


class JoinByPart(beam.PTransform):
    """Takes collections of batches by name, and functions that give a name for each of their rows. Gives (part, {name: batches}):
    rows with one name are in one part, and a part has about `rows_per_part` rows."""

    def __init__(self, rows_per_part: int, batches: Batches, names_of: Mapping[str, NamesOf]) -> None:
        super().__init__()
        self._rows_per_part, self._batches, self._names_of = rows_per_part, batches, names_of

    def expand(self, sides: Any) -> Any:
        whole = tuple(sides.values()) | "All rows" >> beam.Flatten()
        parts = AsSingleton(count_parts(whole, self._rows_per_part))
        placed = {
            name: rows | f"Part of {name}" >> beam.FlatMap(by_part, self._batches, parts, self._names_of[name])
            for name, rows in sides.items()
        }
        return placed | "By part" >> beam.CoGroupByKey()


def by_part(batch: Batch, batches: Batches, parts: int, names_of: NamesOf) -> Iterator[tuple[int, Batch]]:
    """Divide a batch into parts by the names of its rows."""
    if parts == 1:
        yield 0, batch
        return
    table = table_of(batch)
    yield from batches.by_bucket(table, names_of(table), parts)


def _placed(batch: Batch, batches: Batches, parts: int) -> Iterator[tuple[tuple[int, int], Batch]]:
    if parts == 1:
        yield (0, 1), batch
        return
    table = table_of(batch)
    for number, rows in batches.by_number(table, part_numbers(table[HASH].to_numpy(), parts)):
        yield (number, parts), rows


def number_of_parts(rows: int, rows_per_part: int, most: int = _MAX_PARTS) -> int:
    """The number of parts of a table."""
    return min(max(1, -(-rows // rows_per_part)), most)


def part_numbers(hashes: npt.NDArray[np.uint64], parts: int) -> npt.NDArray[np.uint64]:
    """hash * parts >> 64 of each hash. Its product has more than 64 bits, so it is made in halves."""
    half, n = np.uint64(32), np.uint64(parts)
    low = (hashes & np.uint64(0xFFFFFFFF)) * n >> half
    return ((hashes >> half) * n + low) >> half
