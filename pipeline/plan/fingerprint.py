"""One digest of everything that decides a corpus."""

import hashlib
import json

from longtake.pipeline.filters.clip_filter import library_versions
from longtake.pipeline.plan.models import MODELS
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import FORMAT
from longtake.schemas.versions import versions


def fingerprint(config: CorpusConfig) -> str:
    """The digest of the format, the configuration without its paths, and the versions of the code that makes the bytes."""
    models = {name: number for model in MODELS.values() for name, number in model.versions(config).items()}
    decides = {
        "format": FORMAT,
        "config": config.published(),
        "versions": versions() | library_versions(config) | models,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
