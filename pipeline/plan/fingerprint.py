"""One digest of everything that decides a corpus."""

import hashlib
import json

from longtake.pipeline.decode import versions as decoder_versions
from longtake.pipeline.filters.clip_filter import library_versions
from longtake.pipeline.plan.models import MODELS
from longtake.pipeline.speech.model import speech_versions
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import FORMAT
from longtake.schemas.versions import versions


def made_with(config: CorpusConfig) -> dict[str, str]:
    """The versions for corpus.json: of all that decides the bytes of a corpus, its decoder and speech recognition included."""
    return versions() | decoder_versions(config.frames.decoder) | speech_versions(config)


def fingerprint(config: CorpusConfig) -> str:
    """The digest of the format, the configuration without its paths, and the versions of the code that makes the bytes."""
    models = {name: number for model in MODELS.values() for name, number in model.versions(config).items()}
    decides = {
        "format": FORMAT,
        "config": config.published(),
        "versions": versions() | library_versions(config) | models,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
