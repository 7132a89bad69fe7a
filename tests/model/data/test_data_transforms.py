"""Crops that vary, and resizing against a plain statement of it."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from longtake.model.data.cuts import Cut, resized_cuts, together
from longtake.model.data.transforms import (
    MEAN,
    STD,
    CropRange,
    TrainingCrop,
    cut_out,
    draw_crop,
    draw_released_crop,
    evaluation_frames,
    normalise,
    training_frames,
)

Picture = NDArray[np.float64]


def resized(frames: Picture, height: int, width: int, antialias: bool = True) -> Picture:
    """Bilinear: each new pixel is the mean of the old ones under a triangle around its centre, rows then columns."""
    return along(along(frames, 1, height, antialias), 2, width, antialias)


def along(frames: Picture, axis: int, size: int, antialias: bool) -> Picture:
    old = frames.shape[axis]
    scale = old / size
    reach = max(scale, 1.0) if antialias else 1.0
    weights = np.zeros((size, old))
    for new in range(size):
        centre = (new + 0.5) * scale - 0.5
        if antialias:
            weights[new] = np.clip(1 - np.abs(np.arange(old) - centre) / reach, 0, None)
        else:  # beyond the border the outermost pixel goes on
            low = int(np.floor(centre))
            for pixel in (low, low + 1):
                weights[new, min(max(pixel, 0), old - 1)] += max(0.0, 1 - abs(pixel - centre))
        weights[new] /= weights[new].sum()
    return np.moveaxis(np.tensordot(weights, frames, (1, axis)), 0, axis)


def noise(height: int, width: int, frames: int = 2) -> Tensor:
    smooth = torch.rand(frames, 3, height // 4 + 1, width // 4 + 1)
    big = torch.nn.functional.interpolate(smooth, (height, width), mode="bicubic").clamp(0, 1) * 255
    return big.permute(0, 2, 3, 1).to(torch.uint8).contiguous()


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(
    ("crop", "size"),
    [
        (TrainingCrop(3, 5, 48, 80, False), (24, 40)),
        (TrainingCrop(0, 0, 60, 107, True), (48, 80)),
        (TrainingCrop(7, 20, 37, 61, True), (64, 96)),
    ],
)
def test_training_frames_are_the_crop_resized_and_mirrored(
    crop: TrainingCrop, size: tuple[int, int], antialias: bool
) -> None:
    frames = noise(60, 107)
    cut = frames[:, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width].numpy().astype(float)
    expected = resized(cut, *size, antialias=antialias)
    expected = expected[:, :, ::-1] if crop.flip else expected
    got = training_frames(frames, crop, *size, antialias=antialias)
    assert got.dtype == torch.uint8 and got.is_contiguous()
    assert np.abs(got.numpy() - expected).max() <= 1.5  # two roundings to whole numbers


@pytest.mark.parametrize("antialias", [True, False])
def test_crops_of_any_sizes_are_resized_together_as_on_their_own(antialias: bool) -> None:
    """Against the plain statement: one rounding. Against the CPU path: two in a row may differ from it by 1 of 255."""
    pictures = [noise(60, 107), noise(41, 43), noise(90, 50), noise(48, 80)]
    crops = [
        TrainingCrop(3, 5, 48, 90, False),
        TrainingCrop(0, 1, 40, 42, True),
        TrainingCrop(9, 0, 77, 50, True),
        TrainingCrop(0, 0, 48, 80, True),  # has the size already
    ]
    views = [cut_out(picture, crop) for picture, crop in zip(pictures, crops, strict=True)]
    joined = together(views)
    assert torch.equal(joined, torch.cat([view.flatten() for view in views]))
    cuts = [Cut((crop.height, crop.width), (48, 80), crop.flip, antialias) for crop in crops]
    found = resized_cuts(joined, cuts)
    assert found.dtype == torch.uint8 and found.is_contiguous()
    for picture, crop, view, got in zip(pictures, crops, views, found, strict=True):
        expected = resized(view.numpy().astype(float), 48, 80, antialias)
        expected = expected[:, :, ::-1] if crop.flip else expected
        assert np.abs(got.numpy() - expected).max() <= 0.501
        apart = (got.int() - training_frames(picture, crop, 48, 80, antialias).int()).abs()
        assert apart.max() <= 1
    assert torch.equal(found[3], training_frames(pictures[3], crops[3], 48, 80, antialias))


def test_landscape_and_portrait_crops_take_their_own_bytes_alone() -> None:
    views = [noise(54, 96, 3), noise(96, 54, 3)[:, 4:90, 1:50], noise(108, 192, 3), noise(4, 6, 3)]
    joined = together(views)
    assert joined.dtype == torch.uint8 and joined.shape == (3 * 3 * (54 * 96 + 86 * 49 + 108 * 192 + 4 * 6),)
    cuts = [Cut((view.shape[1], view.shape[2]), (24, 40), False, True) for view in views]
    for got, view in zip(resized_cuts(joined, cuts), views, strict=True):
        assert np.abs(got.numpy() - resized(view.numpy().astype(float), 24, 40)).max() <= 0.501
    with pytest.raises(ValueError, match="not the crops of 3 samples"):
        resized_cuts(joined, cuts[:3])
    with pytest.raises(ValueError, match="samples of 2 and 3 frames cannot be one batch"):
        together([*views, noise(54, 96, 2)])


def test_evaluation_frames_are_those_of_the_released_code() -> None:
    frames = noise(250, 440, 1)
    whole = resized(frames.numpy().astype(float), 240, 428)
    # torchvision's CenterCrop: round((428 - 385) / 2) is 22, for Python rounds halves to even
    expected = resized(whole[:, 12 : 12 + 216, 22 : 22 + 385], 192, 320)
    assert np.abs(evaluation_frames(frames, 192, 320).numpy() - expected).max() <= 2.5


def test_every_frame_of_a_sample_gets_the_same_geometry() -> None:
    frames = noise(40, 70, 1).repeat(3, 1, 1, 1)
    for out in (training_frames(frames, TrainingCrop(2, 3, 30, 50, True), 24, 40), evaluation_frames(frames, 24, 40)):
        assert out.shape == (3, 24, 40, 3)
        assert torch.equal(out[0], out[1]) and torch.equal(out[0], out[2])


def test_crops_of_a_wide_picture_vary_in_ratio_area_and_place() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_crop(240, 427, CropRange(), rng) for _ in range(2000)]
    ratio = np.array([crop.width / crop.height for crop in drawn])
    area = np.array([crop.width * crop.height / (240 * 427) for crop in drawn])
    assert ratio.min() > 1.48 and ratio.max() < 2.02
    assert ratio.min() < 1.55 and ratio.max() > 1.95 and ratio.std() > 0.08
    assert area.min() > 0.79 and area.max() <= 1.0 and abs(area.mean() - 0.9) < 0.01
    assert len({(crop.top, crop.left) for crop in drawn}) > 500
    assert abs(np.mean([crop.flip for crop in drawn]) - 0.5) < 0.05


@pytest.mark.parametrize("size", [(240, 240), (240, 320), (427, 240), (240, 570), (24, 40), (1, 1)])
def test_crops_of_any_picture_lie_inside_it_and_have_the_area(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    drawn = [draw_crop(*size, CropRange(), rng) for _ in range(500)]
    for crop in drawn:
        assert 0 <= crop.top <= size[0] - crop.height and 0 <= crop.left <= size[1] - crop.width
        assert crop.height >= 1 and crop.width >= 1
        assert crop.height * crop.width >= 0.8 * size[0] * size[1] - max(size)
    if min(size) > 1:
        assert len(set(drawn)) > 50


def test_a_generator_of_the_same_seed_draws_the_same_crop() -> None:
    first, second = (draw_crop(240, 427, CropRange(), np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_normalised_video_has_the_layout_of_the_model() -> None:
    frames = torch.randint(256, (2, 3, 4, 5, 3), dtype=torch.uint8)
    video = normalise(frames)
    assert video.shape == (2, 3, 3, 4, 5) and video.is_contiguous()
    for b, n, y, x, c in [(0, 0, 0, 0, 0), (1, 2, 3, 4, 2), (0, 1, 2, 3, 1)]:
        expected = (frames[b, n, y, x, c].item() / 255 - MEAN[c]) / STD[c]
        assert video[b, c, n, y, x].item() == pytest.approx(expected, abs=1e-5)
    assert normalise(frames, torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("size", "expected"), [((240, 428), (240, 320)), ((720, 1280), (720, 960)), ((400, 100), (133, 100))]
)
def test_released_crops_of_a_wide_or_tall_picture_are_all_the_same(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    crops = {draw_released_crop(*size, CropRange(), rng, flip=0.0) for _ in range(200)}
    assert crops == {
        TrainingCrop((size[0] - expected[0]) // 2, (size[1] - expected[1]) // 2, *expected, False),
    }


def test_released_crops_of_a_4_to_3_picture_vary_as_torchvisions() -> None:
    rng = np.random.default_rng(0)
    crops = [draw_released_crop(240, 320, CropRange(), rng) for _ in range(300)]
    areas = [crop.height * crop.width / (240 * 320) for crop in crops]
    ratios = [crop.width / crop.height for crop in crops]
    assert min(areas) > 0.79 and max(areas) <= 1.0 and max(ratios) < 1.35 and min(ratios) > 0.74
    assert len(set(crops)) > 200 and 0.3 < np.mean([crop.flip for crop in crops]) < 0.7
