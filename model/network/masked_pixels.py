"""Masked pixels (SimMIM, arXiv 2111.09886; for video and text VIOLETv2, arXiv 2209.01540): blocks of a video are hidden from the
encoder, and a linear layer on its last map tells their colours.

A hidden patch gets a learned token before the first window, so none of its pixels reaches the encoder. A block is hidden in all
frames: another frame would show it. The contrast sees the same masked videos, which costs no second pass.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtake.model.network.sizes import VideoSize, Window


class MaskedPixels(nn.Module):
    """The token in place of hidden patches, and the layer that predicts each patch's mean red, green and blue."""

    def __init__(self, size: VideoSize) -> None:
        super().__init__()
        self.patch, self.across = size.patch, 2 ** len(size.merges)  # patches along a side of a token of the last map
        self.token = nn.Parameter(torch.empty(size.embed_dim))
        self.head = nn.Linear(size.out_width, self.across**2 * size.channels)
        nn.init.trunc_normal_(self.token, std=0.02)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, features: Tensor) -> Tensor:
        """The last map (B, T, H, W, C) to colours (B, T, s H, s W, 3) for s patches along a side of its tokens."""
        batch, frames, rows, columns = features.shape[:4]
        found: Tensor = self.head(features).view(batch, frames, rows, columns, self.across, self.across, -1)
        return found.permute(0, 1, 2, 4, 3, 5, 6).reshape(batch, frames, rows * self.across, columns * self.across, -1)

    def loss(self, colours: Tensor, video: Tensor, hidden: Tensor) -> Tensor:
        """Mean |difference| over the hidden patches: of `colours` as above and `video` (B, 3, N, height, width).

        The colour of a patch that the picture does not fill is the mean of the pixels that it has.
        """
        rows, columns = hidden.shape[1:]
        wanted = F.avg_pool3d(video.float(), self.patch, ceil_mode=True).permute(0, 2, 3, 4, 1)
        off = (colours[:, :, :rows, :columns].float() - wanted).abs().mean((1, 4))
        return (off * hidden).sum() / hidden.sum().clamp(min=1)


def hidden_patches(
    videos: int, height: int, width: int, patch: Window, block: int, share: float, generator: torch.Generator
) -> Tensor:
    """Draw which patches of each video are hidden, in squares of `block` pixels: (videos, H, W), true where hidden.

    The share of squares is the same in all videos, rounded, and never none or all. `generator` is on the CPU.
    """
    rows, columns = -(-height // block), -(-width // block)
    wanted = min(max(round(share * rows * columns), 1), rows * columns - 1)
    ranks = torch.rand(videos, rows * columns, generator=generator).argsort(1).argsort(1)
    squares = (ranks < wanted).view(videos, rows, columns)
    whole = squares.repeat_interleave(block // patch[1], 1).repeat_interleave(block // patch[2], 2)
    return whole[:, : -(-height // patch[1]), : -(-width // patch[2])]
