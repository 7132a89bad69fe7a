"""This process among those of a training: its rank and device, and what it agrees on with the others (torchrun)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from longtake.schemas.settings import ConfigError


@dataclass(frozen=True)
class Process:
    """One of `ranks` processes."""

    rank: int
    ranks: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether it is this one that writes and prints."""
        return self.rank == 0

    def any(self, here: bool) -> bool:
        """Whether it is true on any rank; all must call it."""
        if self.ranks == 1:
            return here
        flag = torch.tensor(float(here))  # on the CPU, so that asking in every step does not wait for the GPU
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag.item())

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over ranks; all must call it."""
        if self.ranks == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.ranks

    def barrier(self) -> None:
        """Wait for the other ranks."""
        if self.ranks > 1:
            dist.barrier()


@contextmanager
def joined(device: str | None = None) -> Iterator[Process]:
    """Join the group that torchrun's environment describes, or be alone; leave it at the end.

    `device`: "cpu", "cuda" or None for CUDA where there is one. Raises ConfigError for a device that is not there.
    """
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind not in ("cpu", "cuda"):
        raise ConfigError(f"--device {kind}: must be cpu or cuda")
    if kind == "cuda":
        present = torch.cuda.device_count()
        if local >= present:
            raise ConfigError(f"process {local} of this machine has no GPU: {present} found. Start fewer processes.")
        torch.cuda.set_device(local)
    here = torch.device(kind, local) if kind == "cuda" else torch.device("cpu")
    if ranks == 1:
        yield Process(0, 1, here)
        return
    # The limit covers the first rank's evaluation and saving, which the others wait for.
    dist.init_process_group("cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo", timeout=timedelta(minutes=30))
    try:
        yield Process(rank, ranks, here)
    finally:
        dist.destroy_process_group()
