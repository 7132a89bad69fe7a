"""Writes the sizes and tags of the sources (seen.py), in parts that fit into memory."""

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import apache_beam as beam

from longtake.pipeline.fragments.seen import Version, part_path, write_rows
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.run.parts import ByPart
from longtake.schemas.layout import Layout

SEEN = "seen"
_ROWS_PER_PART = 50_000


class WriteSeen(beam.PTransform):
    """Takes (video_id, Version) and gives an empty Tally for each written part."""

    def __init__(self, layout: Layout, seed: int) -> None:
        super().__init__()
        self._layout, self._seed = layout, seed

    def expand(self, rows: Any) -> Any:
        parts = rows | "Parts" >> ByPart(itemgetter(0), _ROWS_PER_PART, self._seed)
        return parts | "Write" >> beam.Map(_write, self._layout)


def _write(element: tuple[tuple[int, int], Iterable[tuple[str, Version]]], layout: Layout) -> Tally:
    (number, parts), rows = element
    write_rows(part_path(layout, number, parts), rows)
    return Counter()
