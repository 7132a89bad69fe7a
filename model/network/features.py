"""What the encoders return, and gradients in it."""

from typing import NamedTuple

from torch import Tensor


class VideoFeatures(NamedTuple):
    """A batch of videos, encoded."""

    video: Tensor  # (B, C), unit length
    clips: Tensor  # (B, M, C), unit length
    tokens: Tensor  # (B, T, H', W', C), for the fusion layers
    colours: Tensor | None = None  # (B, T, H, W, 3) of patches, where some are hidden


class TextFeatures(NamedTuple):
    """A batch of paragraphs, encoded."""

    paragraph: Tensor  # (B, C), unit length
    sentences: Tensor  # (B, M, C), unit length; 0 for sentences that are all padding
    present: Tensor  # (B, M): which sentences have words
    tokens: Tensor  # (B, 1 + M L, C), for the fusion layers
    keep: Tensor  # (B, 1 + M L): which tokens are not padding


class FeatureGradients(NamedTuple):
    """The gradients of a loss in the features of a batch; None: the loss does not depend on them."""

    features: tuple[Tensor | None, ...]  # in VideoFeatures.video and clips, TextFeatures.paragraph and sentences
    own: tuple[Tensor, ...] = ()  # in `loss_parameters`
