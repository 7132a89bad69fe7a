"""Speech in, words with times out: Whisper through faster-whisper, as JSON that Whisper's own tools write."""

from collections.abc import Iterable, Iterator
from typing import Any

from longtake.pipeline.speech.model import SpeechSettings, load_model
from longtake.pipeline.speech.sound import RATE, SoundPiece

Recognised = dict[str, Any]


def recognise(pieces: Iterable[SoundPiece], settings: SpeechSettings) -> Recognised:
    """Recognise the speech in the pieces of a sound.

    The model chooses its likeliest words (temperature 0). Whisper's usual second tries draw words at random, from a generator
    that no seed resets in a process that lives on: the same sound would give other words after other work. Without them, a loop
    or a text without punctuation would go on from one piece of 30 s to the next, so each piece is heard for itself.

    Returns:
        `text`, `language`, `language_probability`, `duration` of the sound in seconds, and `segments` with `start` and `end` in
        seconds of the source, `text`, `avg_logprob`, `no_speech_prob`, `compression_ratio` and `words` with their `probability`.
    """
    model = load_model(settings.folder, settings.device, settings.compute_type, settings.language)
    language, probability = settings.language, None
    segments: list[dict[str, Any]] = []
    seconds = 0.0
    for piece in pieces:
        seconds += len(piece.samples) / RATE
        found, info = _transcribed(model, piece, settings, language)
        heard = [_segment(one, piece.start_s) for one in found]
        if heard and probability is None:  # the first speech decides
            language, probability = info.language, info.language_probability
        segments += heard
    for number, segment in enumerate(segments):
        segment["id"] = number
    return {
        "text": "".join(segment["text"] for segment in segments),
        "language": language if segments else None,
        "language_probability": None if probability is None else round(float(probability), 6),
        "duration": round(seconds, 3),
        "segments": segments,
    }


def _transcribed(
    model: Any, piece: SoundPiece, settings: SpeechSettings, language: str | None
) -> tuple[Iterator[Any], Any]:
    options: dict[str, Any] = {
        "language": language,
        "beam_size": settings.beam_size,
        "temperature": 0.0,
        "condition_on_previous_text": False,
        "vad_filter": settings.vad,
        "word_timestamps": True,
    }
    if settings.batch_size > 1:
        from faster_whisper import BatchedInferencePipeline

        batched = BatchedInferencePipeline(model)  # a new one each time: it remembers where the last speech was
        made: tuple[Iterator[Any], Any] = batched.transcribe(piece.samples, batch_size=settings.batch_size, **options)
    else:
        made = model.transcribe(piece.samples, **options)
    return made


def _segment(found: Any, start_s: float) -> dict[str, Any]:
    return {
        "id": 0,
        "start": _time(found.start, start_s),
        "end": _time(found.end, start_s),
        "text": found.text,
        "avg_logprob": round(float(found.avg_logprob), 6),
        "no_speech_prob": round(float(found.no_speech_prob), 6),
        "compression_ratio": round(float(found.compression_ratio), 6),
        "words": [
            {
                "word": word.word,
                "start": _time(word.start, start_s),
                "end": _time(word.end, start_s),
                "probability": round(float(word.probability), 6),
            }
            for word in found.words or ()
        ],
    }


def _time(seconds: float, start_s: float) -> float:
    return round(float(seconds) + start_s, 3)
