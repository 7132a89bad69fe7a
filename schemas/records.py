"""The records that travel through a build. Times are integer milliseconds from the start of the source.

All are frozen dataclasses and stay unregistered with Beam's row coder on purpose: a registered row decodes to an
anonymous tuple on a remote worker.
"""

from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields, make_dataclass, replace
from operator import attrgetter
from typing import Any, TypeVar

from longtake.schemas.reasons import FAILURES, Reason, Stage, Subject
from longtake.schemas.scores import Scores
from longtake.schemas.words import count_words

Record = TypeVar("Record", bound=type)
T = TypeVar("T")


def compact(cls: Record) -> Record:
    """Class decorator that pickles a dataclass as a call of its constructor. Millions of records cross shuffles, and the default
    pickling of dataclasses with slots is several times slower."""
    get = attrgetter(*(field.name for field in fields(cls)))

    def reduce(self: Any) -> tuple[type, tuple[Any, ...]]:
        return cls, get(self)

    setattr(cls, "__reduce__", reduce)  # noqa: B010  (mypy takes the plain assignment for an error)
    return cls


def from_columns(cls: type[T]) -> Callable[..., list[T]]:
    """A function that makes many objects of a frozen dataclass with slots from the values of its fields, in a fifth of the time.

    Filling a frozen object costs most of its making. So a plain twin is filled, and then becomes one of the class.
    """
    defaults = [() if one.default is MISSING else (field(default=one.default),) for one in fields(cls)]  # type: ignore[arg-type]
    names = [one.name for one in fields(cls)]  # type: ignore[arg-type]
    described: Any = [(name, Any, *default) for name, default in zip(names, defaults, strict=True)]
    twin: Any = make_dataclass(cls.__name__, described, slots=True)

    def make(*columns: Iterable[Any]) -> list[T]:
        made: list[T] = list(map(twin, *columns))
        for one in made:
            one.__class__ = cls
        return made

    return make


@compact
@dataclass(frozen=True, slots=True)
class Sentence:
    """One ASR sentence of a video: text and its span [start_ms, end_ms).

    `timing` says where the span comes from: "cue" (from the transcript), "words" (from the times of its words) or
    "interpolated" (by characters within a cue); None for sentences given by the input. `asr` is the speech if `text` is a
    caption that a model made from it, else None. `speaker` is the speaker, if the transcript names one.
    """

    clip_id: str
    start_ms: int
    end_ms: int
    text: str
    timing: str | None = None
    asr: str | None = None
    speaker: str | None = None

    def ending(self, end_ms: int) -> "Sentence":
        """The same sentence with another end."""
        return replace(self, end_ms=end_ms)


@compact
@dataclass(frozen=True, slots=True)
class SourceVideo:
    """One source video as its manifest line names it. `uri` is as written: relative to the configuration file or absolute."""

    video_id: str
    uri: str
    url: str = ""
    license: str = ""
    meta: str = "{}"  # free-form JSON object, canonical text, carried through to the sample


@compact
@dataclass(frozen=True, slots=True)
class SpeechScores:
    """How sure the recognition of the speech in a long clip was; None: its text was not recognised, or not compared.

    `logprob` is the mean log probability of the tokens, `no_speech` the probability of silence, `compression` the compression
    ratio of the text: means over the recognised segments in the long clip, by time. `language` and its probability are those of
    the whole video, and so is `agreement`: the share of the words of a transcript that were recognised too.
    """

    logprob: float | None = None
    no_speech: float | None = None
    compression: float | None = None
    language: str | None = None
    language_probability: float | None = None
    agreement: float | None = None


@compact
@dataclass(frozen=True, slots=True)
class LongClip:
    """One row of the plan: a run of sentences of one video that becomes one sample.

    `coherence` is the topical coherence score, None if it was not computed. `split`, `shard` and `position` are "" and -1 until
    the long clip is assigned to its place. `scores` holds the computed PLAN_SCORES, `language` an ISO 639 code, `duplicate_of`
    the key of the long clip that it repeats, `duplicate_video_of` the id of the video that its source video repeats,
    `evaluation_overlap` the names of the evaluation sets that it overlaps. They are None if not asked for or not found. `speech`
    is None in a plan without speech recognition.
    """

    key: str
    video: SourceVideo
    sentences: tuple[Sentence, ...]
    frame_times_ms: tuple[int, ...]
    coherence: float | None = None
    split: str = ""
    shard: int = -1
    position: int = -1
    scores: Scores = ()
    language: str | None = None
    duplicate_of: str | None = None
    duplicate_video_of: str | None = None
    evaluation_overlap: str | None = None
    speech: SpeechScores | None = None

    @property
    def start_ms(self) -> int:
        return self.sentences[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.sentences[-1].end_ms

    @property
    def paragraph(self) -> str:
        """The sentences joined by one space."""
        return " ".join(s.text for s in self.sentences)

    @property
    def is_rewritten(self) -> bool:
        """Whether its texts are captions that a model made from the speech."""
        return any(s.asr is not None for s in self.sentences)

    @property
    def n_words(self) -> int:
        return sum(count_words(s.text) for s in self.sentences)


@compact
@dataclass(frozen=True, slots=True, order=True)
class Drop:
    """One ledger row: a dropped subject, where it was dropped, and why."""

    video_id: str
    subject: Subject
    subject_id: str
    stage: Stage
    reason: Reason
    detail: str = ""

    @property
    def is_failure(self) -> bool:
        """True for a video that failed, False for one that was filtered out."""
        return self.subject is Subject.VIDEO and self.reason in FAILURES


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a shard. `offset` is the position of its data in the tar, in bytes."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Facts of a decoded source. `width` and `height` are as displayed: after cropping, rotation and pixel aspect.

    `primaries`, `transfer`, `matrix` and `range` are the colour signalling in ffmpeg's names; None if it was not recorded,
    as in corpora of earlier versions.
    """

    width: int
    height: int
    fps: float
    codec: str
    duration_ms: int
    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
    range: str | None = None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One sample of a shard, as the index describes it. `shard` is the tar's name without `.tar`."""

    clip: LongClip
    shard: str
    position: int
    members: tuple[Member, ...]
    sha256: str
    frame_pts_ms: tuple[int, ...]
    frame_size: tuple[int, int]  # height, width
    source: SourceInfo
    frame_scores: Scores = ()  # of INDEX_SCORES


def drop_sentences(
    video_id: str, sentences: tuple[Sentence, ...], stage: Stage, reason: Reason, detail: str = ""
) -> list[Drop]:
    """Return one ledger row for each sentence."""
    return [Drop(video_id, Subject.SENTENCE, s.clip_id, stage, reason, detail) for s in sentences]


def drop_clip(clip: LongClip, stage: Stage, reason: Reason, detail: str = "") -> list[Drop]:
    """Return the ledger rows of a dropped long clip: one for itself, and one for each of its sentences."""
    video_id = clip.video.video_id
    own = Drop(video_id, Subject.CLIP, clip.key, stage, reason, detail)
    return [own, *drop_sentences(video_id, clip.sentences, stage, reason, f"in long clip {clip.key}")]
