"""The explanation of one source video as plain records. Text, pictures and JSON are made from them."""

from dataclasses import asdict, dataclass
from typing import Any

from longtake.schemas.records import Drop, SourceVideo


@dataclass(frozen=True, slots=True)
class Passage:
    """A cue as read: its time [start_ms, end_ms) and its text."""

    cue_id: str
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class TextChange:
    """The effect of a cleaning step on a cue. `after` is None if nothing of it is left, and `why` then gives the reason. `lost`
    means that it is in the ledger; otherwise its words went to another cue."""

    cue_id: str
    start_ms: int
    before: str
    after: str | None
    why: str = ""
    lost: bool = False


@dataclass(frozen=True, slots=True)
class CleaningStep:
    """One cleaning step: the numbers of cues before and after it, of its removals, and the changes it made."""

    name: str
    cues_in: int
    cues_out: int
    removals: int
    changes: tuple[TextChange, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, in time order, as it stands in its long clip.

    `clip` is the number of its long clip in the video. It is None if merging dropped the sentence; `reason` and `detail` then
    come from the ledger. `similarity` and `depth` describe the gap before it, None without a curve. `text` is the speech,
    `caption` a model's version of it.
    """

    clip_id: str
    start_ms: int
    end_ms: int
    text: str
    timing: str | None
    clip: int | None = None
    reason: str = ""
    detail: str = ""
    similarity: float | None = None
    depth: float | None = None
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainedCut:
    """Why two consecutive sentences are not in one long clip. `before` is the number of the second one.

    `kind` is "gap" (silence of more than max_gap_ms), "chapter", "topic" (the best place by coherence), "limit" (together they
    would be too many or last too long), "group" (the groups of the source say so), or "dropped" (a sentence beside it fits into
    no long clip).
    """

    before: int
    at_ms: int
    kind: str
    detail: str
    silence_ms: int


@dataclass(frozen=True, slots=True)
class FilterCheck:
    """A score against its threshold. `setting` and `limit` are None without a threshold; `fault` is None if the score passes."""

    score: str
    value: float
    setting: str | None = None
    limit: float | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class ClipFate:
    """A long clip and its fate. `state` is "planned", "dropped", or "in the corpus". `stage`, `reason` and `detail` say why it
    was dropped. `place` is its shard and position."""

    key: str
    start_ms: int
    end_ms: int
    sentences: int
    words: int
    text: str
    coherence: float | None
    language: str | None
    checks: tuple[FilterCheck, ...]
    state: str
    stage: str = ""
    reason: str = ""
    detail: str = ""
    place: str = ""
    duplicate_of: str | None = None
    duplicate_video_of: str | None = None
    evaluation_overlap: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainedSource:
    """The facts in the header of the source video."""

    width: int
    height: int
    fps: float
    codec: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole explanation of one source video.

    `recomputed` are the ledger rows that planning it again gives. `later` are rows of the corpus that planning one video cannot
    give: of duplicates, edits and decoding. `notes` say what is unknown, and where the corpus differs.
    """

    video: SourceVideo
    record: str  # file and line of its record
    text_from: str
    source: ExplainedSource | None
    cues: tuple[Passage, ...]
    steps: tuple[CleaningStep, ...]
    sentences: tuple[Said, ...]
    chapters_ms: tuple[int, ...]
    cuts: tuple[ExplainedCut, ...]
    clips: tuple[ClipFate, ...]
    coherence: str  # how runs were cut
    masked: tuple[tuple[str, int], ...]
    recomputed: tuple[Drop, ...]
    later: tuple[Drop, ...]
    notes: tuple[str, ...]

    @property
    def end_ms(self) -> int:
        """The end of the video, or of what is known of it."""
        ends = [c.end_ms for c in self.cues] + [s.end_ms for s in self.sentences]
        return max([*ends, self.source.duration_ms if self.source else 0, 1])

    def to_json(self) -> dict[str, Any]:
        """The explanation as a dictionary for JSON."""
        return asdict(self)
