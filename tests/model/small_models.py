"""Models small enough for tests, and batches for them."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import LossSettings, ModelSize, TextSize, VideoSize

HEIGHT, WIDTH, LENGTH, VOCABULARY = 64, 96, 6, 50
SMALL = ModelSize(
    video=VideoSize(embed_dim=4, depths=(2, 2, 2, 1, 1, 1), heads=(1, 2, 4, 4, 4, 4), drop_path=0.0),
    text=TextSize(
        hidden=32,
        layers=3,
        heads=2,
        intermediate=48,
        sentence_layers=1,
        paragraph_layers=2,
        vocabulary=VOCABULARY,
        positions=64,
        dropout=0.0,
    ),
    height=HEIGHT,
    width=WIDTH,
)


def small(stage: Any = 1, compat: Any = "corrected", video: dict[str, Any] | None = None, **losses: Any) -> LFVila:
    """A small model with random values in every tensor, so that no part is neutral by accident."""
    size = replace(SMALL, video=replace(SMALL.video, **(video or {})), losses=LossSettings(**losses))
    model = LFVila(size, stage, compat)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 0.2 if "norm" not in name.lower() else 0.1
            parameter.add_(spread * torch.randn_like(parameter))
    return model


def batch(size: int, clips: int = 4, frames: int = 32) -> tuple[Tensor, Tensor, Tensor]:
    """Video, token ids and mask; sentences have 2 to LENGTH words."""
    video = torch.randn(size, 3, frames, HEIGHT, WIDTH)
    ids = torch.randint(5, VOCABULARY, (size, clips, LENGTH))
    words = torch.randint(2, LENGTH + 1, (size, clips, 1))
    mask = (torch.arange(LENGTH) < words).long()
    return video, ids * mask, mask
