"""Write the ledger: one row for everything that was dropped."""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam

from longtake.pipeline.ledger.counts import count
from longtake.pipeline.ledger.merge_tallies import MergeTallies
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.run.metrics import counted
from longtake.pipeline.run.parts import ByPart
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import storage, tables
from longtake.schemas.layout import part_name
from longtake.schemas.records import Drop

_ROWS_PER_PART = 200_000


class WriteLedger(beam.PTransform):
    """Writes Drops to `<folder>/<prefix>-*.parquet`. The result is one Tally of (subject, stage, reason) and of failed videos."""

    def __init__(self, folder: str, prefix: str) -> None:
        super().__init__()
        self._folder, self._prefix = folder, prefix

    def expand(self, drops: Any) -> Any:
        return (
            drops
            | "Metrics" >> beam.Map(counted)
            | "Parts" >> ByPart(_key, _ROWS_PER_PART, first=True)  # gives a tally even without rows
            | "Write" >> beam.Map(write_part, self._folder, self._prefix)
            | "Sum" >> beam.CombineGlobally(MergeTallies())
        )


def _key(drop: Drop) -> str:
    return drop.video_id or drop.subject_id


def write_part(element: tuple[tuple[int, int], Iterable[Drop | None]], folder: str, prefix: str) -> Tally:
    """Write one part, sorted, and count its rows. A part without rows gets no file."""
    number, drops = element[0][0], sorted(drop for drop in element[1] if drop is not None)
    path = storage.join(folder, part_name(number, prefix))
    storage.write_parquet(path, tables.table(map(tables.ledger_row, drops), tables.LEDGER), row_group_size=65_536)
    PROGRESS.advance("writing the ledger", len(drops), "row")
    return count(drops)
