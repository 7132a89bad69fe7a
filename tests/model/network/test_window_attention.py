"""Window attention against a plain statement of it, token by token."""

import itertools

import pytest
import torch
from torch import Tensor

from longtake.model.network.compat import CORRECTED, OFFICIAL
from longtake.model.network.video_blocks import DropPath, PatchEmbed, PatchMerging, WindowAttention
from longtake.model.network.window_geometry import WindowGeometry, clip_of_frame, window_tensors

Triple = tuple[int, int, int]


def plain(attention: WindowAttention, x: Tensor, window: Triple, shift: Triple, clips: int) -> Tensor:
    """Each token attends to the real tokens of its window that it really neighbours, with the bias of their offset."""
    size = x.shape[1:4]
    used = [min(w, n) for w, n in zip(window, size, strict=True)]
    moved = [0 if n <= w else s for n, w, s in zip(size, window, shift, strict=True)]
    padded = [-(-n // w) * w for n, w in zip(size, used, strict=True)]
    owner = clip_of_frame(size[0], clips)
    tokens, groups = list(itertools.product(*map(range, size))), []
    for token in tokens:
        place = [(p - s) % n for p, s, n in zip(token, moved, padded, strict=True)]
        wrapped = [p >= n - s for p, s, n in zip(place, moved, padded, strict=True)]
        groups.append((*(p // w for p, w in zip(place, used, strict=True)), *wrapped, int(owner[token[0]])))
    together = torch.tensor([[a == b for b in groups] for a in groups])
    t, h, w = window
    table = attention.relative_position_bias_table.view(2 * t - 1, 2 * h - 1, 2 * w - 1, -1)
    offset = torch.tensor(tokens)[:, None] - torch.tensor(tokens)[None]
    reach = torch.tensor([t - 1, h - 1, w - 1])
    place = (offset + reach).clamp(torch.zeros(3).long(), 2 * reach)  # pairs farther apart are excluded anyway
    bias = table[place[..., 0], place[..., 1], place[..., 2]].permute(2, 0, 1)
    flat = x.flatten(1, 3)
    heads = attention.heads
    q, k, v = attention.qkv(flat).view(*flat.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias
    weights = scores.masked_fill(~together, -torch.inf).softmax(-1)
    return attention.proj((weights @ v).transpose(1, 2).flatten(2)).view(x.shape)


@pytest.mark.parametrize(
    ("size", "window", "shift", "clips"),
    [
        ((4, 6, 10), (2, 3, 5), (0, 0, 0), 1),  # whole windows
        ((4, 6, 10), (2, 3, 5), (0, 1, 2), 1),  # shifted
        ((3, 5, 9), (2, 3, 5), (0, 0, 0), 1),  # padded along every axis
        ((5, 5, 9), (2, 3, 5), (1, 1, 2), 1),  # padded and shifted along every axis
        ((3, 4, 6), (2, 3, 5), (1, 1, 2), 1),  # a shifted window of nothing but padding
        ((3, 2, 4), (4, 3, 5), (2, 1, 2), 1),  # clipped along every axis
        ((6, 5, 4), (4, 3, 5), (0, 1, 2), 2),  # clips that no window divides
        ((7, 3, 5), (4, 3, 5), (2, 1, 2), 3),  # uneven clips, shifted in time
    ],
)
def test_attention_joins_exactly_the_real_neighbours(size: Triple, window: Triple, shift: Triple, clips: int) -> None:
    attention = WindowAttention(8, window, 2, qkv_bias=True).double()
    torch.nn.init.normal_(attention.relative_position_bias_table)
    torch.nn.init.normal_(attention.qkv.bias)
    x = torch.randn(2, *size, 8, dtype=torch.float64, requires_grad=True)
    ours = attention(x, WindowGeometry.of(size, window, shift, clips, CORRECTED))
    theirs = plain(attention, x, window, shift, clips)
    torch.testing.assert_close(ours, theirs)
    signal = torch.randn_like(ours)
    parameters = [x, *attention.parameters()]
    for a, b in zip(
        torch.autograd.grad(ours, parameters, signal), torch.autograd.grad(theirs, parameters, signal), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_very_many_windows_give_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, x = WindowAttention(8, (2, 3, 5), 2, qkv_bias=True), torch.randn(3, 4, 6, 10, 8)
    geometry = WindowGeometry.of((4, 6, 10), (2, 3, 5), (0, 0, 0), 1, CORRECTED)
    expected = attention(x, geometry)
    monkeypatch.setattr("longtake.model.network.video_blocks.MOST_BATCHES", 10)
    torch.testing.assert_close(attention(x, geometry), expected)


def test_whole_windows_exclude_nothing_and_time_steps_share_what_they_exclude() -> None:
    def excluded(size: Triple, shift: Triple, clips: int) -> tuple[int, ...] | None:
        geometry = WindowGeometry.of(size, (8, 3, 5), shift, clips, CORRECTED)
        mask = window_tensors(geometry.key, torch.device("cpu"), torch.float32)[1]
        return None if mask is None else tuple(mask.shape)

    assert excluded((32, 6, 10), (0, 0, 0), 4) is None
    assert excluded((32, 6, 10), (0, 1, 2), 4) == (1, 4, 120, 120)
    assert excluded((32, 6, 10), (4, 1, 2), 1) == (4, 4, 120, 120)
    assert excluded((30, 6, 10), (0, 0, 0), 1) == (4, 4, 120, 120)


def test_geometry_is_built_once_and_serves_training_after_inference() -> None:
    geometry = WindowGeometry.of((6, 5, 9), (2, 3, 5), (0, 1, 2), 1, CORRECTED)
    with torch.inference_mode():
        first = window_tensors(geometry.key, torch.device("cpu"), torch.float32)
    again = WindowGeometry.of((6, 5, 9), (2, 3, 5), (0, 1, 2), 1, CORRECTED)
    assert window_tensors(again.key, torch.device("cpu"), torch.float32) is first
    attention = WindowAttention(8, (2, 3, 5), 2, qkv_bias=False)
    attention(torch.randn(1, 6, 5, 9, 8), geometry).sum().backward()
    assert attention.relative_position_bias_table.grad is not None


@pytest.mark.parametrize("size", [(5, 64, 96), (4, 60, 90), (3, 61, 97)])
def test_patches_are_those_of_a_padded_convolution(size: Triple) -> None:
    embed = PatchEmbed((2, 8, 8), 3, 4, norm=False, misplaced_padding=False)
    video = torch.randn(2, 3, *size)
    padded = torch.zeros(2, 3, *(-(-n // p) * p for n, p in zip(size, (2, 8, 8), strict=True)))
    padded[:, :, : size[0], : size[1], : size[2]] = video
    torch.testing.assert_close(embed(video), embed.proj(padded).permute(0, 2, 3, 4, 1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("patch", "size", "grid"),
    [
        ((1, 8, 8), (4, 196, 320), (4, 24, 40)),
        ((1, 8, 8), (4, 192, 324), (5, 24, 40)),
        ((1, 8, 8), (4, 190, 318), (5, 23, 39)),
        ((2, 8, 8), (4, 24, 44), (3, 3, 5)),
        ((2, 8, 8), (4, 25, 40), (2, 4, 5)),
        ((2, 8, 8), (4, 26, 40), (2, 3, 5)),
        ((2, 8, 8), (5, 24, 40), (2, 3, 5)),
    ],
)
def test_official_patch_padding_is_as_measured(patch: Triple, size: Triple, grid: Triple) -> None:
    embed = PatchEmbed(patch, 3, 4, norm=True, misplaced_padding=OFFICIAL.misplaced_patch_padding)
    assert embed(torch.zeros(1, 3, *size)).shape[1:4] == grid


def test_merge_joins_columns_first_and_fills_odd_sizes_with_zeros() -> None:
    merge = PatchMerging(2)
    merge.norm = torch.nn.Identity()  # type: ignore[assignment]
    merge.reduction = torch.nn.Identity()  # type: ignore[assignment]
    x = torch.arange(3 * 3).float().view(1, 1, 3, 3, 1).repeat(1, 1, 1, 1, 2)
    assert merge(x)[0, 0, 0, 0, ::2].tolist() == [0, 3, 1, 4]
    assert merge(x)[0, 0, 1, 1, ::2].tolist() == [8, 0, 0, 0]


def test_drop_path_keeps_the_mean_and_drops_whole_samples() -> None:
    drop = DropPath(0.25).train()
    out = drop(torch.ones(4000, 3))
    assert out.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert (out.amax(1) == out.amin(1)).all()
    assert float(out.mean()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(drop.eval()(out), out)
