"""Reads the text of one video from its record or transcript, cleans it, and makes sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from longtake.pipeline.find.names import choice, in_order, listed
from longtake.pipeline.parse.manifest import ParsedVideo, TranscriptFile
from longtake.pipeline.parse.transcripts.cue import Cue, Transcript
from longtake.pipeline.parse.transcripts.parse import may_be, parse_transcript
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

    file: str = ""  # the transcript that was read, if there was a choice
    cues: list[Cue] = field(default_factory=list)  # as read
    steps: list[CleanStep] = field(default_factory=list)
    cleaned: list[Cue] = field(default_factory=list)


def read_own_text(record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None = None) -> OwnText:
    """Return the sentences of a record or of its transcript file."""
    if config.source.text.is_transcript:
        found = read_transcript(record.video.video_id, config, record.transcripts)
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


def read_transcript(video_id: str, config: CorpusConfig, files: Sequence[TranscriptFile] = ()) -> Transcript | Drop:
    """Return the cues of the transcript of a video, or a Drop of the video if there is none, or none that can be read. `files`
    are those that its record names or a listing found."""
    text = config.source.text
    if not text.is_named:
        return _one_file(text.paths[0].replace("{video_id}", video_id), video_id, config)
    if not files:
        return Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.NO_TEXT, _none_found(video_id, config))
    fitting = [file for file in files if may_be(file.path, text.format)] or files
    return _first_with_cues(in_order(fitting, text.languages), video_id, config)


def _first_with_cues(files: Sequence[TranscriptFile], video_id: str, config: CorpusConfig) -> Transcript | Drop:
    """Read the first of the files that holds a cue. A note says if that was a choice that no setting decides."""
    failed: list[tuple[TranscriptFile, Transcript | Drop]] = []
    for file in files:
        found = _read(file.path, video_id, config)
        if isinstance(found, Drop) or not found.cues:
            failed.append((file, found))
            continue
        found.file = file.path
        detail = _choice(file, files, [one for one, _ in failed], config)
        if detail:
            found.drops.append(Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.SEVERAL_FILES, detail))
        return found
    first = failed[0][1]
    if isinstance(first, Transcript) and len(failed) > 1:
        detail = f"no cue in {listed([masked(file.path) for file, _ in failed])}"
        first.drops.append(Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.SEVERAL_FILES, detail))
    return first


def _choice(
    used: TranscriptFile, files: Sequence[TranscriptFile], without: Sequence[TranscriptFile], config: CorpusConfig
) -> str:
    """Say which of several transcripts is used if no setting decides that, or one before it holds no cue; else ""."""
    languages = config.source.text.languages
    equal = [one for one in files if choice(one, languages) == choice(used, languages)]
    if not without and len({one.language for one in equal}) < 2:
        return ""
    others = [masked(one.path) for one in equal if one != used and one not in without]
    told = [f"there {'is' if len(others) == 1 else 'are'} also {listed(others)}"] if others else []
    told += [f"no cue in {listed([masked(one.path) for one in without])}"] if without else []
    return f"{masked(used.path)} is used; {'; '.join(told)}"


def _none_found(video_id: str, config: CorpusConfig) -> str:
    if config.source.text.path is not None:
        return " or ".join(
            f"no file {masked(path.replace('{video_id}', video_id))}" for path in config.source.text.paths
        )
    if config.source.folder is not None:
        return "no transcript of its name beside it"
    return "its record names no transcript, and source.text.path is not set"


def _one_file(named: str, video_id: str, config: CorpusConfig) -> Transcript | Drop:
    if video_id in (".", "..") or any(c in "/\\\0" or not c.isprintable() for c in video_id):
        return _unreadable(video_id, f"the id {video_id!r} cannot be part of a file name")
    return _read(named, video_id, config)


def _read(named: str, video_id: str, config: CorpusConfig) -> Transcript | Drop:
    text, path, shown = config.source.text, config.resolve(named), masked(named)
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
    if trace is not None:
        trace.file = transcript.file
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
