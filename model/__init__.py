"""LF-VILA: the network, its data, weights, retrieval and training."""

from typing import TYPE_CHECKING

from longtake.schemas.exports import lazily

if TYPE_CHECKING:
    from longtake.model.data.loader import (
        LoaderError as LoaderError,
        LoaderSettings as LoaderSettings,
        ShardLoader as ShardLoader,
    )
    from longtake.model.data.samples import Batch as Batch
    from longtake.model.data.text import SentenceTokenizer as SentenceTokenizer
    from longtake.model.network.compat import Compat as Compat
    from longtake.model.network.features import TextFeatures as TextFeatures, VideoFeatures as VideoFeatures
    from longtake.model.network.lfvila import LFVila as LFVila
    from longtake.model.network.sizes import BASE as BASE, COMPACT as COMPACT, TINY as TINY, ModelSize as ModelSize
    from longtake.model.retrieval.embedding import Embedder as Embedder
    from longtake.model.retrieval.evaluation import evaluate_corpus as evaluate_corpus
    from longtake.model.retrieval.metrics import rank as rank, retrieval_metrics as retrieval_metrics
    from longtake.model.weights.checkpoint import (
        CheckpointError as CheckpointError,
        ModelCard as ModelCard,
        load_model as load_model,
        save_model as save_model,
    )
    from longtake.model.weights.official import load_official as load_official, save_official as save_official
    from longtake.model.weights.pretrained import load_bert as load_bert, load_swin as load_swin

EXPORTS = {
    "data.loader": (
        "LoaderError",
        "LoaderSettings",
        "ShardLoader",
    ),
    "data.samples": ("Batch",),
    "data.text": ("SentenceTokenizer",),
    "network.compat": ("Compat",),
    "network.features": (
        "TextFeatures",
        "VideoFeatures",
    ),
    "network.lfvila": ("LFVila",),
    "network.sizes": (
        "BASE",
        "COMPACT",
        "ModelSize",
        "TINY",
    ),
    "retrieval.embedding": ("Embedder",),
    "retrieval.evaluation": ("evaluate_corpus",),
    "retrieval.metrics": (
        "rank",
        "retrieval_metrics",
    ),
    "weights.checkpoint": (
        "CheckpointError",
        "ModelCard",
        "load_model",
        "save_model",
    ),
    "weights.official": (
        "load_official",
        "save_official",
    ),
    "weights.pretrained": (
        "load_bert",
        "load_swin",
    ),
}
__getattr__, __dir__ = lazily(__name__, EXPORTS)
