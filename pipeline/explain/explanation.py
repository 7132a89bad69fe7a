"""What is to say about one video, as plain records: text, pictures and JSON are made from them."""

from dataclasses import asdict, dataclass
from typing import Any

from longtake.schemas.records import Drop, SourceVideo


@dataclass(frozen=True, slots=True)
class Passage:
    """A cue as it was read: [start_ms, end_ms) and its text."""

    cue_id: str
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class TextChange:
    """What a cleaning step did to a cue; `after` is None where nothing is left of it, and `why` then says more. `lost`: it is in
    the ledger, as against one whose words went to another cue.
    """

    cue_id: str
    start_ms: int
    before: str
    after: str | None
    why: str = ""
    lost: bool = False


@dataclass(frozen=True, slots=True)
class CleaningStep:
    """One cleaning step: how many cues went in and came out, how many removals it made, and what it changed."""

    name: str
    cues_in: int
    cues_out: int
    removals: int
    changes: tuple[TextChange, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in time order, as it stands in its long clip. `clip` is the number of that among those of the video, None for
    a sentence that merging left out; then `reason` and `detail` are those of the ledger. `similarity` and `depth` are those of
    the gap before it, None where there is no curve. `text` is what was said, `caption` what a model made of it.
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
    """Why sentences that follow each other are not in one long clip. `before` is the number of the second one.

    `kind` is "gap" (silence of more than max_gap_ms), "chapter", "topic" (the best place by coherence), "limit" (together
    they would be too many or last too long), "group" (the groups of the source say so), or "dropped" (a sentence beside it
    fits into no long clip).
    """

    before: int
    at_ms: int
    kind: str
    detail: str
    silence_ms: int


@dataclass(frozen=True, slots=True)
class FilterCheck:
    """A score against its threshold. `setting` and `limit` are None where there is no threshold, `fault` where it passes."""

    score: str
    value: float
    setting: str | None = None
    limit: float | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class ClipFate:
    """A long clip and what became of it. `state` is "planned", "dropped", or "in the corpus"; `stage`, `reason` and `detail` say
    why it was left out; `place` is its shard and position."""

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
    """What the header of the source says."""

    width: int
    height: int
    fps: float
    codec: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say about one video.

    `recomputed` are the ledger rows that planning it again gives. `later` are those of the corpus that this cannot give: of
    duplicates, edits and decoding. `notes` say what is not known, and where the corpus says otherwise.
    """

    video: SourceVideo
    record: str  # where its record stands
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
        """Where the video, or at least what is known of it, ends."""
        ends = [c.end_ms for c in self.cues] + [s.end_ms for s in self.sentences]
        return max([*ends, self.source.duration_ms if self.source else 0, 1])

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON holds it."""
        return asdict(self)
