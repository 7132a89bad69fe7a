"""The models of the downstream tasks, on the encoders of LFVila, with the heads, losses and names of the released code.

Retrieval is LFVila itself with the global contrast alone. Questions (choice, answer) use all of stage 2, from words to pooler,
and train all of it. Classification uses the video encoder.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtake.model.network.bert import initialise
from longtake.model.network.clip_pooling import frame_tokens
from longtake.model.network.compat import Compat, Preset, compat_of
from longtake.model.network.features import TextFeatures
from longtake.model.network.fusion_losses import accuracy_of
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import ModelSize, TextSize
from longtake.model.network.task_head import PRETRAINING, TaskHead
from longtake.model.network.text_encoder import TextEncoder
from longtake.model.network.video_encoder import VideoEncoder


class Targets(NamedTuple):
    """The right answers of a batch. `span` and `span_weight` are for choices only."""

    answer: Tensor  # (B,) int64
    span: Tensor  # (B, N) int64: 1 for frames in which the answer is seen
    span_weight: Tensor  # (B, N) float32


class QuestionEncoder(TextEncoder):
    """The text encoder of a model of questions: without the heads of pre-training, with those of answers."""

    def __init__(self, size: TextSize, compat: Compat, head: TaskHead) -> None:
        super().__init__(size, fusion=True, compat=compat)
        del self.cls, self.seq_relationship
        self.dropout = nn.Dropout(size.dropout)
        self.classifier = nn.Linear(size.hidden, head.classes if head.kind == "answer" else 1)
        initialise(self.classifier, size.init_std)
        if head.kind == "choice":
            self.span_classifier = nn.Linear(size.hidden, 2)
            initialise(self.span_classifier, size.init_std)


class QuestionModel(LFVila):
    """Answers questions about a video: text and video pass the fusion layers, the pooler reads the start token.

    `text_encoder.classifier` scores answers (answer) or one option (choice), `text_encoder.span_classifier` each frame.
    """

    head: TaskHead

    def __init__(self, size: ModelSize, compat: Preset | Compat, head: TaskHead) -> None:
        super().__init__(size, 2, compat)
        self.head, self.contrast = head, None
        for name in PRETRAINING:
            delattr(self, name)
        self.text_encoder: QuestionEncoder = QuestionEncoder(size.text, self.compat, head)
        self.requires_grad_(True)
        for unused in self._untrained():
            unused.requires_grad_(False)
        self.train()

    def _untrained(self) -> list[nn.Module]:
        return [self.video_encoder.norm_local, self.video_encoder.local_feat_proj]

    def train(self, mode: bool = True) -> "QuestionModel":
        """Set training mode of all parts, but for those that `freeze` names."""
        nn.Module.train(self, mode)
        self._keep_frozen()
        return self

    def encode_video(self, video: Tensor, clips: int | None = None) -> Tensor:  # type: ignore[override]
        """Encode frames (B, 3, N, height, width) to video tokens (B, N X, C) for the fusion layers."""
        if self.video_token_pos is None:
            raise RuntimeError("a model of questions has positions of video tokens")
        maps = self.video_encoder(video, self.size.clips)
        tokens: Tensor = self.video_token_pos(frame_tokens(maps.video, self.compat))
        return tokens

    def encode_text(self, ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        """Encode ids (B, M, L) to the paragraph tokens for the fusion layers; the features of retrieval are empty."""
        keep = attention_mask.bool()
        words = self.text_encoder.sentences(ids.flatten(0, 1), keep.flatten(0, 1))
        x, kept = self.paragraph_input(words.view(*ids.shape, words.shape[-1]), keep)
        x = self.text_encoder.paragraph(x, kept)
        nothing = x.new_zeros(0)
        return TextFeatures(nothing, nothing, keep.any(-1), tokens=x, keep=kept)

    def scores(self, video: Tensor, text_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Score answers.

        Args:
            video: (B, 3, N, height, width), normalised.
            text_ids: (B, M, L) token ids of the rows of an item; for choices (B, K, M, L), M rows for each of K options.
            attention_mask: of the same shape, 1 for tokens and 0 for padding.

        Returns:
            Scores (B, classes) or (B, K), and for choices scores (B, N, 2) of each frame: outside and inside the span.
        """
        batch, frames = video.shape[0], video.shape[2]
        options = text_ids.shape[1] if self.head.kind == "choice" else 1
        rows = text_ids.shape[-2:]
        tokens = self.encode_video(video).repeat_interleave(options, dim=0)
        text = self.encode_text(
            text_ids.reshape(batch * options, *rows), attention_mask.reshape(batch * options, *rows)
        )
        x = self.text_encoder.fusion(*self.fusion_input(text, tokens))
        pooled = self.text_encoder.dropout(self.text_encoder.bert.pooler(x))
        scores: Tensor = self.text_encoder.classifier(pooled)
        if self.head.kind == "answer":
            return scores, None
        of_frame = x[:, -tokens.shape[1] :].reshape(batch * options, frames, -1, x.shape[-1]).mean(2)  # (B K, N, C)
        spans = self.text_encoder.span_classifier(of_frame).view(batch, options, frames, 2).amax(1)
        return scores.view(batch, options), spans

    def forward(  # type: ignore[override]
        self,
        video: Tensor,
        text_ids: Tensor,
        attention_mask: Tensor,
        targets: Targets,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Return the losses of a batch by name: `loss`, the weighted sum, `answer`, `accuracy`; for choices `span` and
        `span_accuracy`. See `scores` for the arguments."""
        scores, spans = self.scores(video, text_ids, attention_mask)
        with torch.autocast(video.device.type, enabled=False):
            answer = F.cross_entropy(scores.float(), targets.answer, label_smoothing=self.head.label_smoothing)
            found = {"loss": answer, "answer": answer, "accuracy": accuracy_of(scores, targets.answer)}
            if spans is not None:
                span = span_loss(spans.float(), targets)
                found |= {"span": span, "span_accuracy": accuracy_of(spans.flatten(0, 1), targets.span.flatten())}
                found["loss"] = answer + self.head.span_weight * span
        return found


def span_loss(scores: Tensor, targets: Targets) -> Tensor:
    """Weighted cross-entropy of frames (B, N, 2) inside or outside the span, averaged over all frames (facts 4, How2QA)."""
    each = F.cross_entropy(scores.flatten(0, 1), targets.span.flatten(), reduction="none")
    return (each * targets.span_weight.flatten()).mean()


class VideoClassifier(LFVila):
    """Labels videos: `classifier` reads the video's global feature, of unit length. It has no text encoder.

    `video_frame_proj` is in the released weights and no loss reaches it.
    """

    head: TaskHead

    def __init__(self, size: ModelSize, compat: Preset | Compat, head: TaskHead) -> None:
        nn.Module.__init__(self)
        self.size, self.compat, self.head = size, compat_of(compat), head
        self.stage, self.video_token_pos, self.contrast, self.masked_pixels, self._frozen = 1, None, None, None, ()
        width = size.text.hidden
        self.video_encoder = VideoEncoder(size.video, self.compat)
        self.video_global_proj = nn.Linear(width, width)
        self.video_frame_proj = nn.Linear(width, width)
        self.classifier = nn.Linear(width, head.classes)
        for unused in (self.video_encoder.norm_local, self.video_encoder.local_feat_proj, self.video_frame_proj):
            unused.requires_grad_(False)
        self.train()

    def set_checkpointing(self, enabled: bool) -> None:
        """Recompute activations in the backward pass, block by block."""
        self.video_encoder.checkpointing = enabled

    def encode_video(self, video: Tensor, clips: int | None = None) -> Tensor:  # type: ignore[override]
        """Encode frames (B, 3, N, height, width) to the video's feature (B, C), of unit length."""
        tokens = frame_tokens(self.video_encoder(video, self.size.clips).video, self.compat)
        return F.normalize(self.video_global_proj(tokens.mean((1, 2, 3))), dim=-1)

    def forward(  # type: ignore[override]
        self,
        video: Tensor,
        text_ids: Tensor | None,
        attention_mask: Tensor | None,
        targets: Targets,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Return `loss`, `answer` and `accuracy` of a batch; the texts are not read."""
        scores = self.classifier(self.encode_video(video))
        with torch.autocast(video.device.type, enabled=False):
            answer = F.cross_entropy(scores.float(), targets.answer)
        return {"loss": answer, "answer": answer, "accuracy": accuracy_of(scores, targets.answer)}


def make_model(size: ModelSize, stage: Literal[1, 2], compat: Preset | Compat, head: TaskHead | None) -> LFVila:
    """Make the model of a task; without one, LFVila itself."""
    if head is None or head.kind == "retrieval":
        model = LFVila(size, stage, compat)
        model.head = head
        return model
    return (VideoClassifier if head.kind == "classify" else QuestionModel)(size, compat, head)
