"""Geometry and normalisation of decoded frames. Pure functions; the caller passes the random generator.

Frames are uint8 (N, height, width, 3). All frames of a sample get one geometry.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longtake.library.resize import resized

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as Swin was trained
STD = (0.229, 0.224, 0.225)
# The size before the crop of an evaluation, over the final size: 240 x 428 for 192 x 320 (facts/lfvila.md section 2).
_BEFORE_CROP = (240 / 192, 428 / 320)
_RELEASED_RATIO = (3 / 4, 4 / 3)
_CENTRE = 0.9  # 216 of 240, 385 of 428


class CropRange(NamedTuple):
    """The range of training crops: share of the picture's area, and width over height.

    The released code has 3/4 to 4/3. No crop of 80 % of a 16:9 picture has such a ratio, so all its crops are equal (facts #8).
    """

    area: tuple[float, float] = (0.8, 1.0)
    ratio: tuple[float, float] = (1.5, 2.0)


class TrainingCrop(NamedTuple):
    """A rectangle of pixels, mirrored or not."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


def draw_crop(height: int, width: int, allowed: CropRange, rng: np.random.Generator, flip: float = 0.5) -> TrainingCrop:
    """Draw a crop of a picture.

    The area is uniform. The ratio is log-uniform over the part of `allowed.ratio` whose rectangles of this area fit into the
    picture. If none fits, as in square pictures, it is the nearest ratio that fits. So no draw fails, and the crop varies for
    every shape of picture.
    """
    area = rng.uniform(*allowed.area)
    own = width / height
    low, high = (min(max(bound, own * area), own / area) for bound in allowed.ratio)
    ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
    crop_width = min(width, max(1, round(math.sqrt(area * height * width * ratio))))
    crop_height = min(height, max(1, round(math.sqrt(area * height * width / ratio))))
    top = int(rng.integers(height - crop_height + 1))
    left = int(rng.integers(width - crop_width + 1))
    return TrainingCrop(top, left, crop_height, crop_width, bool(rng.random() < flip))


def draw_released_crop(
    height: int, width: int, allowed: CropRange, rng: np.random.Generator, flip: float = 0.5
) -> TrainingCrop:
    """Draw a crop as the released code did, by torchvision's RandomResizedCrop.

    Ten rectangles are drawn with an area from `allowed.area` and a ratio from 3/4 to 4/3; the first that fits is taken. If none
    fits, it is the largest middle part with a ratio in this range. Of a 16:9 picture none with 80 % of the area fits (facts #8).
    """
    low, high = _RELEASED_RATIO
    for _ in range(10):
        area = height * width * rng.uniform(*allowed.area)
        ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
        crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            top, left = int(rng.integers(height - crop_height + 1)), int(rng.integers(width - crop_width + 1))
            return TrainingCrop(top, left, crop_height, crop_width, bool(rng.random() < flip))
    crop_width = min(width, round(height * high))
    crop_height = min(height, round(width / low))
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    return TrainingCrop(top, left, crop_height, crop_width, bool(rng.random() < flip))


def cut_out(frames: Tensor, crop: TrainingCrop) -> Tensor:
    """Return the crop of all frames, as a view."""
    return frames[:, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]


def training_frames(frames: Tensor, crop: TrainingCrop, height: int, width: int, antialias: bool = True) -> Tensor:
    """Cut `crop` out of all frames, resize it, mirror it: (N, h, w, 3) to (N, height, width, 3)."""
    out = resized(cut_out(frames, crop), height, width, antialias)
    return out.flip(2) if crop.flip else out


def evaluation_frames(frames: Tensor, height: int, width: int, antialias: bool = True) -> Tensor:
    """Resize, cut the centre, resize: (N, h, w, 3) to (N, height, width, 3), as the released code does.

    For 192 x 320: to 240 x 428, the middle 216 x 385 of it, to 192 x 320.
    """
    tall, wide = round(height * _BEFORE_CROP[0]), round(width * _BEFORE_CROP[1])
    frames = resized(frames, tall, wide, antialias)
    crop_height, crop_width = round(tall * _CENTRE), round(wide * _CENTRE)
    top, left = round((tall - crop_height) / 2), round((wide - crop_width) / 2)
    return resized(frames[:, top : top + crop_height, left : left + crop_width], height, width, antialias)


def normalise(frames: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Make the model's input from uint8 (B, N, H, W, 3): (B, 3, N, H, W), mean 0 and deviation 1 over ImageNet's colours.

    Call it on the device that trains: the loader then passes bytes, a quarter of the size of floats.
    """
    shape = (3, 1, 1, 1)
    mean = torch.tensor(MEAN, dtype=torch.float32, device=frames.device).view(shape) * 255
    std = torch.tensor(STD, dtype=torch.float32, device=frames.device).view(shape) * 255
    video = frames.movedim(-1, -4).contiguous().to(torch.float32)
    return video.sub_(mean).div_(std).to(dtype)
