"""The video encoder: hierarchical temporal window attention (HTWA, LF-VILA, arXiv 2210.06031).

It is a Swin transformer over space. Its windows grow along time (2/4/8/16/16/32 frames); time is never downsampled. Sentences
use the map before the first window that is longer than a clip. The paragraph uses the last map.
"""

from functools import partial
from operator import index
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from longtake.model.network.compat import Compat
from longtake.model.network.sizes import VideoSize
from longtake.model.network.video_blocks import PatchEmbed, PatchMerging, VideoBlock, WindowAttention


class VideoMaps(NamedTuple):
    """The maps that the video encoder returns, both (B, T, H, W, C)."""

    video: Tensor  # has seen the frames of every clip
    clip: Tensor  # each frame has seen its own clip only


class VideoLayer(nn.Module):
    """Blocks over windows of one size. Every second block is shifted. Some layers end with a patch merge."""

    def __init__(self, size: VideoSize, layer: int, drop_path: list[float]) -> None:
        super().__init__()
        t, h, w = window = size.windows[layer]
        shift = (t // 2 if size.temporal_shift else 0, h // 2, w // 2)
        width, heads = size.width(layer), size.heads[layer]
        self.blocks = nn.ModuleList(
            VideoBlock(width, window, shift if i % 2 else (0, 0, 0), heads, size.mlp_ratio, size.qkv_bias, rate)
            for i, rate in enumerate(drop_path)
        )
        self.downsample = PatchMerging(width) if layer in size.merges else None

    def forward(self, x: Tensor, clips: int, compat: Compat, checkpointing: bool = False) -> Tensor:
        """(B, T, H, W, C) to (B, T, H, W, C), or (B, T, H/2, W/2, 2C) with a merge."""
        for block in self.blocks:
            if checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, clips, compat, use_reentrant=False)  # type: ignore[assignment, unused-ignore]
            else:
                x = block(x, clips, compat)
        return x if self.downsample is None else self.downsample(x)


class VideoEncoder(nn.Module):
    """Turns frames into a map of the whole video and a map of its clips."""

    def __init__(self, size: VideoSize, compat: Compat) -> None:
        super().__init__()
        self.size, self.compat = size, compat
        self.checkpointing = False  # recompute each block in the backward pass instead of keeping its activations
        self.patch_embed = PatchEmbed(
            size.patch, size.channels, size.embed_dim, size.patch_norm, compat.misplaced_patch_padding
        )
        blocks = sum(size.depths)
        rates = iter([size.drop_path * block / max(blocks - 1, 1) for block in range(blocks)])
        self.layers = nn.ModuleList(
            VideoLayer(size, i, [next(rates) for _ in range(depth)]) for i, depth in enumerate(size.depths)
        )
        self.norm = nn.LayerNorm(size.out_width)
        # In every size with a tap, the width before the tap is half the final width.
        self.local_feat_proj = PatchMerging(size.out_width // 2)
        self.norm_local = nn.LayerNorm(size.out_width)
        if size.tap is not None and 2 * self._width_before(size.tap) != size.out_width:
            raise ValueError(
                f"the local tap before layer {size.tap} has width {self._width_before(size.tap)}, "
                f"but half of {size.out_width} is needed: choose another local_window"
            )
        self.apply(partial(_initialise, bias_std=size.bias_std))

    def _width_before(self, layer: int) -> int:
        return (
            self.size.width(layer - 1) * (2 if layer - 1 in self.size.merges else 1) if layer else self.size.embed_dim
        )

    def clip_map(self, x: Tensor) -> Tensor:
        """Make the map of the clips from the input of the tap's layer: (B, T, H, W, C/2) to (B, T, H/2, W/2, C)."""
        x = self.norm_local(self.local_feat_proj(x))
        return x

    def forward(
        self, video: Tensor, clips: int = 1, hidden: Tensor | None = None, token: Tensor | None = None
    ) -> VideoMaps:
        """Encode videos (B, 3, N, height, width) of `clips` consecutive clips. `token` (C,) takes the place of patches
        that `hidden` (B, H, W) names, in all frames.

        With the sizes of `BASE`, T = N, H = height / 64 and W = width / 64, rounded up.
        """
        # When a size changes, torch.compile makes it symbolic, and reasons about windows of symbolic size for minutes.
        # `index` makes it a number: one graph for each video size. The windows need this anyway.
        video = video.reshape([index(length) for length in video.shape])
        clips = index(clips)
        x: Tensor = self.patch_embed(video)
        if hidden is not None and token is not None:
            x = torch.where(hidden[:, None, :, :, None], token.to(x.dtype), x)
        tap, clip_map = self.size.tap, None
        for i, layer in enumerate(self.layers):
            if i == tap and (not self.compat.global_map_as_local or tap == len(self.layers) - 1):
                clip_map = self.clip_map(x)
            # Below the tap, frames of two clips never meet, for any length of clips. With windows of 2, 4 and 8 frames
            # and clips of 8 frames this excludes nothing.
            below = tap is not None and i < tap
            x = layer(x, clips if below else 1, self.compat, self.checkpointing)
        x = self.norm(x)
        # Without a tap no window is longer than a clip, so the last map is local too. The released code uses the last map
        # with a tap as well: the layer after the tap overwrites the tap's map (BEHAVIOUR 1b).
        return VideoMaps(video=x, clip=x if clip_map is None else clip_map)


def _initialise(module: nn.Module, bias_std: float) -> None:
    if isinstance(module, WindowAttention):
        nn.init.trunc_normal_(module.relative_position_bias_table, std=bias_std)
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
