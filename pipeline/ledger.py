"""Writing the ledger: one row for everything that was left out."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.pvalue import AsSingleton

from longtake.pipeline.lines import quoted
from longtake.pipeline.step_metrics import counted
from longtake.pipeline.tally import MergeTallies, Tally
from longtake.schemas import storage, tables
from longtake.schemas.keys import hash64
from longtake.schemas.layout import part_name
from longtake.schemas.reasons import FAILURES, UNREADABLE, Reason, Subject
from longtake.schemas.records import Drop

_ROWS_PER_PART = 200_000
_MAX_PARTS = 4096
_FAILING = frozenset({Subject.RECORD.value, Subject.VIDEO.value})
_FAULTS = frozenset(reason.value for reason in FAILURES | UNREADABLE | {Reason.NO_TEXT})
_SHOWN = 3
TAKEDOWN_PREFIX = "part-takedown"  # the rows of videos that were taken down: no plan may bring them back


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


def count(drops: Iterable[Drop]) -> Tally:
    """The rows by ("dropped", subject, stage, reason), and the videos among them that failed as ("failed",)."""
    tally: Tally = Counter()
    for drop in drops:
        tally["dropped", drop.subject.value, drop.stage.value, drop.reason.value] += 1
        if drop.is_failure:
            tally[("failed",)] += 1
    return tally


def dropped(tally: Tally, subject: str) -> int:
    """How many rows of a subject a tally counts."""
    return sum(n for key, n in tally.items() if key[0] == "dropped" and key[1] == subject)


def commonest(folder: str) -> str:
    """The three commonest reasons why records and videos failed, each with an example, as lines below a message."""
    number: Counter[str] = Counter()
    examples: dict[str, tuple[str, str, str]] = {}
    columns = ["subject", "subject_id", "reason", "detail"]
    for part in storage.list_files(folder, ".parquet"):
        with storage.open_table(part) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(columns=columns):
                for subject, subject_id, reason, detail in zip(
                    *(column.to_pylist() for column in batch.columns), strict=True
                ):
                    if subject in _FAILING and reason in _FAULTS:
                        number[reason] += 1
                        row = (subject, subject_id, detail)
                        examples[reason] = min(row, examples.get(reason, row))
    told = [f"\n  {n:,} {reason}, as {_example(*examples[reason])}" for reason, n in _ranked(number)[:_SHOWN]]
    return f" All reasons are in {folder}; the commonest:{''.join(told)}" if told else f" The reasons are in {folder}."


def _ranked(number: Counter[str]) -> list[tuple[str, int]]:
    return sorted(number.items(), key=lambda pair: (-pair[1], pair[0]))


def _example(subject: str, subject_id: str, detail: str) -> str:
    name = "" if detail.startswith(subject_id) else f"{subject} {quoted(subject_id)}: "
    return f"{name}{detail}"
