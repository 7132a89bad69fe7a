"""From a map of frames to frame tokens, clip vectors, and the video tokens of the fusion layers."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtake.model.network.compat import Compat
from longtake.model.network.sizes import POOL
from longtake.model.network.window_geometry import clip_of_frame


def frame_tokens(x: Tensor, compat: Compat) -> Tensor:
    """Max-pool each frame with stride 1: (B, T, H, W, C) to (B, T, H', W', C), H' = H - 1 and W' = W - 2.

    A map smaller than the pooling window is pooled as a whole; the released code fails there (BEHAVIOUR 1j).
    """
    rows, columns = POOL
    if not compat.reshaped_clips:
        rows, columns = min(rows, x.shape[2]), min(columns, x.shape[3])
    pooled = F.max_pool2d(x.flatten(0, 1).permute(0, 3, 1, 2), (rows, columns), stride=1)
    return pooled.permute(0, 2, 3, 1).reshape(*x.shape[:2], *pooled.shape[2:], x.shape[-1])


def clip_vectors(tokens: Tensor, clips: int, compat: Compat) -> Tensor:
    """Average the frames and tokens of each clip: (B, T, X, C) to (B, M, C).

    If M does not divide T, clips hold whole frames, as evenly as possible; the released code splits frames (BEHAVIOUR 2b).
    """
    batch, frames, _, width = tokens.shape
    if compat.reshaped_clips or frames % clips == 0:
        return tokens.reshape(batch, clips, frames // clips, -1, width).mean(dim=(2, 3))
    owner = F.one_hot(clip_of_frame(frames, clips), clips).to(tokens)  # (T, M)
    return torch.einsum("tm,btc->bmc", owner / owner.sum(0), tokens.mean(2))


class VideoTokenPosition(nn.Module):
    """Makes the video tokens of the fusion layers: LN(x + spatial + temporal position), frame after frame (facts 3b)."""

    def __init__(self, frames: int, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        self.grid = grid
        self.s_pos_embed = nn.Parameter(0.02 * torch.randn(1, 1, grid[0] * grid[1], width))
        self.t_pos_embed = nn.Parameter(0.02 * torch.randn(1, frames, 1, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, H', W', C) to (B, T H' W', C); positions of other sizes are interpolated."""
        batch, frames, rows, columns, width = tokens.shape
        time = self.t_pos_embed.view(1, -1, width)
        if frames != time.shape[1]:
            time = F.interpolate(time.transpose(1, 2), size=frames, mode="linear").transpose(1, 2)
        space = self.s_pos_embed.view(1, *self.grid, width)
        if (rows, columns) != self.grid:
            space = F.interpolate(space.permute(0, 3, 1, 2), size=(rows, columns), mode="bilinear").permute(0, 2, 3, 1)
        x: Tensor = self.norm(tokens + space.unsqueeze(1) + time[:, :, None, None])
        return x.reshape(batch, frames * rows * columns, width)
