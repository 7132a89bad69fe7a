"""Samples and source videos that were taken down or that curators rejected. People are shown only their ids and reasons.

The corpus no longer holds their text and frames, but the sources, an older version and the notes of curators do. Code that
reads these for a corpus asks here first.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.filters.rejects import RejectedSpan, spans_in
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.keys import is_sample_key, safe_name
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Subject
from longtake.schemas.records import Drop

REASONS = (Reason.TAKEN_DOWN, Reason.REJECTED)
REASONS_SQL = str(tuple(reason.value for reason in REASONS))
#: Stands for a text that is not shown.
HIDDEN = "(withdrawn: not shown)"
_OF_CLIP = "in long clip "  # start of a sentence's detail if it was dropped with its long clip: an id, no text
_SUBJECTS = (Subject.VIDEO, Subject.CLIP, Subject.NOTE)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Withdrawn source videos by id, and withdrawn long clips of other source videos: their spans by the safe name of the
    video."""

    videos: frozenset[str] = frozenset()
    spans: Mapping[str, Collection[RejectedSpan]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.videos or self.spans)

    def video(self, video_id: str) -> bool:
        """Whether a whole source video is withdrawn."""
        return video_id in self.videos

    def any_of(self, video_id: str) -> bool:
        """Whether a source video, or a long clip of it, is withdrawn."""
        return video_id in self.videos or safe_name(video_id) in self.spans

    def span(self, video_id: str, start_ms: int, end_ms: int) -> bool:
        """Whether any part of [start_ms, end_ms) of a source video is withdrawn, even if it is now cut into other long clips."""
        if video_id in self.videos:
            return True
        of_it = self.spans.get(safe_name(video_id), ())
        return any(one.start_ms < max(end_ms, start_ms + 1) and start_ms < one.end_ms for one in of_it)

    def clip(self, video_id: str, key: str) -> bool:
        """Whether a long clip is withdrawn, or shares time with a withdrawn one."""
        if not is_sample_key(key):
            return video_id in self.videos
        _, start, end = key.rsplit("-", 2)
        return self.span(video_id, int(start), int(end))

    def row(self, row: Drop) -> bool:
        """Whether only id and reason of a ledger row may be shown."""
        if row.reason in REASONS or row.video_id in self.videos:
            return True
        return row.subject in (Subject.CLIP, Subject.NOTE) and self.clip(row.video_id, row.subject_id)

    def told(self, row: Drop) -> Drop:
        """The ledger row, without its detail if that may not be shown."""
        if not self.row(row) or (row.subject is Subject.SENTENCE and row.detail.startswith(_OF_CLIP)):
            return row
        return replace(row, detail="")

    def __or__(self, other: "Withdrawn") -> "Withdrawn":
        spans = {name: [*self.spans.get(name, ()), *other.spans.get(name, ())] for name in {*self.spans, *other.spans}}
        return Withdrawn(self.videos | other.videos, spans)


def read_withdrawn(layout: Layout) -> Withdrawn:
    """The Withdrawn of a corpus or plan, from its ledger; empty without a ledger. Raises CorpusError."""
    videos, keys = set[str](), dict[str, str]()
    which = pc.is_in(pc.field("reason"), pa.array([reason.value for reason in REASONS])) & pc.is_in(
        pc.field("subject"), pa.array([subject.value for subject in _SUBJECTS])
    )
    for path in storage.list_files(layout.ledger, ".parquet"):
        for row in _rows(path, which):
            if row["subject"] == Subject.VIDEO:
                videos.add(row["subject_id"])
            else:
                keys[row["subject_id"]] = ""
    return Withdrawn(frozenset(videos), spans_in(keys))


def _rows(path: str, which: Any) -> Iterable[dict[str, Any]]:
    try:
        with storage.open_table(path) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(columns=["subject", "subject_id", "reason"]):
                yield from batch.filter(which).to_pylist()
    except (*storage.PARQUET_ERRORS, KeyError) as error:
        raise CorpusError(
            f"{path}: unreadable: {storage.damage(error)}. Check the corpus with: longtake verify"
        ) from None


__all__ = ["HIDDEN", "REASONS", "REASONS_SQL", "Withdrawn", "read_withdrawn"]
