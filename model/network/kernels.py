"""Linear layers, layer norms and attention with a learned bias, by PyTorch's best kernel for each device.

On CUDA these are `F.linear` and `F.scaled_dot_product_attention`. On the CPU, PyTorch has faster ways to the same result
(docs/benchmarks.md):

* `F.linear` in float32 calls MKL, which uses only AVX2 on processors other than Intel's. A 1x1 convolution over the same
  memory calls oneDNN, which uses AVX-512 there and is twice as fast.
* `F.scaled_dot_product_attention` writes all attention matrices to memory, more than once, if the bias needs a gradient.
  `_Attention` works on pieces that stay in the cache, and computes the matrices again in the backward pass.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

# PyTorch gives 1x1 convolutions of 16 or more "images" to oneDNN. With too few tokens the setup costs more than it saves.
IMAGES, LEAST_TOKENS = 16, 256
ONE_DNN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
# Devices whose layer norm for bfloat16 sums the gradients of weight and bias in bfloat16: far off over many rows.
NARROW_SUMS = ("cpu",)
CACHE = 1 << 18  # elements of the attention matrices in one piece: 1 MiB of float32


class Linear(nn.Linear):
    """x W^T + b, with the parameters of `torch.nn.Linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return linear(x, self.weight, self.bias)


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm`, which autocast on CUDA runs in float32: it writes 4 bytes a number, for the passes after it too.

    With `narrow`, bfloat16 stays bfloat16, weights rounded to it like those of linear layers. Sums are in float32 either way.
    """

    narrow = False

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        if not self.narrow or x.dtype != torch.bfloat16:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            if x.device.type in NARROW_SUMS:
                wide = F.layer_norm(x.float(), self.normalized_shape, weight.float(), bias.float(), self.eps)
                return wide.to(x.dtype)
            return F.layer_norm(x, self.normalized_shape, weight, bias, self.eps)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x W^T + b (..., out) for x (..., in), `weight` W (out, in) and `bias` b."""
    width = x.shape[-1]
    tokens = x.numel() // width
    on_cpu = x.device.type == "cpu" and x.dtype == torch.float32 and ONE_DNN
    if not on_cpu or tokens < LEAST_TOKENS or tokens % IMAGES:
        return F.linear(x, weight, bias)
    images = x.reshape(IMAGES, tokens // IMAGES, 1, width).permute(0, 3, 1, 2)  # channels last: nothing is copied
    out: Tensor = F.conv2d(images, weight[:, :, None, None], bias)
    return out.permute(0, 2, 3, 1).reshape(*x.shape[:-1], weight.shape[0])


def attention(qkv: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v, for `qkv` (3, B, H, N, d) and `bias` (1, H, N, N): (B, H, N, d)."""
    if qkv.device.type != "cpu" or qkv.dtype not in (torch.float32, torch.float64) or torch.compiler.is_compiling():
        q, k, v = qkv.unbind(0)
        return pinned_attention(q, k, v, bias)
    out: Tensor = _Attention.apply(qkv, bias)  # type: ignore[no-untyped-call]
    return out


def pinned_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, dropout: float = 0.0) -> Tensor:
    """`F.scaled_dot_product_attention`, on CUDA by the kernels that take any mask. PyTorch would ask cuDNN first where the mask
    needs no gradient; small windows and folded heads are unproven there, and it raises on what it does not support."""
    if not q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)


class _Attention(torch.autograd.Function):
    """Computes `attention` on a few matrices at a time."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, bias: Tensor) -> Tensor:
        qkv = qkv.contiguous()
        ctx.save_for_backward(qkv, bias)
        out = torch.empty_like(qkv[0])
        for _, q, k, v, piece, o in _pieces(qkv, bias, out):
            torch.bmm(_weights(q, k, piece), v, out=o)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        qkv, bias = ctx.saved_tensors
        d_qkv, scale = torch.empty_like(qkv), qkv.shape[-1] ** -0.5
        d_bias = torch.zeros_like(bias) if ctx.needs_input_grad[1] else None
        for heads, q, k, v, piece, do, dq, dk, dv in _pieces(qkv, bias, grad.contiguous(), *d_qkv.unbind(0)):
            p = _weights(q, k, piece)
            torch.bmm(p.transpose(1, 2), do, out=dv)
            ds = torch._softmax_backward_data(torch.bmm(do, v.transpose(1, 2)), p, -1, p.dtype)
            torch.baddbmm(dq, ds, k, beta=0, alpha=scale, out=dq)
            torch.baddbmm(dk, ds.transpose(1, 2), q, beta=0, alpha=scale, out=dk)
            if d_bias is not None:
                d_bias[0, heads] += ds.view(-1, *d_bias[0, heads].shape).sum(0)
        return d_qkv, d_bias


def _weights(q: Tensor, k: Tensor, bias: Tensor) -> Tensor:
    """The attention matrices (G, N, N) of q and k (G, N, d)."""
    scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5)
    return torch.softmax(scores, -1, out=scores)


def _pieces(qkv: Tensor, bias: Tensor, *others: Tensor) -> Iterator[Any]:
    """Yield for each piece its heads, then (G, N, ...) of each tensor. Cut along B; also along H if one of B fills the cache."""
    batch, heads, n = qkv.shape[1:4]
    most = max(CACHE // (n * n), 1)
    rows, columns = max(most // heads, 1), min(most, heads)
    for column in range(0, heads, columns):
        chosen = slice(column, column + columns)
        piece = bias[:, chosen].expand(min(rows, batch), -1, -1, -1).flatten(0, 1)
        for row in range(0, batch, rows):
            parts = [x[row : row + rows, chosen].flatten(0, 1) for x in (*qkv.unbind(0), *others)]
            yield chosen, *parts[:3], piece[: len(parts[0])], *parts[3:]
