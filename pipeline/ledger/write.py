"""Write the ledger: one row for everything that was dropped."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa

from longtake.pipeline.ledger.merge_tallies import MergeTallies
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.run.batches import Batch, Pack, one_table
from longtake.pipeline.run.metrics import counted
from longtake.pipeline.run.parts import ByPart, with_hash, without_hash
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import batches_for
from longtake.schemas import storage, tables
from longtake.schemas.layout import part_name
from longtake.schemas.reasons import FAILURES, Subject
from longtake.schemas.records import Drop

_ROWS_PER_PART = 200_000
_ROWS = 4096  # in a batch on its way


class WriteLedger(beam.PTransform):
    """Writes one or several collections of Drop to `<folder>/<prefix>-*.parquet`. The result is one Tally of (subject, stage,
    reason) and of failed videos.

    Several are better than one that was flattened: the rows of each leave their step as tables. `more` are collections of batches
    of `hashed_rows`.
    """

    def __init__(self, folder: str, prefix: str, more: tuple[Any, ...] = ()) -> None:
        super().__init__()
        self._folder, self._prefix, self._more = folder, prefix, more

    def expand(self, drops: Any) -> Any:
        sides = drops if isinstance(drops, tuple) else (drops,)
        batches = batches_for(sides[0].pipeline.options)
        packed = [
            side | f"Metrics {n}" >> beam.Map(counted) | f"Rows {n}" >> beam.ParDo(Pack(ledger_rows, batches, _ROWS))
            for n, side in enumerate(sides)
        ]
        return (
            (*packed, *self._more)
            | "All" >> beam.Flatten()
            | "Parts" >> ByPart(_ROWS_PER_PART, batches, first=ledger_rows([]))  # gives a tally even without rows
            | "Write" >> beam.Map(write_part, self._folder, self._prefix)
            | "Sum" >> beam.CombineGlobally(MergeTallies())
        )


def ledger_rows(drops: Sequence[Drop]) -> pa.Table:
    """The ledger rows of drops, with the hash that decides their part."""
    return hashed_rows(tables.ledger_table(drops))


def hashed_rows(rows: pa.Table) -> pa.Table:
    """Ledger rows with the hash that decides their part."""
    names = zip(rows["video_id"].to_pylist(), rows["subject_id"].to_pylist(), strict=True)
    return with_hash(rows, [video_id or subject_id for video_id, subject_id in names])


def write_part(element: tuple[tuple[int, int], Iterable[Batch]], folder: str, prefix: str) -> Tally:
    """Write one part, sorted, and count its rows. A part without rows gets no file."""
    table = without_hash(one_table(element[1], ledger_rows([]).schema))
    table = table.sort_by([(name, "ascending") for name in tables.LEDGER.names])
    path = storage.join(folder, part_name(element[0][0], prefix))
    storage.write_parquet(path, table.combine_chunks(), row_group_size=65_536)
    PROGRESS.advance("writing the ledger", len(table), "row")
    tally: Tally = Counter()
    for subject, stage, reason, rows in zip(
        *table.group_by(["subject", "stage", "reason"]).aggregate([([], "count_all")]).to_pydict().values(), strict=True
    ):
        tally["dropped", subject, stage, reason] = rows
        if subject == Subject.VIDEO and reason in FAILURES:
            tally[("failed",)] += rows
    return tally
