"""Embeddings in the plan graph: between reading and PlanVideo, whole videos pass through Beam's RunInference.

A batch is as many videos as hold some thousands of sentences. Nothing is shuffled: a video keeps its sentences, and gets their
embeddings beside them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.dataflow import embed_hints
from longtake.pipeline.embeddings.model import EmbeddingModel, model_folder, shared_model
from longtake.pipeline.embeddings.saved import look_up, part_of, saved_parts, write_embeddings
from longtake.pipeline.model_files import model_digest
from longtake.pipeline.read_graph import VideoText
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig

_SENTENCES = 4096  # in a batch: enough that most lengths in tokens fill batches of the model's own
_KNOWN = "known"


class EmbedTexts(beam.PTransform):
    """VideoText in and out, then with `embeddings`, or with why there are none in `not_embedded`.

    `known` are the files of saved embeddings that fit; with `save`, those of all videos are written to `folder`.
    """

    def __init__(self, config: CorpusConfig, model: str, folder: str, known: frozenset[str], save: bool) -> None:
        super().__init__()
        self._config, self._model, self._folder, self._known, self._save = config, model, folder, known, save

    def expand(self, texts: Any) -> Any:
        handler, hints = SentenceEmbedder(self._config), embed_hints(texts.pipeline.options)
        if not self._known:
            embedded = texts | "Embed" >> RunInference(handler).with_resource_hints(**hints)
        else:
            looked_up = texts | "Look up" >> beam.FlatMap(_look_up, self._folder, self._known).with_outputs(
                _KNOWN, main="unknown"
            )
            fresh = looked_up.unknown | "Embed" >> RunInference(handler).with_resource_hints(**hints)
            embedded = (looked_up[_KNOWN], fresh) | "Known and fresh" >> beam.Flatten()
        if self._save:
            _ = (
                embedded
                | "Embeddings by part" >> beam.Map(_with_part)
                | "Part of embeddings" >> beam.GroupByKey()
                | "Save embeddings" >> beam.Map(write_embeddings, self._folder, self._model)
            )
        return embedded


def prepare_embedding(config: CorpusConfig, folder: str, save: bool) -> EmbedTexts:
    """The step for the plan graph. `folder` is where saved embeddings are. Raises ConfigError where the model cannot be loaded.

    Where embeddings of the very same files are saved, the model has been loaded before, and is not until a text needs it.
    """
    files = model_folder(config)
    model = model_digest(files)
    known = saved_parts(folder, model)
    if not known:
        shared_model(files, config.coherence.device)
    if save:
        for path in set(storage.list_files(folder, ".parquet")) - known:
            storage.delete(path)
    return EmbedTexts(config, model, folder, known, save)


class SentenceEmbedder(ModelHandler[VideoText, VideoText, "ModelOnDemand"]):
    """Embeds the sentences of videos that have no embedding yet."""

    def __init__(self, config: CorpusConfig) -> None:
        super().__init__(min_batch_size=_SENTENCES, max_batch_size=_SENTENCES, element_size_fn=_size)
        self._config = config

    def load_model(self) -> "ModelOnDemand":
        return ModelOnDemand(self._config)

    def run_inference(
        self, batch: Sequence[VideoText], model: "ModelOnDemand", inference_args: dict[str, Any] | None = None
    ) -> list[VideoText]:
        if not batch:
            return []  # what Beam hands over before a video of more sentences than a batch holds
        return embed(batch, model.get(), self._config.coherence.batch_size)

    def get_num_bytes(self, batch: Sequence[VideoText]) -> int:
        return sum(len(s.text) for video in batch for s, _ in video.sentences)  # Beam's own pickles the batch

    def get_metrics_namespace(self) -> str:
        return "Embed"


class ModelOnDemand:
    """The model of a configuration, loaded for the first text that needs it: where all embeddings are saved, none does."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config

    def get(self) -> EmbeddingModel:
        """The model that this process shares. Raises ConfigError."""
        return shared_model(model_folder(self._config), self._config.coherence.device)


def embed(videos: Sequence[VideoText], model: Any, batch_size: int) -> list[VideoText]:
    """The videos with embeddings for all their sentences. What the model fails on costs only its own video its embeddings."""
    try:
        return _embed_all(videos, model, batch_size)
    except Exception as error:
        if len(videos) > 1:
            return [found for video in videos for found in embed([video], model, batch_size)]
        lines = f"{type(error).__name__}: {error}".splitlines()
        return [replace(video, embeddings=None, not_embedded=lines[0]) for video in videos]


def _embed_all(videos: Sequence[VideoText], model: Any, batch_size: int) -> list[VideoText]:
    missing = [_missing(video) for video in videos]
    texts = sorted({video.sentences[i][0].text for video, at in zip(videos, missing, strict=True) for i in at})
    vectors = dict(zip(texts, model.encode(texts, batch_size), strict=True)) if texts else {}
    done = []
    for video, at in zip(videos, missing, strict=True):
        if at:
            new = np.stack([vectors[video.sentences[i][0].text] for i in at])
            if not np.isfinite(new).all():
                raise ValueError("the model's embedding is not finite")
            if video.embeddings is not None:
                known = video.embeddings.copy()
                known[at] = new
                new = known
            video = replace(video, embeddings=new)
        done.append(video)
    return done


def embed_video(video: VideoText, config: CorpusConfig, folder: str) -> VideoText:
    """One video embedded as the step above would: saved embeddings from `folder` first. Raises ConfigError."""
    found = look_up(video, folder, saved_parts(folder, model_digest(model_folder(config))))
    return embed([found], ModelOnDemand(config).get(), config.coherence.batch_size)[0] if _missing(found) else found


def _missing(video: VideoText) -> list[int]:
    if video.embeddings is None:
        return list(range(len(video.sentences)))
    return [int(i) for i in np.flatnonzero(np.isnan(video.embeddings[:, 0]))]


def _look_up(video: VideoText, folder: str, known: frozenset[str]) -> Iterator[Any]:
    found = look_up(video, folder, known)
    is_whole = not _missing(found)
    yield TaggedOutput(_KNOWN, found) if is_whole else found


def _size(video: VideoText) -> int:
    return len(video.sentences)


def _with_part(video: VideoText) -> tuple[int, VideoText]:
    return part_of(video.video.video_id), video
