"""Writes the sizes and tags of the sources (seen.py), in parts that fit into memory."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa

from longtake.pipeline.fragments.seen import part_path, seen_rows, write_rows
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.run.batches import Batch, Pack, one_table
from longtake.pipeline.run.parts import ByPart, with_hash, without_hash
from longtake.pipeline.run.runner import batches_for
from longtake.pipeline.run.sources import Version
from longtake.schemas.layout import Layout

SEEN = "seen"
_ROWS_PER_PART = 50_000
_ROWS = 4096  # in a batch on its way


class WriteSeen(beam.PTransform):
    """Takes (video_id, Version) and gives an empty Tally for each written part."""

    def __init__(self, layout: Layout, seed: int) -> None:
        super().__init__()
        self._layout, self._seed = layout, seed

    def expand(self, rows: Any) -> Any:
        batches, seed = batches_for(rows.pipeline.options), self._seed
        packed = rows | "Rows" >> beam.ParDo(Pack(lambda seen: _hashed(seen, seed), batches, _ROWS))
        return packed | "Parts" >> ByPart(_ROWS_PER_PART, batches) | "Write" >> beam.Map(_write, self._layout, seed)


def _hashed(seen: Sequence[tuple[str, Version]], seed: int) -> pa.Table:
    return with_hash(seen_rows(seen), [video_id for video_id, _ in seen], seed)


def _write(element: tuple[tuple[int, int], Iterable[Batch]], layout: Layout, seed: int) -> Tally:
    (number, parts), rows = element
    write_rows(part_path(layout, number, parts), without_hash(one_table(rows, _hashed([], seed).schema)))
    return Counter()
