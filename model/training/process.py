"""One process of a training (torchrun): its rank, its device, and how it agrees with the other ranks."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import torch
import torch.distributed as dist

from longtake.schemas.errors import ConfigError, CorpusError


@dataclass(frozen=True)
class Process:
    """One of the `ranks` processes of a training."""

    rank: int
    ranks: int
    device: torch.device
    # Ranks agree over the CPU, so that no rank waits for its GPU to catch up. None: the default group.
    group: Any = None

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def any(self, here: bool) -> bool:
        """Return whether `here` is true on any rank; all ranks must call it."""
        return bool(self._largest(int(here)))

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean over ranks; all ranks must call it."""
        if self.ranks == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.ranks

    def of_first(self, values: tuple[float, ...]) -> list[float]:
        """Return the numbers of the first rank; all ranks must call it."""
        shared = torch.tensor(values, dtype=torch.float64)
        if self.ranks > 1:
            dist.broadcast(shared, 0, group=self.group)
        return [float(value) for value in shared]

    def barrier(self) -> None:
        """Wait for the other ranks."""
        if self.ranks > 1:
            dist.barrier(self.group)

    @contextmanager
    def together(self) -> Iterator[None]:
        """End all ranks if a ConfigError, CorpusError or OSError ends one: the first failed rank raises it, the others just exit.

        All ranks must enter it. Nothing inside may wait for other ranks.
        """
        failed: Exception | None = None
        try:
            yield
        except (ConfigError, CorpusError, OSError) as error:
            failed = error
        speaker = self.ranks - self._largest(self.ranks - self.rank if failed else 0)
        if speaker < self.ranks and self.rank != speaker:
            leave_it_to_another(2 if isinstance(failed, ConfigError) else 1)
        if failed:
            raise failed

    def _largest(self, here: int) -> int:
        if self.ranks == 1:
            return here
        number = torch.tensor(here)
        dist.all_reduce(number, op=dist.ReduceOp.MAX, group=self.group)
        return int(number)


def leave_it_to_another(code: int) -> NoReturn:
    """End this process in silence, after the rank that explains the failure has had time for it.

    torchrun (or, without it, the scheduler) ends all processes as soon as the first one has ended.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(10)
    raise SystemExit(code)


@contextmanager
def joined(device: str | None = None) -> Iterator[Process]:
    """Join the group in torchrun's environment, or run alone; leave the group at the end.

    `device`: "cpu", "cuda" or None for CUDA if there is a GPU. Raises ConfigError for a device that does not exist.
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
    # Ranks wait this long while the first rank saves, or while another rank evaluates longer.
    limit = timedelta(minutes=30)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=limit)
    try:
        yield Process(rank, ranks, here, dist.new_group(backend="gloo", timeout=limit) if kind == "cuda" else None)
    finally:
        # Gloo's thread needs Python's lock to free the last tensors. The group's destructor, wherever it runs, holds the lock
        # and waits for that thread. Without this pause a process sometimes hangs at its end.
        time.sleep(0.5)
        dist.destroy_process_group()
