"""Writing the ledger: one row for everything that was left out."""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from longtake.pipeline.ledger.counts import count
from longtake.pipeline.ledger.merge_tallies import MergeTallies
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.run.metrics import counted
from longtake.schemas import storage, tables
from longtake.schemas.keys import hash64
from longtake.schemas.layout import part_name
from longtake.schemas.records import Drop

_ROWS_PER_PART = 200_000
_MAX_PARTS = 4096


class WriteLedger(beam.PTransform):
    """Write Drops to `<folder>/<prefix>-*.parquet`; the result is one Tally of (subject, stage, reason) and of failed videos."""

    def __init__(self, folder: str, prefix: str) -> None:
        super().__init__()
        self._folder, self._prefix = folder, prefix

    def expand(self, drops: Any) -> Any:
        drops = drops | "Metrics" >> beam.Map(counted)
        total = drops | "Count" >> beam.combiners.Count.Globally()
        parts = drops | "Part" >> beam.Map(_with_part, AsSingleton(total))
        first = drops.pipeline | "First part" >> beam.Create([(0, None)], reshuffle=False)  # there also without a row
        written = (
            (parts, first)
            | "All parts" >> beam.Flatten()
            | "By part" >> beam.GroupByKey()
            | "Write" >> beam.Map(write_part, self._folder, self._prefix)
        )
        return written | "Sum" >> beam.CombineGlobally(MergeTallies())


def _with_part(drop: Drop, total: int) -> tuple[int, Drop]:
    parts = min(max(1, -(-total // _ROWS_PER_PART)), _MAX_PARTS)
    return hash64(drop.video_id or drop.subject_id) * parts >> 64, drop


def write_part(element: tuple[int, Iterable[Drop | None]], folder: str, prefix: str) -> Tally:
    """Write one part, sorted, and count its rows; one without rows is no file."""
    number, drops = element[0], sorted(drop for drop in element[1] if drop is not None)
    path = storage.join(folder, part_name(number, prefix))
    storage.write_parquet(path, tables.table(map(tables.ledger_row, drops), tables.LEDGER), row_group_size=65_536)
    return count(drops)
