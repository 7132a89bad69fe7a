"""Writing what the plan saw of the sources (seen.py), in parts of a size that fits into memory."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from longtake.pipeline.fragments.seen import Version, part_path, write_rows
from longtake.pipeline.ledger.tally import Tally
from longtake.schemas.keys import hash64
from longtake.schemas.layout import Layout

SEEN = "seen"

_ROWS_PER_PART = 50_000
_MAX_PARTS = 4096


class WriteSeen(beam.PTransform):
    """(video_id, Version) in; an empty Tally out for each part that was written."""

    def __init__(self, layout: Layout, seed: int) -> None:
        super().__init__()
        self._layout, self._seed = layout, seed

    def expand(self, rows: Any) -> Any:
        parts = rows | "Count" >> beam.combiners.Count.Globally() | "Parts" >> beam.Map(_part_count)
        return (
            rows
            | "Part" >> beam.Map(_with_part, self._seed, AsSingleton(parts))
            | "By part" >> beam.GroupByKey()
            | "Write" >> beam.Map(_write, self._layout, AsSingleton(parts))
        )


def _part_count(rows: int) -> int:
    return min(max(1, -(-rows // _ROWS_PER_PART)), _MAX_PARTS)


def _with_part(row: tuple[str, Version], seed: int, parts: int) -> tuple[int, tuple[str, Version]]:
    return hash64(row[0], seed) * parts >> 64, row


def _write(element: tuple[int, Iterable[tuple[str, Version]]], layout: Layout, parts: int) -> Tally:
    number, rows = element
    write_rows(part_path(layout, number, parts), rows)
    return Counter()
