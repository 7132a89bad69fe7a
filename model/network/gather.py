"""Features of all ranks, with the same gradient as in one process with the whole batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_alone = False  # a plain value: torch.compile cannot trace a ContextVar


def ranks() -> int:
    """Return how many processes compute the losses together."""
    if _alone:
        return 1
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@contextmanager
def alone() -> Iterator[None]:
    """Compute losses over this rank's batch alone, without waiting for other ranks."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        ctx.rows = local.shape[0]
        parts = [torch.empty_like(local) for _ in range(ranks())]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # Each rank computes the whole loss, and its gradient here belongs to its own copy. The sum is `ranks()` times the
        # gradient of one loss; DistributedDataParallel's average removes this factor (facts 4, BEHAVIOUR 4h).
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.rows
        return total[start : start + ctx.rows]


def gather(local: Tensor) -> Tensor:
    """Collect the rows of every rank in rank order: (B, ...) to (B * ranks, ...). B must be the same on every rank.

    Gradients flow back to all ranks. After DistributedDataParallel's average they equal the gradients of the whole batch.
    """
    if ranks() == 1:
        return local
    if not local.is_floating_point():
        parts = [torch.empty_like(local) for _ in range(ranks())]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)
    gathered: Tensor = _Gather.apply(local)  # type: ignore[no-untyped-call]
    return gathered


def mean_over_ranks(total: Tensor, count: Tensor) -> Tensor:
    """Return `total / count`, scaled so that DistributedDataParallel's average is the sum of totals / the sum of counts.

    It is 0 if no rank has anything to count.
    """
    if ranks() > 1:
        count = count.clone()
        dist.all_reduce(count)
    return total * ranks() / count.clamp(min=1)
