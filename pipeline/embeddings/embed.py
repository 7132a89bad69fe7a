"""Embeddings of the sentences of videos, without Beam."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from longtake.pipeline.embeddings.saved import look_up, saved_parts
from longtake.pipeline.embeddings.sentence_model import SENTENCE_MODEL
from longtake.pipeline.read.rows import VideoText
from longtake.schemas.config import CorpusConfig


def embed(videos: Sequence[VideoText], model: Any, batch_size: int) -> list[VideoText]:
    """Return the videos with embeddings for all their sentences. If the model fails on a video, only that video has none."""
    try:
        return _embed_all([_checked(video, model) for video in videos], model, batch_size)
    except Exception as error:
        if len(videos) > 1:
            return [found for video in videos for found in embed([video], model, batch_size)]
        lines = f"{type(error).__name__}: {error}".splitlines()
        return [replace(video, embeddings=None, not_embedded=lines[0]) for video in videos]


def _checked(video: VideoText, model: Any) -> VideoText:
    """Set no embeddings, but the reason, on a video in a language that the model cannot read: they would all be alike."""
    texts = [video.sentences[i][0].text for i in missing(video)]
    why = model.cannot_read(texts) if texts else ""
    return replace(video, embeddings=None, not_embedded=why) if why else video


def _embed_all(videos: Sequence[VideoText], model: Any, batch_size: int) -> list[VideoText]:
    wanted = [[] if video.not_embedded else missing(video) for video in videos]
    texts = sorted({video.sentences[i][0].text for video, at in zip(videos, wanted, strict=True) for i in at})
    vectors = dict(zip(texts, model.encode(texts, batch_size), strict=True)) if texts else {}
    done = []
    for video, at in zip(videos, wanted, strict=True):
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
    """Embed one video like the step of the plan: saved embeddings from `folder` first. Raises ConfigError."""
    found = look_up(video, folder, saved_parts(folder, SENTENCE_MODEL.digest(config)))
    return embed([found], SENTENCE_MODEL.get(config), config.coherence.batch_size)[0] if missing(found) else found


def missing(video: VideoText) -> list[int]:
    """The numbers of the sentences without an embedding."""
    if video.embeddings is None:
        return list(range(len(video.sentences)))
    return [int(i) for i in np.flatnonzero(np.isnan(video.embeddings[:, 0]))]
