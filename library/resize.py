"""Sizes of decoded frames: uint8 (N, height, width, 3) in, the same form out."""

import torch.nn.functional as F
from torch import Tensor


def resized(frames: Tensor, height: int, width: int, antialias: bool = True) -> Tensor:
    """Resize bilinearly."""
    if frames.shape[1:3] == (height, width):
        return frames.contiguous()
    size = (height, width)
    out = F.interpolate(frames.permute(0, 3, 1, 2), size, mode="bilinear", align_corners=False, antialias=antialias)
    return out.permute(0, 2, 3, 1).contiguous()


def fitted(frames: Tensor, height: int, width: int) -> Tensor:
    """Cut the largest middle part of the shape height : width, and resize it."""
    own_height, own_width = frames.shape[1:3]
    scale = min(own_height / height, own_width / width)
    tall, wide = min(own_height, round(height * scale)), min(own_width, round(width * scale))
    top, left = (own_height - tall) // 2, (own_width - wide) // 2
    return resized(frames[:, top : top + max(tall, 1), left : left + max(wide, 1)], height, width)
