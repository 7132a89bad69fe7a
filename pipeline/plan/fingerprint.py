"""What decides a corpus, in one digest."""

import hashlib
import json

from longtake.pipeline.embeddings.clip_model import clip_versions
from longtake.pipeline.embeddings.sentence_model import model_versions
from longtake.pipeline.filters.clip_filter import library_versions
from longtake.pipeline.plan.captions.model import caption_versions
from longtake.pipeline.text.sentences.punctuation_model import punctuation_versions
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import FORMAT
from longtake.schemas.versions import versions


def fingerprint(config: CorpusConfig) -> str:
    """The digest of the format, the configuration without its paths, and the versions of the code that makes the bytes."""
    models = punctuation_versions(config) | model_versions(config) | clip_versions(config) | caption_versions(config)
    decides = {
        "format": FORMAT,
        "config": config.published(),
        "versions": versions() | library_versions(config) | models,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
