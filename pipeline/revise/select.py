"""Find the source videos and samples of a finished corpus that a revision is about. Tables are read as streams; only ids are
kept."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.fragments.plan_table import plan_parts
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import FAILURES, Reason, Stage, Subject

#: Reasons that may disappear in another attempt: the source video failed, or a stretch of it.
RETRIABLE = FAILURES | {Reason.FRAMES_DAMAGED, Reason.FRAMES_PAST_END}
_ROWS = 65_536
_FEW_ROWS = 1024  # for columns with text


@dataclass(frozen=True, slots=True)
class FailedVideos:
    """Source videos to try again: `planned` ones failed in decoding, `unplanned` ones before they had a plan.

    `rows` counts their ledger rows by subject and reason, `other` the rows with retriable reasons that were not asked for.
    """

    planned: frozenset[str]
    unplanned: frozenset[str]
    rows: Counter[tuple[str, str]]
    other: Counter[str]


def failed_videos(layout: Layout, reasons: frozenset[Reason]) -> FailedVideos:
    """The source videos that failed, or had a long clip fail, for one of `reasons`."""
    planned, unplanned = set[str](), set[str]()
    rows, other = Counter[tuple[str, str]](), Counter[str]()
    whole = pc.is_in(pc.field("subject"), pa.array([Subject.VIDEO.value, Subject.CLIP.value]))
    retriable = pc.is_in(pc.field("reason"), pa.array(sorted(RETRIABLE)))
    for batch in ledger_batches(layout, ["video_id", "subject", "stage", "reason"]):
        for row in batch.filter(whole).filter(retriable).to_pylist():
            if row["reason"] not in reasons:
                other[row["reason"]] += 1
                continue
            rows[row["subject"], row["reason"]] += 1
            (planned if row["stage"] == Stage.DECODE else unplanned).add(row["video_id"])
    return FailedVideos(frozenset(planned), frozenset(unplanned), rows, other)


@dataclass(frozen=True, slots=True)
class KnownVideos:
    """The ids that are source videos of the corpus, and the ids that were taken down before."""

    here: frozenset[str]
    taken_down: frozenset[str]


def known_videos(layout: Layout, ids: frozenset[str]) -> KnownVideos:
    """Find which ids are source videos that went into the corpus, even if they were dropped."""
    wanted = pa.array(sorted(ids), pa.string())
    here, gone = set[str](), set[str]()
    for part in plan_parts(layout):
        for batch in batches_of(part, ["video_id"]):
            here.update(_present(batch, wanted))
    is_video = pc.field("subject") == Subject.VIDEO.value
    down = pc.field("reason") == Reason.TAKEN_DOWN.value
    for batch in ledger_batches(layout, ["video_id", "subject", "reason"]):
        here.update(_present(batch.filter(is_video), wanted))
        gone.update(_present(batch.filter(is_video & down), wanted))
    return KnownVideos(frozenset(here), frozenset(gone))


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """A long clip of a plan, with what decides the effect of dropping it. `lost` is why decoding dropped it."""

    video_id: str
    key: str
    sentences: tuple[str, ...]
    lost: tuple[Reason, str] | None = None


@dataclass(frozen=True, slots=True)
class KnownSamples:
    """Keys that are planned (`here`), and keys that only the ledger has (`gone`). `planned` has all long clips of the source
    videos of `here`."""

    here: frozenset[str]
    gone: frozenset[str]
    planned: tuple[PlannedSample, ...]


def known_samples(layout: Layout, keys: frozenset[str]) -> KnownSamples:
    """Find which keys are long clips that went into the corpus, even if they were dropped."""
    wanted = pa.array(sorted(keys), pa.string())
    here, videos = set[str](), set[str]()
    for part in plan_parts(layout):
        for batch in batches_of(part, ["key", "video_id"]):
            found = batch.filter(pc.is_in(batch.column("key"), wanted))
            here.update(found.column("key").to_pylist())
            videos.update(found.column("video_id").to_pylist())
    of_them = pa.array(sorted(videos), pa.string())
    gone, lost = set[str](), dict[str, tuple[Reason, str]]()
    for batch in ledger_batches(layout, ["video_id", "subject", "subject_id", "stage", "reason", "detail"]):
        clips = batch.filter(pc.field("subject") == Subject.CLIP.value)
        gone.update(_present(clips, wanted, "subject_id"))
        decoded = clips.filter(pc.field("stage") == Stage.DECODE.value)
        for row in decoded.filter(pc.is_in(decoded.column("video_id"), of_them)).to_pylist():
            lost[row["subject_id"]] = Reason(row["reason"]), row["detail"]
    planned = []
    for part in plan_parts(layout) if videos else ():
        for batch in batches_of(part, ["key", "video_id", "sentences"], _FEW_ROWS):
            for row in batch.filter(pc.is_in(batch.column("video_id"), of_them)).to_pylist():
                sentences = tuple(sentence["clip_id"] for sentence in row["sentences"])
                planned.append(PlannedSample(row["video_id"], row["key"], sentences, lost.get(row["key"])))
    return KnownSamples(frozenset(here), frozenset(gone - here), tuple(planned))


def _present(batch: pa.RecordBatch, wanted: pa.Array, name: str = "video_id") -> list[str]:
    column = batch.column(name)
    found: list[str] = column.filter(pc.is_in(column, wanted)).to_pylist()
    return found


def ledger_batches(layout: Layout, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of the ledger in batches."""
    for part in storage.list_files(layout.ledger, ".parquet"):
        yield from batches_of(part, columns)


def batches_of(part: str, columns: list[str], rows: int = _ROWS) -> Iterator[pa.RecordBatch]:
    """Yield some columns of one table in batches."""
    with storage.open_table(part) as stream:
        yield from pq.ParquetFile(stream).iter_batches(batch_size=rows, columns=columns)
