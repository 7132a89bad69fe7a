"""The text of one video on its own: from its record, its transcript, or recognised speech."""

from dataclasses import replace

from longtake.pipeline.decode import SourceError
from longtake.pipeline.parse.manifest import ParsedVideo
from longtake.pipeline.parse.transcripts.cue import Transcript
from longtake.pipeline.parse.transcripts.whisper import parse_segments
from longtake.pipeline.run.sources import blaming_the_source, detail_of
from longtake.pipeline.speech.recognise import Recognised
from longtake.pipeline.speech.saved import saved_speech
from longtake.pipeline.text.recognised.align import match_words, timed_cues
from longtake.pipeline.text.recognised.scores import HeardSpeech, heard_speech
from longtake.pipeline.text.recognised.spans import fill_spans
from longtake.pipeline.text.video_text import (
    OwnText,
    TextTrace,
    clean_transcript,
    finish_sentences,
    finish_transcript,
    read_transcript,
    sentences_of,
)
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, Sentence, SourceVideo

_SOUND = "sound"  # stands for the name of a file


def read_own_text(record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None = None) -> OwnText:
    """Return the sentences of a record, of its transcript file, or of its speech as the plan recognised it."""
    text, video_id = config.source.text, record.video.video_id
    if not text.is_transcript:
        return _of_record(record, config, trace)
    found = read_transcript(video_id, config, record.transcripts) if text.has_files else None
    if isinstance(found, Transcript) and (found.cues or not text.recognises):
        return _of_transcript(found, record, config, trace)
    if not text.recognises:
        return OwnText([], [found] if isinstance(found, Drop) else [])
    return _of_speech(record, config, trace, _unusable(video_id, found))


def needs_speech(record: ParsedVideo, config: CorpusConfig) -> bool:
    """Whether the text of a record depends on recognised speech."""
    text = config.source.text
    if not text.hears:
        return False
    found = read_transcript(record.video.video_id, config, record.transcripts) if text.has_files else None
    if isinstance(found, Transcript) and found.cues:
        return _is_compared(found, config)
    return text.recognises


def _is_compared(transcript: Transcript, config: CorpusConfig) -> bool:
    text = config.source.text
    return bool(transcript.cues) and (text.min_agreement is not None or (text.align and not _has_words(transcript)))


def _has_words(transcript: Transcript) -> bool:
    return any(cue.words for cue in transcript.cues)


def _unusable(video_id: str, found: Transcript | Drop | None) -> list[Drop]:
    """A note on a transcript that is there and of no use: the speech is recognised instead."""
    problems = [found] if isinstance(found, Drop) else found.drops if found is not None else []
    if not problems or problems[0].reason is Reason.NO_TEXT:
        return []
    detail = f"{problems[0].detail}; the speech was recognised instead"
    return [Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.TRANSCRIPT_UNREADABLE, detail)]


def _of_record(record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None) -> OwnText:
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


# -- transcripts, compared with the sound if asked ---------------------------------------------------------------------


def _of_transcript(
    transcript: Transcript, record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None
) -> OwnText:
    text, video_id = config.source.text, record.video.video_id
    if not _is_compared(transcript, config):
        return finish_transcript(transcript, video_id, config, trace)
    speech = _speech_of(record.video, config)
    if isinstance(speech, SourceError):
        detail = f"the transcript is used as it is: {detail_of(speech, record.video.uri)}"
        note = Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.NOT_HEARD, detail)
        made = finish_transcript(transcript, video_id, config, trace)
        return replace(made, drops=[*made.drops, note])
    cleaned = clean_transcript(transcript, video_id, config, trace)
    matching = match_words(cleaned.cues, parse_segments(speech["segments"], video_id, _SOUND).cues)
    least = text.min_agreement
    if least is not None and matching.agreement < least:
        detail = f"agreement {matching.agreement:.4g} of transcript and sound is below min_agreement {least:g}"
        if text.recognises:
            instead = f"{detail}; the speech was recognised instead"
            return _of_speech(record, config, trace, [_about(video_id, Subject.NOTE, Reason.OTHER_SPEECH, instead)])
        return OwnText([], [_about(video_id, Subject.VIDEO, Reason.OTHER_SPEECH, detail)])
    if text.align and not _has_words(transcript):
        cleaned = replace(cleaned, cues=timed_cues(matching))
    return replace(sentences_of(cleaned, config), heard=HeardSpeech(agreement=matching.agreement))


# -- recognised speech -------------------------------------------------------------------------------------------------


def _of_speech(record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None, notes: list[Drop]) -> OwnText:
    video_id = record.video.video_id
    in_spans = bool(record.clips) and config.source.text.format == "asr"
    speech = _speech_of(record.video, config)
    if isinstance(speech, SourceError):
        reason, detail = speech.reason, detail_of(speech, record.video.uri)
    elif speech["segments"]:
        transcript = parse_segments(speech["segments"], video_id, _SOUND)
        made = (
            _in_spans(transcript, record, config, trace)
            if in_spans
            else finish_transcript(transcript, video_id, config, trace)
        )
        return replace(made, drops=[*notes, *made.drops], heard=heard_speech(speech))
    elif speech["duration"] is None:
        reason, detail = Reason.NO_AUDIO, "the source has no sound"
    else:
        reason, detail = Reason.NO_SPEECH, f"no speech in {speech['duration']:g} s of sound"
    drops = [*notes, _about(video_id, Subject.VIDEO, reason, detail)]
    if in_spans:
        drops += [_of_clip(video_id, clip.clip_id, reason, f"in video {video_id}") for clip in record.clips]
    return OwnText([], drops)


def _in_spans(transcript: Transcript, record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None) -> OwnText:
    """Put the words into the spans of the record. What cleaning took out has no row: the spans are the sentences."""
    video_id = record.video.video_id
    cleaned = clean_transcript(transcript, video_id, config, trace)
    sentences, outside = fill_spans(cleaned.cues, record.clips)
    named = {sentence.clip_id for sentence in sentences}
    drops = [
        _of_clip(video_id, clip.clip_id, Reason.NO_SPEECH, "no word was recognised in its span")
        for clip in record.clips
        if clip.clip_id not in named
    ]
    removals = cleaned.removals | ({"outside_spans": outside} if outside else {})
    return OwnText(sentences, drops, removals)


def _speech_of(video: SourceVideo, config: CorpusConfig) -> Recognised | SourceError:
    """The recognised speech of a source, or why there is none."""
    uri = config.resolve(video.uri)
    try:
        with blaming_the_source():
            version = storage.size_and_tag(uri)
    except SourceError as error:
        return error
    found = saved_speech(config).find(uri, version)
    return found or SourceError(Reason.ASR_FAILED, "its speech has not been recognised yet; plan again")


def _about(video_id: str, subject: Subject, reason: Reason, detail: str) -> Drop:
    return Drop(video_id, subject, video_id, Stage.READ, reason, detail)


def _of_clip(video_id: str, clip_id: str, reason: Reason, detail: str) -> Drop:
    return Drop(video_id, Subject.SENTENCE, clip_id, Stage.READ, reason, detail)
