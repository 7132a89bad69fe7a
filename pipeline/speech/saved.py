"""Recognised speech, stored once for each content of a source video: staging/speech/, below a folder for each way to recognise.

    staging/speech/<way>/recogniser.json           the model, the settings and the versions of the way
    staging/speech/<way>/<ab>/<sha256>.json        the transcript of a content: Whisper's JSON, with words
    staging/speech/<way>/sources/<ab>/<name>.json  for a source with its size and tag: its content, or why there is no transcript

Later plans read the transcripts. A failure is only for the reader that comes after: the next plan tries again.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from longtake.pipeline.decode import SourceError
from longtake.pipeline.run.model_files import versions_of
from longtake.pipeline.run.sources import Version
from longtake.pipeline.speech.model import LIBRARIES, SpeechSettings, speech_settings
from longtake.pipeline.speech.recognise import Recognised
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason

_NUMBERS = ("start", "end", "avg_logprob", "no_speech_prob", "compression_ratio")
_FORMAT = 1  # of the way: raise it where recognise.py changes


@dataclass(frozen=True, slots=True)
class SavedSpeech:
    """The transcripts of one way to recognise speech, in `folder`."""

    folder: str

    def find(self, uri: str, version: Version) -> Recognised | SourceError | None:
        """The transcript of a source, or the error that kept it from being recognised; None if nobody has tried."""
        told = _read(self._source(uri, version))
        if told is None:
            return None
        if "content" in told:
            return self.of(str(told["content"]))
        try:
            return SourceError(Reason(told["reason"]), str(told["detail"]))
        except (KeyError, ValueError):
            return None

    def of(self, content: str) -> Recognised | None:
        """The transcript of a content, by its SHA-256; None if there is none, or a damaged one."""
        found = _read(self._transcript(content))
        return found if found is not None and _is_whole(found) else None

    def save(self, content: str, recognised: Recognised) -> None:
        """Store the transcript of a content."""
        _write(self._transcript(content), recognised)

    def _transcript(self, content: str) -> str:
        return storage.join(self.folder, content[:2], f"{content}.json")

    def remember(self, uri: str, version: Version, content: str) -> None:
        """Store which content a source has."""
        _write(self._source(uri, version), {"content": content})

    def failed(self, uri: str, version: Version, error: SourceError) -> None:
        """Store why a source has no transcript."""
        _write(self._source(uri, version), {"reason": error.reason.value, "detail": error.detail})

    def _source(self, uri: str, version: Version) -> str:
        name = hashlib.sha256(json.dumps([uri, *version]).encode("utf-8", "surrogatepass")).hexdigest()
        return storage.join(self.folder, "sources", name[:2], f"{name}.json")


def saved_speech(config: CorpusConfig) -> SavedSpeech:
    """The transcripts that a configuration may use. Raises ConfigError for a missing model."""
    return SavedSpeech(storage.join(Layout(config.root).staging, "speech", _way(speech_settings(config))))


@lru_cache
def _way(settings: SpeechSettings) -> str:
    return hashlib.sha256(json.dumps(_described(settings), sort_keys=True).encode()).hexdigest()[:16]


def describe(saved: SavedSpeech, settings: SpeechSettings) -> None:
    """Say in the folder how its transcripts were recognised."""
    _write(storage.join(saved.folder, "recogniser.json"), _described(settings))


def is_described(saved: SavedSpeech) -> bool:
    """Whether the model of these transcripts was loaded before."""
    return storage.exists(storage.join(saved.folder, "recogniser.json"))


def _described(settings: SpeechSettings) -> dict[str, Any]:
    known = {name: value for name, value in asdict(settings).items() if name != "folder"}
    return known | {"device": settings.device_class, "format": _FORMAT, "versions": versions_of(LIBRARIES)}


def _is_whole(found: Recognised) -> bool:
    """Whether a transcript has what its readers need."""
    segments = found.get("segments")
    return (
        isinstance(segments, list)
        and {"duration", "language", "language_probability"} <= found.keys()
        and all(
            isinstance(one, dict) and all(type(one.get(name)) in (int, float) for name in _NUMBERS) for one in segments
        )
    )


def content_of(path: str) -> str:
    """The SHA-256 of a local file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: str) -> dict[str, Any] | None:
    try:
        found = json.loads(storage.read_bytes(path))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: str, value: dict[str, Any]) -> None:
    storage.write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass"))
