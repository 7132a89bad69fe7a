"""Recognise the speech of one source video in a process slot, and store it."""

import os
import time

from longtake.pipeline.decode import SourceError
from longtake.pipeline.decode.sound import audio_end_ms
from longtake.pipeline.run.memory import was_close
from longtake.pipeline.run.slots import Slots, shared_slots
from longtake.pipeline.run.sources import (
    blaming_the_source,
    check_version,
    in_slot,
    local_source,
    within_memory,
)
from longtake.pipeline.speech.model import SpeechSettings
from longtake.pipeline.speech.recognise import Recognised, recognise
from longtake.pipeline.speech.saved import SavedSpeech, content_of
from longtake.pipeline.speech.sound import sound_ms, sound_pieces
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, Limits
from longtake.schemas.reasons import Reason

_TEN_MINUTES_MS = 600_000
_UNLIMITED = 1 << 42  # CUDA maps more memory than it uses: the limit of a decoder would refuse it


def speech_slots(config: CorpusConfig, workers: int) -> Slots:
    """The slots that recognise speech: those of the decoders on a CPU, with one thread each; a single one on a GPU, which hears
    several pieces at a time."""
    if config.source.text.device_class == "cuda":
        return shared_slots(1, _UNLIMITED)
    return shared_slots(workers, config.limits.memory_bytes)


def hear(slots: Slots, saved: SavedSpeech, settings: SpeechSettings, uri: str, length_ms: int, limits: Limits) -> bool:
    """Recognise the speech of a source, or note why it cannot be; return whether it was recognised now.

    The same content is recognised once, whatever it is called. For a source without size and tag nothing is stored: its reader
    meets the same error. Raises OSError if the output cannot be written.
    """
    try:
        with blaming_the_source():
            version = storage.size_and_tag(uri)
    except SourceError:
        return False
    try:
        with local_source(uri, limits, version) as path:
            if not length_ms:  # no header says it
                length_ms = in_slot(slots, limits.decode_seconds, audio_end_ms, path, limits)
            ten_minutes = max(1.0, min(length_ms, limits.duration_ms) / _TEN_MINUTES_MS)
            seconds = limits.speech_seconds * ten_minutes
            content, fresh = in_slot(slots, seconds, hear_source, path, saved, settings, limits)
            with blaming_the_source():
                check_version(uri, version)
    except SourceError as error:
        saved.failed(uri, version, error)
        return False
    saved.remember(uri, version, content)
    return fresh


def hear_source(path: str, saved: SavedSpeech, settings: SpeechSettings, limits: Limits) -> tuple[str, bool]:
    """Store the transcript of a local file; return the SHA-256 of the file and whether it was recognised now."""
    with blaming_the_source():
        content = content_of(path)
    if saved.of(content) is not None:
        return content, False
    with within_memory(), blaming_the_source():
        recognised = _recognised(path, settings, limits)
    saved.save(content, recognised)
    return content, True


def _recognised(path: str, settings: SpeechSettings, limits: Limits) -> Recognised:
    if sound_ms(path) is None:
        return {"text": "", "language": None, "language_probability": None, "duration": None, "segments": []}
    try:
        return recognise(sound_pieces(path, limits), settings)
    except (SourceError, MemoryError):
        raise
    except Exception as error:
        if was_close():
            raise MemoryError(str(error)) from None
        raise SourceError(Reason.ASR_FAILED, f"{type(error).__name__}: {error}"[:300]) from None


def speech_length(slots: Slots, uri: str, limits: Limits) -> int:
    """The length of the sound of a source in ms by its header; 0 if it has none or cannot be read. Of a remote source only the
    header is fetched."""
    try:
        return in_slot(slots, limits.decode_seconds, _length, uri) or 0
    except SourceError:
        return 0


def _length(uri: str) -> int | None:
    with within_memory(), blaming_the_source():
        if storage.is_remote(uri):
            with storage.open_ranges(uri) as stream:
                return sound_ms(stream)
        path = storage.local_path(uri)
        return sound_ms(path) if os.path.isfile(path) else None


def try_out(path: str, settings: SpeechSettings, limits: Limits, seconds: float) -> tuple[float, float]:
    """Recognise the first seconds of a local file; return the length of that sound and the time it took, both in seconds: CPU
    time, on a GPU by the clock. Nothing is stored."""
    clock = time.process_time if settings.device_class == "cpu" else time.perf_counter
    with within_memory(), blaming_the_source():
        recognise([], settings)  # loads the model
        first = next(sound_pieces(path, limits, seconds), None)
        if first is None:
            return 0.0, 0.0
        start = clock()
        found = recognise([first], settings)
        return float(found["duration"]), clock() - start
