"""The video encoder of LF-VILA written the plain way, as public Video Swin code is: what `htwa.py` compares ours with.

Windows are cut out with view, permute and contiguous before the projection, and put back after it; the attention matrix of
each block is written out, then the bias, gathered from its table in each forward pass, is added to it, then the mask, then
softmax. Masks are kept from pass to pass, as there. Parameters are named as ours, so that ours can be loaded. Sizes must be
whole windows wherever the map is larger than a window; base at 192x320 with 32, 64 or 128 frames is.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtake.model.network.sizes import VideoSize, Window


def window_partition(x: Tensor, window: Window) -> Tensor:
    """(B, T, H, W, C) to (B * windows, tokens, C)."""
    b, t, h, w, c = x.shape
    x = x.view(b, t // window[0], window[0], h // window[1], window[1], w // window[2], window[2], c)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).contiguous().view(-1, window[0] * window[1] * window[2], c)


def window_reverse(windows: Tensor, window: Window, size: tuple[int, ...]) -> Tensor:
    """(B * windows, tokens, C) to (B, T, H, W, C)."""
    b, t, h, w = size
    x = windows.view(b, t // window[0], h // window[1], w // window[2], *window, -1)
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).contiguous().view(b, t, h, w, -1)


def fit(size: tuple[int, ...], window: Window, shift: Window) -> tuple[Window, Window]:
    """Window and shift of a map: an axis that is not longer than its window is one window, unshifted."""
    used = [min(s, w) for s, w in zip(size, window, strict=True)]
    moved = [0 if s <= w else m for s, w, m in zip(size, window, shift, strict=True)]
    return (used[0], used[1], used[2]), (moved[0], moved[1], moved[2])


@lru_cache
def attention_mask(size: tuple[int, int, int], window: Window, shift: Window, device: torch.device) -> Tensor:
    """(windows, tokens, tokens): -100 between regions that only the shift brought together."""
    image = torch.zeros((1, *size, 1), device=device)
    count = 0
    for t in slice(-window[0]), slice(-window[0], -shift[0]), slice(-shift[0], None):
        for h in slice(-window[1]), slice(-window[1], -shift[1]), slice(-shift[1], None):
            for w in slice(-window[2]), slice(-window[2], -shift[2]), slice(-shift[2], None):
                image[:, t, h, w, :] = count
                count += 1
    regions = window_partition(image, window).squeeze(-1)
    mask = regions.unsqueeze(1) - regions.unsqueeze(2)
    return mask.masked_fill(mask != 0, -100.0).masked_fill(mask == 0, 0.0)


class WindowAttention(nn.Module):
    """Attention of windows with a relative position bias."""

    relative_position_index: Tensor

    def __init__(self, width: int, window: Window, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        t, h, w = window
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * t - 1) * (2 * h - 1) * (2 * w - 1), heads))
        axes = torch.stack(torch.meshgrid(torch.arange(t), torch.arange(h), torch.arange(w), indexing="ij")).flatten(1)
        offset = (axes[:, :, None] - axes[:, None, :]).permute(1, 2, 0).contiguous()
        offset = (offset + torch.tensor([t - 1, h - 1, w - 1])) * torch.tensor(
            [(2 * h - 1) * (2 * w - 1), 2 * w - 1, 1]
        )
        self.register_buffer("relative_position_index", offset.sum(-1), persistent=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B * windows, tokens, C) to the same shape."""
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        q = q * self.scale
        attn = q @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index[:n, :n].reshape(-1)].reshape(n, n, -1)
        attn = attn + bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if mask is not None:
            windows = mask.shape[0]
            attn = attn.view(b // windows, windows, self.heads, n, n) + mask.to(attn.dtype).unsqueeze(1).unsqueeze(0)
            attn = attn.view(-1, self.heads, n, n)
        attn = F.softmax(attn, dim=-1).to(v.dtype)
        x = (attn @ v).transpose(1, 2).reshape(b, n, c)
        x = self.proj(x)
        return x


class Mlp(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        x = self.fc2(self.act(self.fc1(x)))
        return x


class DropPath(nn.Module):
    """As in timm."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) to (B, ...)."""
        if self.rate == 0.0 or not self.training:
            return x
        kept = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(1 - self.rate)
        return x * kept.div_(1 - self.rate)


class Block(nn.Module):
    """x + attention(norm1(x)), then x + mlp(norm2(x))."""

    def __init__(
        self, width: int, window: Window, shift: Window, heads: int, mlp_ratio: float, drop_path: float
    ) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, window, heads)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) to (B, T, H, W, C)."""
        batch, *size = x.shape[:4]
        window, shift = fit(tuple(size), self.window, self.shift)
        shortcut = x
        x = self.norm1(x)
        mask = None
        if any(shift):
            x = torch.roll(x, shifts=(-shift[0], -shift[1], -shift[2]), dims=(1, 2, 3))
            mask = attention_mask((size[0], size[1], size[2]), window, shift, x.device)
        x = self.attn(window_partition(x, window), mask)
        x = window_reverse(x, window, (batch, *size))
        if any(shift):
            x = torch.roll(x, shifts=shift, dims=(1, 2, 3))
        x = shortcut + self.drop_path(x)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchMerging(nn.Module):
    """Joins 2x2 tokens of a frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) to (B, T, H / 2, W / 2, 2C), odd sizes filled up."""
        if x.shape[2] % 2 or x.shape[3] % 2:
            x = F.pad(x, (0, 0, 0, x.shape[3] % 2, 0, x.shape[2] % 2))
        corners = [x[:, :, row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
        x = self.reduction(self.norm(torch.cat(corners, -1)))
        return x


class PatchEmbed(nn.Module):
    """A convolution, then LN over channels."""

    def __init__(self, size: VideoSize) -> None:
        super().__init__()
        self.proj = nn.Conv3d(size.channels, size.embed_dim, kernel_size=size.patch, stride=size.patch)
        self.norm = nn.LayerNorm(size.embed_dim)

    def forward(self, video: Tensor) -> Tensor:
        """(B, 3, N, height, width) to (B, T, H, W, C)."""
        x = self.proj(video)
        t, h, w = x.shape[2:]
        return self.norm(x.flatten(2).transpose(1, 2)).view(x.shape[0], t, h, w, -1)


class Layer(nn.Module):
    """Blocks, every second one shifted, then a merge where there is one."""

    def __init__(self, size: VideoSize, layer: int, drop_path: list[float]) -> None:
        super().__init__()
        window = size.windows[layer]
        shift = (0, window[1] // 2, window[2] // 2)
        width = size.width(layer)
        self.blocks = nn.ModuleList(
            Block(width, window, shift if i % 2 else (0, 0, 0), size.heads[layer], size.mlp_ratio, rate)
            for i, rate in enumerate(drop_path)
        )
        self.downsample = PatchMerging(width) if layer in size.merges else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) to (B, T, H, W, C), or half as high and wide."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class PlainEncoder(nn.Module):
    """The encoder; loads the weights of `longtake.model.network.video_encoder.VideoEncoder`."""

    def __init__(self, size: VideoSize) -> None:
        super().__init__()
        self.tap = size.tap
        self.patch_embed = PatchEmbed(size)
        blocks = sum(size.depths)
        rates = iter([size.drop_path * block / max(blocks - 1, 1) for block in range(blocks)])
        self.layers = nn.ModuleList(Layer(size, i, [next(rates) for _ in range(d)]) for i, d in enumerate(size.depths))
        self.norm = nn.LayerNorm(size.out_width)
        self.local_feat_proj = PatchMerging(size.out_width // 2)
        self.norm_local = nn.LayerNorm(size.out_width)

    def forward(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, N, height, width) to the map of the video and the map of its clips."""
        x: Tensor = self.patch_embed(video)
        clip_map: Tensor | None = None
        for i, layer in enumerate(self.layers):
            if i == self.tap:
                clip_map = self.norm_local(self.local_feat_proj(x))
            x = layer(x)
        x = self.norm(x)
        return x, x if clip_map is None else clip_map
