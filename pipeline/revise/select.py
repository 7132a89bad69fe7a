"""Which videos of a finished corpus a revision is about. Tables are read as streams; only ids are kept."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.plan_table import plan_parts
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import FAILURES, Reason, Stage, Subject

#: Reasons that another attempt can do away with: the source failed, or a stretch of it.
RETRIABLE = FAILURES | {Reason.FRAMES_DAMAGED, Reason.FRAMES_PAST_END}
_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Failed:
    """Videos to try again: `planned` ones failed in decoding, `unplanned` ones before they had a plan.

    `rows` counts the ledger rows that say so by subject and reason, `other` those with reasons that were not asked for.
    """

    planned: frozenset[str]
    unplanned: frozenset[str]
    rows: Counter[tuple[str, str]]
    other: Counter[str]


def failed_videos(layout: Layout, reasons: frozenset[Reason]) -> Failed:
    """The videos of which all, or a long clip, failed for one of the reasons."""
    planned, unplanned = set[str](), set[str]()
    rows, other = Counter[tuple[str, str]](), Counter[str]()
    whole = pc.is_in(pc.field("subject"), pa.array([Subject.VIDEO.value, Subject.CLIP.value]))
    retriable = pc.is_in(pc.field("reason"), pa.array(sorted(RETRIABLE)))
    for batch in _ledger(layout, ["video_id", "subject", "stage", "reason"]):
        for row in batch.filter(whole).filter(retriable).to_pylist():
            if row["reason"] not in reasons:
                other[row["reason"]] += 1
                continue
            rows[row["subject"], row["reason"]] += 1
            (planned if row["stage"] == Stage.DECODE else unplanned).add(row["video_id"])
    return Failed(frozenset(planned), frozenset(unplanned), rows, other)


@dataclass(frozen=True, slots=True)
class Known:
    """Of some ids: those that the corpus holds something of, and those that were taken down before."""

    here: frozenset[str]
    taken_down: frozenset[str]


def known_videos(layout: Layout, ids: frozenset[str]) -> Known:
    """Which of the ids are videos that went into the corpus, whatever became of them."""
    wanted = pa.array(sorted(ids), pa.string())
    here, gone = set[str](), set[str]()
    for part in plan_parts(layout):
        for batch in _batches(part, ["video_id"]):
            here.update(_present(batch, wanted))
    is_video = pc.field("subject") == Subject.VIDEO.value
    down = pc.field("reason") == Reason.TAKEN_DOWN.value
    for batch in _ledger(layout, ["video_id", "subject", "reason"]):
        here.update(_present(batch.filter(is_video), wanted))
        gone.update(_present(batch.filter(is_video & down), wanted))
    return Known(frozenset(here), frozenset(gone))


def _present(batch: pa.RecordBatch, wanted: pa.Array) -> list[str]:
    column = batch.column("video_id")
    found: list[str] = column.filter(pc.is_in(column, wanted)).to_pylist()
    return found


def _ledger(layout: Layout, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for part in storage.list_files(layout.ledger, ".parquet"):
        yield from _batches(part, columns)


def _batches(part: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with storage.open_table(part) as stream:
        yield from pq.ParquetFile(stream).iter_batches(batch_size=_ROWS, columns=columns)
