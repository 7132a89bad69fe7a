"""Crop here, resize there: workers hand over the crops as they were decoded, and the device that trains resizes them.

The crops of a batch differ in size. So they lie one after the other in one flat tensor, without padding.
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
    """Join crops (N, h, w, 3) of any sizes, one after the other: flat, uint8, as many bytes as they have.

    Raises ValueError if they have not all the same number of frames.
    """
    if len(numbers := {len(crop) for crop in crops}) > 1:
        raise ValueError(f"samples of {' and '.join(map(str, sorted(numbers)))} frames cannot be one batch")
    joined = torch.empty(sum(crop.numel() for crop in crops), dtype=torch.uint8)
    for place, crop in zip(torch.split(joined, [crop.numel() for crop in crops]), crops, strict=True):
        place.view(crop.shape).copy_(crop)
    return joined


def resized_cuts(joined: Tensor, cuts: Sequence[Cut]) -> Tensor:
    """Resize and mirror the crops of `together`, on their device: (B, N, height, width, 3), uint8.

    It computes in float32 and rounds once. PyTorch's CPU kernel for bytes rounds after each direction, so a pixel may differ from
    `transforms.training_frames` by 1 of 255. Raises ValueError if `joined` does not hold the crops of `cuts`.
    """
    pixels = [cut.crop[0] * cut.crop[1] for cut in cuts]
    count, left = divmod(joined.numel(), 3 * sum(pixels))
    if left or joined.ndim != 1:
        raise ValueError(f"frames of shape {tuple(joined.shape)} are not the crops of {len(cuts)} samples")
    out = joined.new_empty((len(cuts), count, *cuts[0].size, 3))
    for place, part, cut in zip(out, torch.split(joined, [3 * count * one for one in pixels]), cuts, strict=True):
        found = part.view(count, *cut.crop, 3).permute(0, 3, 1, 2)
        if cut.crop != cut.size:
            found = F.interpolate(
                found.float(), cut.size, mode="bilinear", align_corners=False, antialias=cut.antialias
            ).round_()
        found = found.permute(0, 2, 3, 1)
        place.copy_(found.flip(2) if cut.flip else found)
    return out
