"""The passes over memory around the windows, each as one kernel: layer norm + shift + windows, and the way back + residual.

In eager mode these are nine passes (layer norm in float32, cast, roll, copy; and back), and they bound the speed of a GPU
(docs/training.md). Without Triton, or on a CPU, nothing here is used: `VideoBlock` has the same steps in PyTorch.
"""

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from longtake.model.network.window_geometry import WindowGeometry

_ELEMENTS = 4096  # of a tile: rows x width
_PROGRAMS = 1024  # most programs that sum up the gradients of weight and bias


def usable(x: Tensor) -> bool:
    """Return whether the kernels run where `x` is: on CUDA, or anywhere under Triton's interpreter. Inside torch.compile they
    are not used, since its compiler joins these passes itself."""
    return (
        _has_triton() and (x.is_cuda or os.environ.get("TRITON_INTERPRET") == "1") and not torch.compiler.is_compiling()
    )


def norm_to_windows(x: Tensor, norm: nn.LayerNorm, geometry: WindowGeometry) -> Tensor:
    """Return LN(x) of a map (B, T, H, W, C), shifted and cut: (B * windows, tokens, C), zeros for padding.

    The result has autocast's dtype if that is on, else that of `x`.
    """
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    out: Tensor = _Norm.apply(x, norm.weight, norm.bias, norm.eps, geometry, dtype)  # type: ignore[no-untyped-call]
    return out


def add_windows(x: Tensor, y: Tensor, scales: Tensor, geometry: WindowGeometry) -> Tensor:
    """Return x + scales * y for a map (B, T, H, W, C), windows `y` (B * windows, tokens, C), and `scales` (B,) of samples."""
    out: Tensor = _Add.apply(x, y, scales, geometry)  # type: ignore[no-untyped-call]
    return out


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, geometry: WindowGeometry, dtype: torch.dtype
    ) -> Tensor:
        x, width = x.contiguous(), x.shape[-1]
        windows = _windows(x, geometry)
        rows = windows * geometry.tokens
        out = x.new_empty(windows, geometry.tokens, width, dtype=dtype)
        means, rstds = (x.new_empty(rows, dtype=torch.float32) for _ in range(2))
        block, tile = _tile(width)
        _kernels().norm_forward[(-(-rows // tile),)](
            x, weight, bias, out, means, rstds, rows, eps, _sizes(geometry), width, block, tile
        )
        ctx.save_for_backward(x, weight, means, rstds)
        ctx.geometry = geometry
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, means, rstds = ctx.saved_tensors
        rows, width = len(means), x.shape[-1]
        block, tile = _tile(width)
        tiles = -(-rows // tile)
        turns = -(-tiles // _PROGRAMS)
        programs = -(-tiles // turns)
        dx = torch.empty_like(x)  # every token is in one window
        dweights, dbiases = (x.new_empty(programs, width, dtype=torch.float32) for _ in range(2))
        _kernels().norm_backward[(programs,)](
            x, weight, grad.contiguous(), means, rstds, dx, dweights, dbiases, rows,
            _sizes(ctx.geometry), width, block, tile, turns,
        )  # fmt: skip
        return dx, dweights.sum(0).to(weight.dtype), dbiases.sum(0).to(weight.dtype), None, None, None


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, scales: Tensor, geometry: WindowGeometry) -> Tensor:
        x, width = x.contiguous(), x.shape[-1]
        rows = y.shape[0] * y.shape[1]
        block, tile = _tile(width)
        out = torch.empty_like(x)
        _kernels().add_forward[(-(-rows // tile),)](
            x, y.contiguous(), scales, out, rows, _sizes(geometry), width, block, tile
        )
        ctx.save_for_backward(scales)
        ctx.geometry, ctx.shape, ctx.dtype = geometry, y.shape, y.dtype
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (scales,) = ctx.saved_tensors
        grad, width = grad.contiguous(), grad.shape[-1]
        rows = ctx.shape[0] * ctx.shape[1]
        block, tile = _tile(width)
        dy = grad.new_empty(ctx.shape, dtype=ctx.dtype)
        _kernels().add_backward[(-(-rows // tile),)](grad, scales, dy, rows, _sizes(ctx.geometry), width, block, tile)
        return grad, dy, None, None


def _windows(x: Tensor, geometry: WindowGeometry) -> int:
    t, h, w = geometry.counts
    return x.shape[0] * t * h * w


def _sizes(geometry: WindowGeometry) -> tuple[tuple[int, int, int], ...]:
    return geometry.size, geometry.padded, geometry.window, geometry.shift


def _tile(width: int) -> tuple[int, int]:
    """Columns (a power of two) and rows of a tile."""
    block = 1 << (width - 1).bit_length()
    return block, max(_ELEMENTS // block, 1)


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def _kernels() -> Any:
    return import_module("longtake.model.network.window_triton")
