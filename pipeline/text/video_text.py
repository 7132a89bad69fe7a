"""Reads the transcript of one video, cleans its text, and makes sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from longtake.pipeline.parse.transcripts.cue import Cue, Transcript
from longtake.pipeline.parse.transcripts.parse import parse_transcript
from longtake.pipeline.text.clean.clean import clean
from longtake.pipeline.text.clean.cleaned import CleanStep
from longtake.pipeline.text.recognised.scores import HeardSpeech
from longtake.pipeline.text.sentences.punctuation_model import PUNCTUATION_MODEL
from longtake.pipeline.text.sentences.split import split_sentences, take_cues
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.printable import masked
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, Sentence


@dataclass(frozen=True, slots=True)
class OwnText:
    """The sentences of a video, the drops, and the number of removals of each cleaning step; with speech recognition also its
    scores."""

    sentences: list[Sentence]
    drops: list[Drop]
    removals: dict[str, int] = field(default_factory=dict)
    heard: HeardSpeech | None = None


@dataclass(slots=True)
class TextTrace:
    """The text of one video after each step, for `longtake explain`. The functions below fill it in."""

    cues: list[Cue] = field(default_factory=list)  # as read
    steps: list[CleanStep] = field(default_factory=list)
    cleaned: list[Cue] = field(default_factory=list)


def read_transcript(video_id: str, config: CorpusConfig) -> Transcript | Drop:
    """Return the cues of a video's transcript file, or a Drop of the video if the file is missing or unreadable."""
    text = config.source.text
    named = str(text.path).replace("{video_id}", video_id)
    path, shown = config.resolve(named), masked(named)
    if video_id in (".", "..") or any(c in "/\\\0" or not c.isprintable() for c in video_id):
        return _unreadable(video_id, f"the id {video_id!r} cannot be part of a file name")
    try:
        data = storage.read_bytes(path)
    except FileNotFoundError:
        return Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.NO_TEXT, f"no file {shown}")
    except OSError as error:
        return _unreadable(video_id, f"{shown}: {error.strerror or error}")
    return parse_transcript(data, video_id, path.rsplit("/", 1)[-1], text.format, text.encoding)


def finish_transcript(
    transcript: Transcript, video_id: str, config: CorpusConfig, trace: TextTrace | None = None
) -> OwnText:
    """Return the sentences of a transcript."""
    return sentences_of(clean_transcript(transcript, video_id, config, trace), config)


@dataclass(frozen=True, slots=True)
class CleanText:
    """The cues of a video after cleaning, the drops so far, and the number of removals of each step."""

    cues: list[Cue]
    drops: list[Drop]
    removals: dict[str, int]


def clean_transcript(
    transcript: Transcript, video_id: str, config: CorpusConfig, trace: TextTrace | None = None
) -> CleanText:
    """Clean the cues of a transcript, if the configuration asks for it."""
    cleaned = _clean(transcript.cues, video_id, config, transcript.recognised, trace)
    return replace(cleaned, drops=transcript.drops + cleaned.drops)


def sentences_of(text: CleanText, config: CorpusConfig) -> OwnText:
    """Make the sentences of cleaned cues."""
    if not config.splits_sentences:
        return OwnText(take_cues(text.cues), text.drops, text.removals)
    punctuate = PUNCTUATION_MODEL.get(config).punctuate if PUNCTUATION_MODEL.asked(config) else None
    return OwnText(split_sentences(text.cues, config.sentences, punctuate), text.drops, text.removals)


def finish_sentences(
    sentences: Sequence[Sentence], video_id: str, config: CorpusConfig, trace: TextTrace | None = None
) -> OwnText:
    """Clean and split sentences given by the input, if the configuration asks for it. A sentence that does not change is
    returned as it is."""
    if not (config.cleans_text or config.splits_sentences):
        return OwnText(list(sentences), [])
    as_cues = [Cue(s.clip_id, s.start_ms, s.end_ms, s.text) for s in sentences]
    made = sentences_of(_clean(as_cues, video_id, config, False, trace), config)
    before = {(s.clip_id, s.start_ms, s.end_ms, s.text): s for s in sentences}
    after = [before.get((s.clip_id, s.start_ms, s.end_ms, s.text), s) for s in made.sentences]
    return OwnText(after, made.drops, made.removals)


def _clean(
    cues: list[Cue], video_id: str, config: CorpusConfig, recognised: bool, trace: TextTrace | None
) -> CleanText:
    if trace is not None:
        trace.cues = trace.cleaned = cues
    if not config.cleans_text:
        return CleanText(cues, [], {})
    cleaned = clean(cues, video_id, config.clean, recognised, config.filters.languages)
    if trace is not None:
        trace.steps, trace.cleaned = cleaned.steps, cleaned.cues
    return CleanText(cleaned.cues, cleaned.drops, dict(cleaned.removals))


def _unreadable(video_id: str, detail: str) -> Drop:
    return Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.TRANSCRIPT_UNREADABLE, detail)
