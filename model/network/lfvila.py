"""LF-VILA (arXiv 2210.06031): a dual encoder of long videos and paragraphs, and fusion layers on top of it.

Stage 1 trains the dual encoder with the global contrastive loss and MTC. Stage 2 freezes it and trains the fusion layers with
masked words and video-text matching. Parameters have the names of the released weights (docs/lfvila.md).
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtake.model.network.clip_pooling import VideoTokenPosition, clip_vectors, frame_tokens
from longtake.model.network.compat import Compat, Preset, compat_of
from longtake.model.network.contrast import SigmoidContrast, SoftmaxContrast, info_nce
from longtake.model.network.features import FeatureGradients, TextFeatures, VideoFeatures
from longtake.model.network.fusion_losses import IGNORED, accuracy_of, hard_pairing, pairing, word_loss
from longtake.model.network.gather import gather
from longtake.model.network.kernels import LayerNorm
from longtake.model.network.masked_pixels import MaskedPixels
from longtake.model.network.sizes import ModelSize
from longtake.model.network.task_head import TaskHead
from longtake.model.network.temporal_contrast import Draw, draw, mtc_loss
from longtake.model.network.text_encoder import SentenceEmbedding, TextEncoder, start_token
from longtake.model.network.video_blocks import VideoBlock
from longtake.model.network.video_encoder import VideoEncoder

# Stage 2 freezes these parts, and the sentence and paragraph layers of the text encoder.
STAGE_ONE = (
    "video_encoder",
    "video_local_proj",
    "text_local_proj",
    "video_global_proj",
    "text_global_proj",
    "sent_embedding",
)


class LFVila(nn.Module):
    """Both encoders, the projections, and the parts that stage 2 adds."""

    _frozen: tuple[nn.Module, ...] = ()  # by `freeze`
    card: Any = None  # the ModelCard that it was loaded with

    head: TaskHead | None = None  # what it is trained for; None: pre-training

    def __init__(self, size: ModelSize, stage: Literal[1, 2] = 1, compat: Preset | Compat = "corrected") -> None:
        super().__init__()
        if stage not in (1, 2):
            raise ValueError(f"stage is {stage}; it must be 1 or 2")
        self.size, self.stage, self.compat = size, stage, compat_of(compat)
        width = size.text.hidden
        self.video_encoder = VideoEncoder(size.video, self.compat)
        self.text_encoder = TextEncoder(size.text, fusion=stage == 2, compat=self.compat)
        self.video_local_proj = nn.Linear(width, width)
        self.text_local_proj = nn.Linear(width, width)
        self.video_global_proj = nn.Linear(width, width)
        self.text_global_proj = nn.Linear(width, width)
        self.sent_embedding = SentenceEmbedding(size.text, self.compat)
        self.contrast: SigmoidContrast | SoftmaxContrast | None = None
        if size.losses.contrast == "sigmoid":
            self.contrast = SigmoidContrast()
        elif size.losses.learn_temperature:
            self.contrast = SoftmaxContrast(size.losses.temperature)
        self.video_token_pos: VideoTokenPosition | None = None
        if stage == 2:
            grid = size.pooled_grid(whole_patches_only=self.compat.misplaced_patch_padding)
            self.video_token_pos = VideoTokenPosition(size.clips * size.frames_per_clip, grid, width)
        self.masked_pixels: MaskedPixels | None = None
        if stage == 1 and size.losses.pixels_weight:  # the last part: the others start as without it
            self.masked_pixels = MaskedPixels(size.video)
        for module in self._untrained():
            module.requires_grad_(False)
        self.train()

    @staticmethod
    def from_pretrained(name: str, revision: str | None = None, token: str | None = None) -> "LFVila":
        """Load a model: a run, a folder or file of weights, or a repository on the hub. See model/weights/hub.py."""
        loaded: LFVila = _hub().from_pretrained(name, revision, token)
        return loaded

    def save_pretrained(
        self, folder: str, metrics: Mapping[str, float] | None = None, licence: str | None = None
    ) -> None:
        """Write weights and README.md to a folder. See model/weights/hub.py."""
        _hub().save_pretrained(self, folder, metrics, licence)

    def push_to_hub(
        self,
        repository: str,
        metrics: Mapping[str, float] | None = None,
        licence: str | None = None,
        private: bool = True,
        token: str | None = None,
    ) -> str:
        """Write weights and README.md to a repository on the hub.

        Args:
            repository: OWNER/NAME; it is created if it does not exist.
            metrics: what the model reaches, by name.
            licence: of the weights.
            private: whether a new repository is private.
            token: one that may write.

        Returns:
            The address of the commit.
        """
        return str(_hub().push_to_hub(self, repository, metrics, licence, private, token))

    def _untrained(self) -> list[nn.Module]:
        """Return the parts without a gradient in this stage. They have `requires_grad` off for DistributedDataParallel."""
        text = self.text_encoder
        if self.stage == 2:
            dual: list[nn.Module] = [self.get_submodule(name) for name in STAGE_ONE]
            dual += [text.bert.embeddings, *text.bert.encoder.layer[: self.size.text.paragraph_layers]]
            return dual if self.contrast is None else [*dual, self.contrast]
        unused: list[nn.Module] = [text.bert.pooler, text.cls, text.seq_relationship]
        if self.size.losses.mtc_weight == 0:
            unused += [self.video_local_proj, self.text_local_proj]
        if self.size.losses.mtc_weight == 0 or self.compat.global_map_as_local or self.size.video.tap is None:
            unused += [self.video_encoder.norm_local, self.video_encoder.local_feat_proj]
        return unused

    def freeze(self, names: Iterable[str]) -> None:
        """Keep modules or parameters with these names as they are: without gradient, dropout and drop path.

        Raises LookupError for a name that nothing has.
        """
        modules, parameters = dict(self.named_modules()), dict(self.named_parameters())
        frozen = []
        for name in names:
            chosen = [one for one in parameters if one == name or one.startswith(f"{name}.")]
            if not chosen:
                near = get_close_matches(name, [*modules, *parameters], n=1)
                raise LookupError(f"no module {name!r}.{f' Did you mean {near[0]}?' if near else ''}")
            for one in chosen:
                parameters[one].requires_grad_(False)
            if name in modules:
                frozen.append(modules[name])
        self._frozen = (*self._frozen, *frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> "LFVila":
        """Set training mode; the frozen parts of stage 2, and those that `freeze` names, stay in evaluation mode."""
        super().train(mode)
        if self.stage == 2:
            frozen = [self.video_encoder] if self.compat.frozen_parts_drop_out else self._untrained()
            for module in frozen:
                module.eval()
        self._keep_frozen()
        return self

    def _keep_frozen(self) -> None:
        for module in self._frozen:
            module.eval()

    def clips_of(self, text_ids: Tensor) -> int:
        """Return the number of clips that ids (B, M, L) go with: M, one for each sentence.

        In the released code and for retrieval, whose videos are not cut by sentences, the configuration decides it.
        """
        of_size = self.compat.reshaped_clips or self.head is not None
        return self.size.clips if of_size else text_ids.shape[1]

    def set_checkpointing(self, enabled: bool) -> None:
        """Recompute activations in the backward pass, block by block: less memory for about a third more time."""
        self.video_encoder.checkpointing = enabled
        self.text_encoder.checkpointing = enabled

    def set_fused(self, enabled: bool) -> None:
        """Use Triton kernels around the windows of the video encoder, on CUDA (`window_passes`)."""
        for module in self.video_encoder.modules():
            if isinstance(module, VideoBlock):
                module.fused = enabled

    def set_narrow_norms(self, enabled: bool) -> None:
        """Let layer norms inside the video encoder read and write bfloat16 under autocast. The last ones write float32 still."""
        for module in self.video_encoder.modules():
            if isinstance(module, LayerNorm):
                module.narrow = enabled

    def encode_video(self, video: Tensor, clips: int | None = None, hidden: Tensor | None = None) -> VideoFeatures:
        """Encode normalised frames (B, 3, N, height, width) of `clips` consecutive clips (default: `size.clips`).

        `hidden` (B, H, W) tells which patches are hidden, if the model was made for that (`masked_pixels`).
        """
        clips = self.size.clips if clips is None else clips
        masked = None if hidden is None else self.masked_pixels
        maps = self.video_encoder(video, clips, hidden, None if masked is None else masked.token)
        tokens = frame_tokens(maps.video, self.compat)
        whole = clip_vectors(tokens.flatten(2, 3), clips, self.compat)
        local = whole
        if maps.clip is not maps.video:
            local = clip_vectors(frame_tokens(maps.clip, self.compat).flatten(2, 3), clips, self.compat)
        return VideoFeatures(
            video=F.normalize(self.video_global_proj(whole.mean(1)), dim=-1),
            clips=F.normalize(self.video_local_proj(local), dim=-1),
            tokens=tokens,
            colours=None if masked is None else masked(maps.video),
        )

    def encode_text(self, ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        """Encode token ids (B, M, L) of M sentences; the mask, of the same shape, is 1 for words and 0 for padding."""
        keep = attention_mask.bool()
        present = keep.any(-1)
        words = self.text_encoder.sentences(ids.flatten(0, 1), keep.flatten(0, 1))
        words = words.view(*ids.shape, words.shape[-1])
        local = F.normalize(self.text_local_proj(words[:, :, 0]), dim=-1)
        if not self.compat.padded_sentence_features:
            local = local * present.unsqueeze(-1)
        x, keep = self.paragraph_input(words, keep)
        x = self.text_encoder.paragraph(x, keep)
        paragraph = F.normalize(self.text_global_proj(x[:, 0]), dim=-1)
        return TextFeatures(paragraph, local, present, tokens=x, keep=keep)

    def paragraph_input(self, words: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Join sentences (B, M, L, C) after a start token to (B, 1 + M L, C). Also return which tokens are not padding."""
        x = self.sent_embedding(words, keep)
        firsts = x.view(*keep.shape, x.shape[-1])[:, :, 0]
        counted = torch.ones_like(keep[..., 0]) if self.compat.padding_in_start_token else keep.any(-1)
        x = torch.cat([start_token(firsts, counted).unsqueeze(1), x], dim=1)
        return x, F.pad(keep.flatten(1), (1, 0), value=True)

    def fusion_input(self, text: TextFeatures, video_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the paragraph tokens followed by the video tokens (B, T X, C), and which of them count."""
        keep = F.pad(text.keep, (0, video_tokens.shape[1]), value=True)
        return torch.cat([text.tokens, video_tokens], dim=1), keep

    def contrastive_losses(
        self,
        video: VideoFeatures,
        text: TextFeatures,
        generator: torch.Generator | None = None,
        drawn: Draw | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of stage 1 over the batch of all ranks.

        Args:
            video: the encoded videos of this rank.
            text: the encoded paragraphs of this rank, equally many.
            generator: MTC draws positions from it, with the same seed on every rank; None: PyTorch's generator.
            drawn: the positions, if they are drawn already.

        Returns:
            `loss`, the weighted sum, and `contrast` and `mtc` without weights.
        """
        losses = self.size.losses
        # In full precision: a temperature of 0.05 makes the rounding errors of bfloat16 twenty times larger.
        with torch.autocast(video.video.device.type, enabled=False):
            videos, paragraphs = gather(_exact(video.video)), gather(_exact(text.paragraph))
            if self.contrast is None:
                contrast = info_nce(videos, paragraphs, losses.temperature)
            else:
                contrast = self.contrast(videos, paragraphs)
            if losses.mtc_weight == 0:
                return {"loss": losses.contrast_weight * contrast, "contrast": contrast}
            present = gather(text.present)
            if self.compat.padded_sentence_features:
                present = torch.ones_like(present)
            drawn = drawn or draw(present, losses.mtc_keys, losses.mtc_values, generator)
            mtc = mtc_loss(
                gather(_exact(video.clips)),
                gather(_exact(text.sentences)),
                drawn,
                losses.mtc_others,
                losses.mtc_temperature,
                self.compat,
                present,
            )
        return {"loss": losses.contrast_weight * contrast + losses.mtc_weight * mtc, "contrast": contrast, "mtc": mtc}

    def loss_parameters(self) -> list[nn.Parameter]:
        """Return the trained parameters of the contrastive losses themselves."""
        own = [] if self.contrast is None else list(self.contrast.parameters())
        return [parameter for parameter in own if parameter.requires_grad]

    def pulled(self, video: VideoFeatures, text: TextFeatures, gradients: FeatureGradients) -> Tensor:
        """Return a scalar whose gradient in the features, and in `loss_parameters`, is that of another loss."""
        features = (video.video, video.clips, text.paragraph, text.sentences)
        pairs = [
            *zip(features, gradients.features, strict=True),
            *zip(self.loss_parameters(), gradients.own, strict=False),
        ]
        with torch.autocast(video.video.device.type, enabled=False):
            parts = [(_exact(x) * g).sum() for x, g in pairs if g is not None]
            return torch.stack(parts).sum()

    def fusion_losses(
        self,
        video: VideoFeatures,
        text: TextFeatures,
        mlm_labels: Tensor,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of stage 2.

        Args:
            video: the encoded videos.
            text: the encoded paragraphs, equally many.
            mlm_labels: (B, M, L) or (B, M L): the hidden words, -100 elsewhere.
            generator: hard negatives are drawn from it, on the CPU; None: PyTorch's generator.

        Returns:
            `loss`, the weighted sum, `mlm` and `matching` without weights, and accuracies.
        """
        if self.video_token_pos is None:
            raise RuntimeError("a model of stage 1 has no fusion layers")
        losses = self.size.losses
        pairs = pairing(len(mlm_labels), mlm_labels.device, self.compat)
        # An evaluation keeps the plain pairs, so that all trainings are measured alike.
        if losses.matching_negatives == "hard" and self.training:
            pairs = hard_pairing(pairs, video.video, text.paragraph, losses.temperature, generator)
        x = self.text_encoder.fusion(*self.fusion_input(text, self.video_token_pos(video.tokens)[pairs.video]))
        # Only hidden words get scores over the vocabulary: one row in seven of the text, none of the video.
        labels = mlm_labels.flatten(1)
        matched = pairs.label.bool().unsqueeze(1) & (labels != IGNORED)
        words = x[:, 1 : 1 + labels.shape[1]]
        scores, matching = self.text_encoder.cls(words[matched]), self.matching_scores(x)
        with torch.autocast(x.device.type, enabled=False):
            mlm = word_loss(_exact(scores), labels[matched], self.compat)
            accuracy = mlm.accuracy
            if self.compat.mlm_accuracy_of_all_rows:
                with torch.no_grad():
                    hidden = labels != IGNORED
                    accuracy = accuracy_of(self.text_encoder.cls(words[hidden]), labels[hidden])
            match_loss = F.cross_entropy(_exact(matching), pairs.label)
        return {
            "loss": losses.mlm_weight * mlm.loss + losses.matching_weight * match_loss,
            "mlm": mlm.loss,
            "matching": match_loss,
            "mlm_accuracy": accuracy,
            "matching_accuracy": accuracy_of(matching, pairs.label),
        }

    def matching_scores(self, x: Tensor) -> Tensor:
        """Return scores (B, 2) of mismatch and match from the fusion layers' output."""
        scores: Tensor = self.text_encoder.seq_relationship(self.text_encoder.bert.pooler(x))
        return scores

    def _with_pixels(
        self, losses: dict[str, Tensor], videos: VideoFeatures, video: Tensor, hidden: Tensor
    ) -> dict[str, Tensor]:
        """Add the loss of hidden patches."""
        assert self.masked_pixels is not None and videos.colours is not None  # noqa: S101 for mypy: `hidden` was given
        with torch.autocast(video.device.type, enabled=False):
            pixels = self.masked_pixels.loss(videos.colours, video, hidden)
        return {**losses, "loss": losses["loss"] + self.size.losses.pixels_weight * pixels, "pixels": pixels}

    def forward(
        self,
        video: Tensor,
        text_ids: Tensor,
        attention_mask: Tensor,
        mlm_labels: Tensor | None = None,
        generator: torch.Generator | None = None,
        drawn: Draw | None = None,
        pull: FeatureGradients | None = None,
        hidden: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch. Its clip k is shown while sentence k is said.

        Args:
            video: (B, 3, N, height, width), normalised.
            text_ids: (B, M, L) token ids.
            attention_mask: (B, M, L), 1 for tokens and 0 for padding.
            mlm_labels: (B, M, L): the hidden tokens, -100 elsewhere; stage 2 needs them.
            generator: MTC draws positions from it, stage 2 hard negatives; None: PyTorch's generator.
            drawn: the positions, if they are drawn already.
            pull: gradients of the features, in place of losses; see `pulled`.
            hidden: (B, H, W), which patches of each video are hidden in all its frames; their colours are a further loss.

        Returns:
            The losses by name, scalars.

        Raises:
            ValueError: stage 2 without `mlm_labels`.
        """
        videos = self.encode_video(video, self.clips_of(text_ids), hidden)
        texts = self.encode_text(text_ids, attention_mask)
        if pull is not None:
            return {"loss": self.pulled(videos, texts, pull)}
        if self.stage == 1:
            losses = self.contrastive_losses(videos, texts, generator, drawn)
            return losses if hidden is None else self._with_pixels(losses, videos, video, hidden)
        if mlm_labels is None:
            raise ValueError("stage 2 needs mlm_labels")
        return self.fusion_losses(videos, texts, mlm_labels, generator)


def _exact(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _hub() -> Any:
    """The room above that reads and writes files, loaded when it is asked for: the network itself needs only torch."""
    return import_module("longtake.model.weights.hub")
