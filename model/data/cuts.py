"""Crop here, resize there: workers hand over the crops as they were decoded, and the device that trains resizes them.

The crops of a batch differ in size. So each lies at the top left of its place in one tensor, which is as large as the largest.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Cut(NamedTuple):
    """How the crop of a sample becomes frames for the model."""

    crop: tuple[int, int]  # height and width of the crop, in pixels
    size: tuple[int, int]  # height and width for the model
    flip: bool
    antialias: bool


def together(crops: Sequence[Tensor]) -> Tensor:
    """Join crops (N, h, w, 3) of any sizes to (B, N, height, width, 3), each at the top left; the rest is 0."""
    tall, wide = (max(crop.shape[side] for crop in crops) for side in (1, 2))
    joined = torch.empty((len(crops), len(crops[0]), tall, wide, 3), dtype=torch.uint8)
    for place, crop in zip(joined, crops, strict=True):
        height, width = crop.shape[1:3]
        place[:, :height, :width] = crop
        place[:, height:] = 0
        place[:, :height, width:] = 0
    return joined


def resized_cuts(joined: Tensor, cuts: Sequence[Cut]) -> Tensor:
    """Resize and mirror the crops of `together`, on their device: (B, N, height, width, 3), uint8.

    It computes in float32 and rounds once. PyTorch's CPU kernel for bytes rounds after each direction, so a pixel may differ from
    `transforms.training_frames` by 1 of 255.
    """
    out = joined.new_empty((*joined.shape[:2], *cuts[0].size, 3))
    for place, frames, cut in zip(out, joined, cuts, strict=True):
        found = frames[:, : cut.crop[0], : cut.crop[1]].permute(0, 3, 1, 2)
        if cut.crop != cut.size:
            found = F.interpolate(
                found.float(), cut.size, mode="bilinear", align_corners=False, antialias=cut.antialias
            ).round_()
        found = found.permute(0, 2, 3, 1)
        place.copy_(found.flip(2) if cut.flip else found)
    return out
