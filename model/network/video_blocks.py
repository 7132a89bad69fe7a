"""The parts of the video encoder: window attention, transformer block, patch embedding and patch merging.

Maps are (B, T, H, W, C) throughout. Modules have the names of the released weights.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtake.model.network import window_passes
from longtake.model.network.compat import CORRECTED, Compat
from longtake.model.network.kernels import LayerNorm, Linear, attention, linear
from longtake.model.network.sizes import Window
from longtake.model.network.window_geometry import WindowGeometry, window_tensors
from longtake.model.network.window_passes import add_windows, norm_to_windows

# With more "batches" than this, PyTorch does not use its memory-efficient CUDA kernel (github.com/pytorch/pytorch/pull/146733).
# The other kernel writes every attention matrix to memory.
MOST_BATCHES = 65535


class WindowAttention(nn.Module):
    """Self-attention inside windows with a relative position bias b (Swin, arXiv 2103.14030, eq. 4):

    softmax(q k^T / sqrt(d) + b + m) v. m excludes padding, pairs that only the shift joins, and pairs of different clips.
    """

    def __init__(self, width: int, window: Window, heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        t, h, w = window
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * t - 1) * (2 * h - 1) * (2 * w - 1), heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv = Linear(width, 3 * width, bias=qkv_bias)
        self.proj = Linear(width, width)

    def forward(self, x: Tensor, geometry: WindowGeometry) -> Tensor:
        """(B, T, H, W, C) to (B, T, H, W, C); all windows of all samples in one attention call."""
        batch, width = x.shape[0], x.shape[-1]
        padded, shift = geometry.padded, geometry.shift
        if padded != geometry.size:
            t, h, w = (p - s for p, s in zip(padded, geometry.size, strict=True))
            x = F.pad(x, (0, 0, 0, w, 0, h, 0, t))
        if any(shift):
            x = x.roll((-shift[0], -shift[1], -shift[2]), dims=(1, 2, 3))
        # The projection works token by token, so it can come before the windows: one copy then cuts windows and heads.
        qkv: Tensor = self.qkv(x)
        (nt, nh, nw), (wt, wh, ww) = geometry.counts, geometry.window
        d, heads = width // self.heads, self.heads
        qkv = qkv.view(batch, nt, wt, nh, wh, nw, ww, 3, heads, d).permute(7, 0, 1, 3, 5, 8, 2, 4, 6, 9)
        x = self._attended(qkv.flatten(6, 8), geometry)
        x = x.view(batch, nt, nh, nw, heads, wt, wh, ww, d).permute(0, 1, 5, 2, 6, 3, 7, 4, 8)
        x = self.proj(x.reshape(batch, *padded, width))
        if any(shift):
            x = x.roll(shift, dims=(1, 2, 3))
        t, h, w = geometry.size
        return x[:, :t, :h, :w] if padded != geometry.size else x

    def inside(self, x: Tensor, geometry: WindowGeometry) -> Tensor:
        """The same for a map that is already cut: windows (B * windows, n, C) to (B * windows, n, C)."""
        windows, n, width = x.shape
        d, heads = width // self.heads, self.heads
        batch = windows // math.prod(geometry.counts)
        qkv = self.qkv(x).view(batch, *geometry.counts, n, 3, heads, d).permute(5, 0, 1, 2, 3, 6, 4, 7)
        x = self._attended(qkv, geometry)
        # The kernels of CUDA give (B, n, H, d) in memory: this copies only where windows had become "heads".
        x = x.view(x.shape[0], -1, heads, n, d).transpose(2, 3).reshape(windows, n, width)
        x = self.proj(x)
        return x

    def _attended(self, qkv: Tensor, geometry: WindowGeometry) -> Tensor:
        """Attention of `qkv` (3, B, nt, nh, nw, heads, n, d): (B', H, n, d), in which B' and H together are the five between."""
        batch, nt, nh, nw, heads, n, d = qkv.shape[1:]
        index, excluded = window_tensors(geometry.key, qkv.device, qkv.dtype)
        table = self.relative_position_bias_table.to(qkv.dtype)
        bias = table.t().index_select(1, index).view(1, heads, n, n)
        lead = (batch * nt * nh * nw, heads)
        if excluded is not None:
            # 1 or nt. Windows with different exclusions become "heads" of one batch entry.
            steps = excluded.shape[0]
            bias = (bias.unsqueeze(0) + excluded.unsqueeze(2)).view(1, steps * nh * nw * heads, n, n)
            lead = (batch * nt // steps, steps * nh * nw * heads)
        elif lead[0] > MOST_BATCHES:
            bias, lead = bias.repeat(1, nh * nw, 1, 1), (batch * nt, nh * nw * heads)
        return attention(qkv.reshape(3, *lead, n, d), bias)


class Mlp(nn.Module):
    """Two linear layers around an exact GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden)
        self.fc2 = Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        x = self.fc2(F.gelu(self.fc1(x)))
        return x


class DropPath(nn.Module):
    """Drops a residual branch for a share of the samples, and scales it up for the others (arXiv 1603.09382)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) to (B, ...)."""
        if not self.training or self.rate == 0.0:
            return x
        return x * self.scales(x).view(-1, *[1] * (x.ndim - 1)).to(x.dtype)

    def scales(self, x: Tensor) -> Tensor:
        """The factor of each sample of `x` (B, ...), (B,) in float32."""
        if not self.training or self.rate == 0.0:
            return x.new_ones(x.shape[0], dtype=torch.float32)
        return (torch.rand(x.shape[0], device=x.device) >= self.rate) / (1.0 - self.rate)


class VideoBlock(nn.Module):
    """A pre-norm transformer block: x + attention(norm1(x)), then x + mlp(norm2(x))."""

    def __init__(
        self, width: int, window: Window, shift: Window, heads: int, mlp_ratio: float, qkv_bias: bool, drop_path: float
    ) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = LayerNorm(width)
        self.attn = WindowAttention(width, window, heads, qkv_bias)
        self.drop_path = DropPath(drop_path)
        self.norm2 = LayerNorm(width)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.fused = False  # use the kernels of window_passes where they run

    def forward(self, x: Tensor, clips: int, compat: Compat) -> Tensor:
        """(B, T, H, W, C) to (B, T, H, W, C)."""
        size = (x.shape[1], x.shape[2], x.shape[3])
        geometry = WindowGeometry.of(size, self.window, self.shift, clips, compat)
        if self.fused and window_passes.usable(x):
            return self._in_fused_passes(x, geometry)
        x = x + self.drop_path(self.attn(self.norm1(x), geometry))
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return x

    def _in_fused_passes(self, x: Tensor, geometry: WindowGeometry) -> Tensor:
        attended = self.attn.inside(norm_to_windows(x, self.norm1, geometry), geometry)
        x = add_windows(x, attended, self.drop_path.scales(x), geometry)
        whole = WindowGeometry.of(geometry.size, geometry.size, (0, 0, 0), 1, CORRECTED)  # one window: nothing moves
        return add_windows(x, self.mlp(norm_to_windows(x, self.norm2, whole)), self.drop_path.scales(x), whole)


class PatchMerging(nn.Module):
    """Joins 2x2 tokens of a frame: Linear_{4C->2C}(LN([x_00, x_10, x_01, x_11])), odd sizes padded with zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = Linear(4 * width, 2 * width, bias=False)
        self.norm = LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) to (B, T, ceil(H / 2), ceil(W / 2), 2C)."""
        batch, frames, rows, columns, width = x.shape
        if rows % 2 or columns % 2:
            x = F.pad(x, (0, 0, 0, columns % 2, 0, rows % 2))
        x = x.reshape(batch, frames, x.shape[2] // 2, 2, x.shape[3] // 2, 2, width)
        # Column before row: the released weights (and Swin's) expect the four tokens in this order.
        x = x.permute(0, 1, 2, 4, 5, 3, 6).reshape(batch, frames, x.shape[2], x.shape[4], 4 * width)
        x = self.reduction(self.norm(x))
        return x


class PatchEmbed(nn.Module):
    """Cuts a video into patches of (t, h, w) pixels and embeds each: a convolution with stride = kernel, then LN."""

    def __init__(self, patch: Window, channels: int, width: int, norm: bool, misplaced_padding: bool) -> None:
        super().__init__()
        self.patch = patch
        self.misplaced_padding = misplaced_padding
        self.proj = nn.Conv3d(channels, width, kernel_size=patch, stride=patch)
        self.norm = LayerNorm(width) if norm else None

    def forward(self, video: Tensor) -> Tensor:
        """(B, 3, N, height, width) to (B, T, H, W, C), sizes rounded up to whole patches."""
        video = self._padded(video)
        batch, channels = video.shape[:2]
        t, h, w = (size // patch for size, patch in zip(video.shape[2:], self.patch, strict=True))
        pt, ph, pw = self.patch
        # A convolution whose stride equals its kernel is one matrix product over the patches. It is faster than Conv3d on
        # CPU, equal on GPU, and its output needs no transposition to channels-last.
        patches = video[:, :, : t * pt, : h * ph, : w * pw].reshape(batch, channels, t, pt, h, ph, w, pw)
        patches = patches.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(batch, t, h, w, channels * pt * ph * pw)
        x = linear(patches, self.proj.weight.flatten(1), self.proj.bias)
        return x if self.norm is None else self.norm(x)

    def _padded(self, video: Tensor) -> Tensor:
        frames, height, width = video.shape[2:]
        pt, ph, pw = self.patch
        if not self.misplaced_padding:
            t, h, w = (-frames % pt, -height % ph, -width % pw)
            return F.pad(video, (0, w, 0, h, 0, t)) if t or h or w else video
        # The released code tests the wrong axes and pads time for the width (BEHAVIOUR 1h); the rest is cut off.
        if height % pt:
            video = F.pad(video, (0, 0, 0, ph - height % ph))
        if width % ph:
            video = F.pad(video, (0, 0, 0, 0, 0, pt - frames % pt))
        return video
