"""Rejections of curators: samples and videos that no plan may hold, and the long clips of a plan that match them.

The key identifies a rejected sample. If other settings cut its video differently, no long clip may have that key. The sample
must not come back by another cut: long clips are rejected too if they share at least half the time of the shorter one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from longtake.schemas import storage
from longtake.schemas.decision import NOBODY, STRICTEST_FIRST, Decision
from longtake.schemas.errors import CorpusError
from longtake.schemas.keys import is_sample_key, safe_name
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip

REJECT = STRICTEST_FIRST[0]


@dataclass(frozen=True, slots=True)
class Rejects:
    """Rejected samples by key and rejected videos by id, each with the reason: curator, time and note."""

    samples: Mapping[str, str] = field(default_factory=dict)
    videos: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settled: Iterable[Decision]) -> "Rejects":
        """Return the rejections among settled decisions, one for each subject."""
        rejected = sorted((*one.about, why(one)) for one in settled if one.decision == REJECT)
        by_subject = {
            subject: {subject_id: detail for kind, subject_id, detail in rejected if kind == subject}
            for subject in ("sample", "video")
        }
        return cls(by_subject["sample"], by_subject["video"])

    def __len__(self) -> int:
        return len(self.samples) + len(self.videos)

    @property
    def digest(self) -> str | None:
        """A digest of the rejections, in any order; None if there are none."""
        return hashlib.sha256(self.to_bytes()).hexdigest() if len(self) else None

    def to_bytes(self) -> bytes:
        whole = {"samples": dict(self.samples), "videos": dict(self.videos)}
        return json.dumps(whole, sort_keys=True).encode()


def why(decision: Decision) -> str:
    """A decision as a ledger detail."""
    when = f" at {decision.decided_at}" if decision.decided_at else ""
    said = "".join(f": {text}" for text in (decision.label, decision.note) if text)
    how = f" in {decision.basis}" if decision.basis else ""
    return f"{decision.decision} by {decision.curator or NOBODY}{how}{when}{said}"


# -- the file for a plan -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RejectsFile:
    """Rejections in a file beside the plan, which the workers of any runner read. The plan keeps digest and number."""

    path: str
    digest: str
    number: int

    def read(self) -> Rejects:
        """Read the rejections. Raises CorpusError if the file is missing or holds others."""
        try:
            raw = json.loads(storage.read_bytes(self.path))
            found = Rejects(dict(raw["samples"]), dict(raw["videos"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            found = Rejects()
        if found.digest != self.digest:
            raise CorpusError(
                f"{self.path}: missing, or not the decisions that the plan was made with. Plan again with --decisions FILE."
            )
        return found


def rejects_file(layout: Layout, digest: str, number: int) -> RejectsFile:
    """The file for the rejections of a plan, in staging, which keeps its files when its folders are cleaned."""
    return RejectsFile(storage.join(layout.staging, "rejects.json"), digest, number)


def keep_rejects(layout: Layout, rejects: Rejects | None) -> RejectsFile | None:
    """Write the rejections for the plan, in place of those for an earlier plan. Returns None if there are none."""
    if rejects is None or rejects.digest is None:
        storage.delete(rejects_file(layout, "", 0).path)
        return None
    file = rejects_file(layout, rejects.digest, len(rejects))
    storage.write_bytes(file.path, rejects.to_bytes())
    return file


# -- the long clips that match -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class RejectedSpan:
    """A rejected sample and its span in its video, in milliseconds."""

    key: str
    start_ms: int
    end_ms: int
    detail: str

    def meets(self, clip: LongClip) -> bool:
        """Whether sample and clip share at least half the time of the shorter one."""
        shared = min(self.end_ms, clip.end_ms) - max(self.start_ms, clip.start_ms)
        return 2 * shared >= min(self.end_ms - self.start_ms, clip.end_ms - clip.start_ms) > 0


def span_of(key: str, detail: str) -> tuple[str, RejectedSpan]:
    """The safe name of the video in a sample key, and the span in the key."""
    name, start, end = key.rsplit("-", 2)
    return name, RejectedSpan(key, int(start), int(end), detail)


def spans_in(keys: Mapping[str, str]) -> dict[str, list[RejectedSpan]]:
    """Rejected samples by the safe name of their video, from details by key. Invalid keys are ignored."""
    found: dict[str, list[RejectedSpan]] = {}
    for key, detail in sorted(keys.items()):
        if is_sample_key(key):
            name, span = span_of(key, detail)
            found.setdefault(name, []).append(span)
    return found


@dataclass(frozen=True, slots=True)
class RejectedClips:
    """The long clips of a video that match rejected samples: by key, the sample and the ledger detail for each; and the rejected
    samples that were found."""

    clips: dict[str, tuple[RejectedSpan, str]]
    spans: frozenset[str]


def rejected_clips(clips: Sequence[LongClip], rejected: Iterable[RejectedSpan]) -> RejectedClips:
    """Find the rejected long clips of a video: the clip with the rejected key or, if there is none, clips that share its time."""
    keys = {clip.key for clip in clips}
    found: dict[str, tuple[RejectedSpan, str]] = {}
    spans = set[str]()
    for span in sorted(rejected, key=lambda span: (span.key not in keys, span)):  # exact keys first
        for clip in clips:
            if clip.key == span.key:
                found[clip.key] = span, span.detail
                spans.add(span.key)
            elif span.key not in keys and span.meets(clip):
                detail = f"shares at least half of its time with {span.key}: {span.detail}"
                found.setdefault(clip.key, (span, detail))
                spans.add(span.key)
    return RejectedClips(found, frozenset(spans))


class RejectIndex:
    """Rejections by video."""

    def __init__(self, rejects: Rejects) -> None:
        self._videos, self._spans = rejects.videos, spans_in(rejects.samples)

    def video(self, video_id: str) -> str | None:
        """Why a video is rejected; None if it is not."""
        return self._videos.get(video_id)

    def samples(self, video_id: str) -> list[RejectedSpan]:
        """The rejected samples of a video."""
        return self._spans.get(safe_name(video_id), [])
