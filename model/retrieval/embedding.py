"""Embeddings of single videos and texts: `Embedder.load(run)`, then `.frames(array)` and `.text(sentences)`.

A video is encoded as in the retrieval tasks of the released code: as many frames as the model takes, evenly over its length,
with the transform of evaluation. A paragraph has at most one sentence per clip (data/paragraphs).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from longtake.model.data.paragraphs import merge_sentences
from longtake.model.data.samples import decode
from longtake.model.data.text import SentenceTokenizer
from longtake.model.data.transforms import evaluation_frames, normalise
from longtake.model.network.lfvila import LFVila
from longtake.model.retrieval.evaluation import evaluating
from longtake.model.weights.checkpoint import CheckpointError, ModelCard, load_model

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class VideoEmbeddings(NamedTuple):
    """Videos, on the CPU, float32, unit length."""

    video: Tensor  # (B, C)
    clips: Tensor  # (B, M, C): local vectors, comparable with sentence vectors


class TextEmbeddings(NamedTuple):
    """Paragraphs, on the CPU, float32, unit length."""

    paragraph: Tensor  # (B, C)
    sentences: Tensor  # (B, M, C): 0 where a paragraph has fewer than M sentences
    counts: tuple[int, ...]  # real sentences of each paragraph, after merging


class Embedder:
    """A model and its input pipeline. The dot product of a video vector and a paragraph vector is their cosine."""

    def __init__(
        self,
        model: LFVila,
        card: ModelCard,
        device: torch.device | str = "cpu",
        autocast_dtype: torch.dtype | None = None,
    ) -> None:
        self.model, self.card, self.size = model.to(device), card, model.size
        self.device, self.autocast_dtype = torch.device(device), autocast_dtype
        self.tokenizer = SentenceTokenizer(card.tokenizer, card.tokens)

    @classmethod
    def load(
        cls, run: str, device: torch.device | str | None = None, autocast_dtype: torch.dtype | None = None
    ) -> "Embedder":
        """Load the model of a run, a checkpoint or a model.safetensors; on the GPU if there is one. Raises CheckpointError, also
        for a model of questions or labels."""
        model, card = load_model(run)
        if card.task is not None and card.task.kind != "retrieval":
            error = CheckpointError(
                f"{run}: trained for {card.task.kind}: it has no vectors. Name a run of pre-training or retrieval."
            )
            error.exit_code = 2
            raise error
        return cls(model, card, device or ("cuda" if torch.cuda.is_available() else "cpu"), autocast_dtype)

    @property
    def frame_count(self) -> int:
        """Number of frames that the model takes of a video."""
        return self.size.clips * self.size.frames_per_clip

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return self.size.text.hidden

    def text(self, sentences: str | Sequence[str]) -> Tensor:
        """Return the vector (C,) of one paragraph. Takes its sentences, or a text and splits it into sentences."""
        return self.texts([split_sentences(sentences) if isinstance(sentences, str) else sentences]).paragraph[0]

    def frames(self, frames: NDArray[np.uint8]) -> Tensor:
        """Return the vector (C,) of one video. Takes RGB frames (N, height, width, 3), in order, evenly over its length.

        If N is not `frame_count`, it chooses the frames at floor(linspace(0, N - 1, frame_count)).
        """
        return self.videos([self.prepare(frames)]).video[0]

    def prepare(self, frames: NDArray[np.uint8]) -> Tensor:
        """Choose frames and cut them to size: (N, h, w, 3) to (frame_count, height, width, 3), uint8. Raises ValueError."""
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
            raise ValueError(f"frames must be uint8 (N, height, width, 3), not {frames.dtype} {frames.shape}")
        if len(frames) != self.frame_count:
            frames = frames[evenly(len(frames), self.frame_count)]
        return evaluation_frames(torch.from_numpy(np.ascontiguousarray(frames)), self.size.height, self.size.width)

    def prepare_jpegs(self, jpegs: Sequence[bytes]) -> Tensor:
        """Decode JPEG frames and `prepare` them. Raises data.shards.DamagedSample if one cannot be decoded."""
        return self.prepare(decode(jpegs).numpy())

    def videos(self, prepared: Sequence[Tensor], clips: int | None = None) -> VideoEmbeddings:
        """Encode videos from `prepare` as one batch, with `clips` clips each (default: the model's number)."""
        with evaluating(self.model), torch.inference_mode(), self._autocast():
            frames = torch.stack(list(prepared)).to(self.device, non_blocking=True)
            found = self.model.encode_video(normalise(frames), clips)
        return VideoEmbeddings(found.video.float().cpu(), found.clips.float().cpu())

    def texts(self, paragraphs: Sequence[Sequence[str]], sentences: int | None = None) -> TextEmbeddings:
        """Encode paragraphs as one batch, each merged to at most `sentences` sentences (default: the model's clips).

        Each sentence is cut off after card.tokens tokens. Raises ValueError for a paragraph without a sentence.
        """
        rows = sentences or self.size.clips
        merged = [merge_sentences(paragraph, rows) for paragraph in paragraphs]
        if not all(merged):
            raise ValueError("a paragraph without a sentence")
        ids, mask = self.tokenizer(merged)
        # Always the same number of rows: with compat="official" padding rows change the result, as in the released code.
        missing = (0, 0, 0, rows - ids.shape[1])
        ids, mask = F.pad(ids, missing, value=self.size.text.padding_id), F.pad(mask, missing)
        with evaluating(self.model), torch.inference_mode(), self._autocast():
            found = self.model.encode_text(ids.to(self.device), mask.to(self.device))
        return TextEmbeddings(found.paragraph.float().cpu(), found.sentences.float().cpu(), tuple(map(len, merged)))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.autocast_dtype, enabled=self.autocast_dtype is not None)


def evenly(total: int, wanted: int) -> NDArray[np.int64]:
    """floor(linspace(0, total - 1, wanted)): the frames that the released code takes in its retrieval tasks (facts 2)."""
    return np.linspace(0, total - 1, wanted).astype(np.int64)


def split_sentences(text: str) -> list[str]:
    """Split a text after each . ! or ? before white space. Blank text gives no sentence."""
    return [part for part in _SENTENCE_END.split(text.strip()) if part]
