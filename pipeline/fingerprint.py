"""What decides a corpus, in one digest."""

import hashlib
import json

from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import FORMAT
from longtake.schemas.versions import versions


def fingerprint(config: CorpusConfig) -> str:
    """The digest of the format, the configuration without its paths, and the versions of the code that makes the bytes."""
    decides = {"format": FORMAT, "config": config.published(), "versions": versions()}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
