"""Where the windows of a feature map lie, which tokens of a window may see each other, and which bias joins them.

A few integers decide all of it, so it is computed once per geometry, device and dtype, and kept.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from longtake.model.network.compat import Compat
from longtake.model.network.sizes import Window

# Added to the score of an excluded pair. It is large enough for a weight of exactly 0 in every dtype, and fits float16. It is
# finite, because windows with nothing but padding would otherwise give NaN.
EXCLUDED = -1e4
SOFT_EXCLUDED = -100.0  # in the released code (BEHAVIOUR 1g)


@dataclass(frozen=True)
class WindowGeometry:
    """The windows of one block over a map of `size` = (T, H, W) tokens, after clipping.

    An axis that is not longer than its window has one window and no shift (BEHAVIOUR 1d).
    """

    size: Window
    full_window: Window  # before clipping, as in the bias table
    window: Window
    shift: Window
    clips: int  # frames of different clips exclude each other; 1: none do
    attend_to_padding: bool
    soft_shift_mask: bool
    unclipped_bias_index: bool

    @classmethod
    def of(cls, size: Window, window: Window, shift: Window, clips: int, compat: Compat) -> "WindowGeometry":
        """Clip `window` and `shift` to `size`."""
        fits = tuple(s <= w for s, w in zip(size, window, strict=True))
        clipped = tuple(s if fit else w for s, w, fit in zip(size, window, fits, strict=True))
        moved = tuple(0 if fit else s for s, fit in zip(shift, fits, strict=True))
        return cls(
            size=size,
            full_window=window,
            window=(clipped[0], clipped[1], clipped[2]),
            shift=(moved[0], moved[1], moved[2]),
            clips=1 if compat.windows_cross_clips else clips,
            attend_to_padding=compat.attend_to_padding,
            soft_shift_mask=compat.soft_shift_mask,
            unclipped_bias_index=compat.unclipped_bias_index,
        )

    @property
    def key(self) -> "Key":
        """All fields, as plain values."""
        return (
            self.size,
            self.full_window,
            self.window,
            self.shift,
            self.clips,
            self.attend_to_padding,
            self.soft_shift_mask,
            self.unclipped_bias_index,
        )

    @property
    def counts(self) -> Window:
        """Windows along each axis; the last may be filled up with padding."""
        t, h, w = (-(-size // window) for size, window in zip(self.size, self.window, strict=True))
        return t, h, w

    @property
    def padded(self) -> Window:
        """The size rounded up to whole windows."""
        t, h, w = (count * window for count, window in zip(self.counts, self.window, strict=True))
        return t, h, w

    @property
    def tokens(self) -> int:
        """Tokens in one window."""
        return self.window[0] * self.window[1] * self.window[2]


def clip_starts(frames: int, clips: int) -> list[int]:
    """Return each clip's first frame, then the frame count. Clip k holds frames floor(k N / M) .. floor((k+1) N / M) - 1."""
    if not 0 < clips <= frames:
        raise ValueError(f"{frames} frames cannot be cut into {clips} clips")
    return [k * frames // clips for k in range(clips + 1)]


def clip_of_frame(frames: int, clips: int) -> Tensor:
    """Return the clip of each frame, (frames,)."""
    starts = torch.tensor(clip_starts(frames, clips))
    return torch.repeat_interleave(torch.arange(clips), starts.diff())


def bias_index(geometry: WindowGeometry) -> Tensor:
    """Return the row of the relative position bias table for each pair of tokens of a window, (N * N,).

    With a window of (t, h, w) and offsets (dt, dh, dw) between query and key, row =
    ((dt + t - 1) (2h - 1) + dh + h - 1) (2w - 1) + dw + w - 1 (Video Swin Transformer, arXiv 2106.13230).
    """
    t, h, w = geometry.full_window
    # The released code takes the corner of the full window's index. This is right only if time alone is clipped.
    extent = geometry.full_window if geometry.unclipped_bias_index else geometry.window
    axes = torch.meshgrid(*(torch.arange(length) for length in extent), indexing="ij")
    dt, dh, dw = (axis.flatten()[:, None] - axis.flatten()[None, :] for axis in axes)
    rows = ((dt + t - 1) * (2 * h - 1) + dh + h - 1) * (2 * w - 1) + dw + w - 1
    return rows[: geometry.tokens, : geometry.tokens].reshape(-1)


def exclusion(geometry: WindowGeometry) -> Tensor | None:
    """Return the term that is added to scores and bias: (G, W, N, N) in float32, or None if nothing is excluded.

    W is the number of windows of one time step, in row-major order. G is the number of windows along time, or 1 if all
    steps exclude the same pairs.
    """
    regions, clips, real = [], [], []
    for axis in range(3):
        size, padded = geometry.size[axis], geometry.padded[axis]
        window, shift = geometry.window[axis], geometry.shift[axis]
        place = torch.arange(padded)
        source = (place + shift) % padded  # which token the shift has brought here
        # Tokens that wrapped around are no neighbours of the others. Only the last window holds both kinds.
        regions.append((place >= padded - shift).long().view(-1, window))
        real.append((source < size).view(-1, window))
        if axis == 0 and geometry.clips > 1:
            owner = clip_of_frame(size, geometry.clips)
            clips.append(owner[source.clamp(max=size - 1)].view(-1, window))
        else:
            clips.append(torch.zeros_like(regions[-1]))

    def windows(axes: list[Tensor], radix: int) -> Tensor:
        t, h, w = axes
        joint = (t[:, None, None, :, None, None] * radix + h[None, :, None, None, :, None]) * radix
        joint = joint + w[None, None, :, None, None, :]
        return joint.reshape(t.shape[0], h.shape[0] * w.shape[0], geometry.tokens)

    region, owner = windows(regions, 2), windows(clips, 1)
    padding = windows([(~axis).long() for axis in real], 2) > 0
    score = torch.zeros(*region.shape, geometry.tokens)
    apart = region[..., :, None] != region[..., None, :]
    score.masked_fill_(apart, SOFT_EXCLUDED if geometry.soft_shift_mask else EXCLUDED)
    score.masked_fill_(owner[..., :, None] != owner[..., None, :], EXCLUDED)
    if not geometry.attend_to_padding:
        score.masked_fill_(padding[..., None, :], EXCLUDED)
    if not score.any():
        return None
    return score[:1].clone() if bool((score == score[:1]).all()) else score


Key = tuple[Window, Window, Window, Window, int, bool, bool, bool]


@lru_cache(maxsize=512)
def _tensors(key: Key, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    geometry = WindowGeometry(*key)
    # Not in inference mode: a later training step could not save an inference tensor for its backward pass.
    with torch.inference_mode(False), torch.no_grad():
        added = exclusion(geometry)
        return bias_index(geometry).to(device), None if added is None else added.to(device, dtype)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def window_tensors(key: Key, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Return `bias_index` and `exclusion` of `WindowGeometry(*key)` on a device, from the cache.

    torch.compile takes them as constants: its graph does not break here, and no step builds them again. It can pass only
    plain values, hence the key.
    """
    return _tensors(key, device, dtype)
