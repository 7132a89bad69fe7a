"""What the data is: records, tables, configuration, layout, storage."""

from typing import TYPE_CHECKING

from longtake.schemas.exports import lazily

if TYPE_CHECKING:
    from longtake.schemas.config import (
        CorpusConfig as CorpusConfig,
        Frames as Frames,
        Limits as Limits,
        load_config as load_config,
        parse_config as parse_config,
    )
    from longtake.schemas.errors import ConfigError as ConfigError, CorpusError as CorpusError
    from longtake.schemas.layout import Layout as Layout
    from longtake.schemas.manifest import CorpusManifest as CorpusManifest, read_manifest as read_manifest
    from longtake.schemas.reasons import Reason as Reason, Stage as Stage, Subject as Subject
    from longtake.schemas.records import (
        Drop as Drop,
        IndexEntry as IndexEntry,
        LongClip as LongClip,
        Sentence as Sentence,
        SourceVideo as SourceVideo,
    )
    from longtake.schemas.train_config import (
        TrainConfig as TrainConfig,
        load_train_config as load_train_config,
        parse_train_config as parse_train_config,
    )
    from longtake.schemas.words import words_of as words_of

EXPORTS = {
    "config": (
        "CorpusConfig",
        "Frames",
        "Limits",
        "load_config",
        "parse_config",
    ),
    "errors": (
        "ConfigError",
        "CorpusError",
    ),
    "layout": ("Layout",),
    "manifest": (
        "CorpusManifest",
        "read_manifest",
    ),
    "reasons": (
        "Reason",
        "Stage",
        "Subject",
    ),
    "records": (
        "Drop",
        "IndexEntry",
        "LongClip",
        "Sentence",
        "SourceVideo",
    ),
    "train_config": (
        "TrainConfig",
        "load_train_config",
        "parse_train_config",
    ),
    "words": ("words_of",),
}
__getattr__, __dir__ = lazily(__name__, EXPORTS)
