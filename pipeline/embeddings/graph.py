"""Embeddings in the plan graph: between reading and PlanVideo, whole videos pass through Beam's RunInference.

A batch is a number of videos with some thousands of sentences. Nothing is shuffled: a video keeps its sentences and gets their
embeddings too.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.embeddings.embed import embed, missing
from longtake.pipeline.embeddings.saved import look_up, part_of, saved_parts, write_embeddings
from longtake.pipeline.embeddings.sentence_model import SENTENCE_MODEL, EmbeddingModel
from longtake.pipeline.read.rows import VideoText
from longtake.pipeline.run.dataflow import embed_hints
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig

_SENTENCES = 4096  # in a batch: enough that most lengths in tokens fill the model's batches
_KNOWN = "known"


class EmbedTexts(beam.PTransform):
    """Adds `embeddings` to VideoText, or the reason why there are none in `not_embedded`.

    `known` are the files of saved embeddings of the same model. With `save`, the embeddings of all videos are written to
    `folder`.
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
    """Return the step for the plan graph. `folder` has saved embeddings. Raises ConfigError if the model cannot be loaded.

    If embeddings of the very same model files are saved, the model has been loaded before. Then it is loaded only if a text
    needs it.
    """
    model = SENTENCE_MODEL.digest(config)
    known = saved_parts(folder, model)
    if not known:
        SENTENCE_MODEL.get(config)
    if save:
        for path in set(storage.list_files(folder, ".parquet")) - known:
            storage.delete(path)
    return EmbedTexts(config, model, folder, known, save)


class SentenceEmbedder(ModelHandler[VideoText, VideoText, Callable[[], EmbeddingModel]]):
    """Embeds the sentences of videos that have no embedding yet."""

    def __init__(self, config: CorpusConfig) -> None:
        super().__init__(min_batch_size=_SENTENCES, max_batch_size=_SENTENCES, element_size_fn=_size)
        self._config = config

    def load_model(self) -> Callable[[], EmbeddingModel]:
        return partial(SENTENCE_MODEL.get, self._config)  # loaded for the first text that has no saved embedding

    def run_inference(
        self,
        batch: Sequence[VideoText],
        model: Callable[[], EmbeddingModel],
        inference_args: dict[str, Any] | None = None,
    ) -> list[VideoText]:
        if not batch:
            return []  # Beam sends an empty batch before a video with more sentences than a batch holds
        found = embed(batch, model(), self._config.coherence.batch_size)
        PROGRESS.advance("embedding", sum(len(video.sentences) for video in batch), "sentence")
        return found

    def get_num_bytes(self, batch: Sequence[VideoText]) -> int:
        return sum(len(s.text) for video in batch for s, _ in video.sentences)  # Beam's default pickles the batch

    def get_metrics_namespace(self) -> str:
        return "Embed"


def _look_up(video: VideoText, folder: str, known: frozenset[str]) -> Iterator[Any]:
    found = look_up(video, folder, known)
    is_whole = not missing(found)
    yield TaggedOutput(_KNOWN, found) if is_whole else found


def _size(video: VideoText) -> int:
    return len(video.sentences)


def _with_part(video: VideoText) -> tuple[int, VideoText]:
    return part_of(video.video.video_id), video
