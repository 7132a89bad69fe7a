"""Reads the text of one video from its record or transcript, cleans it, and makes sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from longtake.pipeline.parse.manifest import ParsedVideo
from longtake.pipeline.parse.transcripts.cue import Cue, Transcript
from longtake.pipeline.parse.transcripts.parse import parse_transcript
from longtake.pipeline.text.clean.clean import clean
from longtake.pipeline.text.clean.cleaned import CleanStep
from longtake.pipeline.text.sentences.punctuation_model import PUNCTUATION_MODEL
from longtake.pipeline.text.sentences.split import split_sentences, take_cues
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.printable import masked
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, Sentence


@dataclass(frozen=True, slots=True)
class OwnText:
    """The sentences of a video, the drops, and the number of removals of each cleaning step."""

    sentences: list[Sentence]
    drops: list[Drop]
    removals: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class TextTrace:
    """The text of one video after each step, for `longtake explain`. The functions below fill it in."""

    cues: list[Cue] = field(default_factory=list)  # as read
    steps: list[CleanStep] = field(default_factory=list)
    cleaned: list[Cue] = field(default_factory=list)


def read_own_text(record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None = None) -> OwnText:
    """Return the sentences of a record or of its transcript file."""
    if config.source.text.is_transcript:
        found = read_transcript(record.video.video_id, config)
        return (
            finish_transcript(found, record.video.video_id, config, trace)
            if isinstance(found, Transcript)
            else OwnText([], [found])
        )
    video_id = record.video.video_id
    sentences, drops = [], []
    for clip in record.clips:
        if clip.text:
            sentences.append(Sentence(clip.clip_id, clip.start_ms, clip.end_ms, clip.text))
        else:
            detail = f"{record.where}: the record holds no text for it"
            drops.append(Drop(video_id, Subject.SENTENCE, clip.clip_id, Stage.READ, Reason.CLIP_WITHOUT_TEXT, detail))
    finished = finish_sentences(sentences, video_id, config, trace)
    return OwnText(finished.sentences, drops + finished.drops, finished.removals)


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
    made = _finish(transcript.cues, video_id, config, transcript.recognised, trace)
    return OwnText(made.sentences, transcript.drops + made.drops, made.removals)


def finish_sentences(
    sentences: Sequence[Sentence], video_id: str, config: CorpusConfig, trace: TextTrace | None = None
) -> OwnText:
    """Clean and split sentences given by the input, if the configuration asks for it. A sentence that does not change is
    returned as it is."""
    if not (config.cleans_text or config.splits_sentences):
        return OwnText(list(sentences), [])
    as_cues = [Cue(s.clip_id, s.start_ms, s.end_ms, s.text) for s in sentences]
    made = _finish(as_cues, video_id, config, False, trace)
    before = {(s.clip_id, s.start_ms, s.end_ms, s.text): s for s in sentences}
    after = [before.get((s.clip_id, s.start_ms, s.end_ms, s.text), s) for s in made.sentences]
    return OwnText(after, made.drops, made.removals)


def _finish(cues: list[Cue], video_id: str, config: CorpusConfig, recognised: bool, trace: TextTrace | None) -> OwnText:
    drops: list[Drop] = []
    removals: dict[str, int] = {}
    if trace is not None:
        trace.cues = trace.cleaned = cues
    if config.cleans_text:
        cleaned = clean(cues, video_id, config.clean, recognised, config.filters.languages)
        cues, drops, removals = cleaned.cues, cleaned.drops, dict(cleaned.removals)
        if trace is not None:
            trace.steps, trace.cleaned = cleaned.steps, cues
    if not config.splits_sentences:
        return OwnText(take_cues(cues), drops, removals)
    punctuate = PUNCTUATION_MODEL.get(config).punctuate if PUNCTUATION_MODEL.asked(config) else None
    return OwnText(split_sentences(cues, config.sentences, punctuate), drops, removals)


def _unreadable(video_id: str, detail: str) -> Drop:
    return Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.TRANSCRIPT_UNREADABLE, detail)
