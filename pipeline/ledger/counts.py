"""Counts of ledger rows, and the commonest reasons with an example each. Needs no Beam."""

from collections import Counter
from collections.abc import Iterable

import pyarrow.parquet as pq

from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.parse.lines import quoted
from longtake.schemas import storage
from longtake.schemas.reasons import FAILURES, UNREADABLE, Reason, Subject
from longtake.schemas.records import Drop

_FAILING = frozenset({Subject.RECORD.value, Subject.VIDEO.value})
_FAULTS = frozenset(reason.value for reason in FAILURES | UNREADABLE | {Reason.NO_TEXT})
_SHOWN = 3
TAKEDOWN_PREFIX = "part-takedown"  # rows of source videos that were taken down; no plan may bring them back


def count(drops: Iterable[Drop]) -> Tally:
    """The number of rows by ("dropped", subject, stage, reason), and the number of failed source videos under ("failed",)."""
    tally: Tally = Counter()
    for drop in drops:
        tally["dropped", drop.subject.value, drop.stage.value, drop.reason.value] += 1
        if drop.is_failure:
            tally[("failed",)] += 1
    return tally


def dropped(tally: Tally, subject: str) -> int:
    """The number of rows that `tally` counts for `subject`."""
    return sum(n for key, n in tally.items() if key[0] == "dropped" and key[1] == subject)


def commonest(folder: str) -> str:
    """The three commonest reasons why records and source videos failed, each with an example, as lines to put below a message."""
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
