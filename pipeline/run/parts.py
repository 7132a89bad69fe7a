"""Write tables of any length in parts. Only the key of a row decides its part, so runner and workers do not matter."""

from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from longtake.schemas.keys import hash64

_MAX_PARTS = 4096


class ByPart(beam.PTransform):
    """Groups rows into ((number, parts), rows), one element for each part of a table, with about `rows_per_part` rows in each.

    With `first`, the first part appears even without rows: its rows then hold None.
    """

    def __init__(self, key_of: Callable[[Any], str], rows_per_part: int, seed: int = 0, first: bool = False) -> None:
        super().__init__()
        self._key_of, self._rows_per_part, self._seed, self._first = key_of, rows_per_part, seed, first

    def expand(self, rows: Any) -> Any:
        parts = (
            rows
            | "Count" >> beam.combiners.Count.Globally()
            | "Parts" >> beam.Map(lambda total, most: min(max(1, -(-total // most)), _MAX_PARTS), self._rows_per_part)
        )
        placed = rows | "Part" >> beam.Map(self._placed, AsSingleton(parts))
        if self._first:
            start = parts | "First part" >> beam.Map(lambda number: ((0, number), None))
            placed = (placed, start) | "All parts" >> beam.Flatten()
        return placed | "By part" >> beam.GroupByKey()

    def _placed(self, row: Any, parts: int) -> tuple[tuple[int, int], Any]:
        return (hash64(self._key_of(row), self._seed) * parts >> 64, parts), row
