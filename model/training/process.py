"""This process among those of a training: its rank and device, and what it agrees on with the others (torchrun)."""

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
    """One of `ranks` processes."""

    rank: int
    ranks: int
    device: torch.device
    # What the ranks agree on goes over the CPU, so that no rank waits for its GPU to catch up. None: the default group.
    group: Any = None

    @property
    def leads(self) -> bool:
        """Whether it is this one that writes and prints."""
        return self.rank == 0

    def any(self, here: bool) -> bool:
        """Whether it is true on any rank; all must call it."""
        return bool(self._largest(int(here)))

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
            dist.barrier(self.group)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What fails inside for people on one rank ends all: the first rank that failed raises its error, others just exit.

        All must enter it; nothing inside may wait for other ranks.
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
    """End this process without a word, once the rank that explains the failure had time to do so.

    torchrun ends all processes as soon as the first one has ended; so does the scheduler, where there is no torchrun.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(10)
    raise SystemExit(code)


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
    # The limit covers the first rank's saving and another's longer evaluation, which the others wait for.
    limit = timedelta(minutes=30)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=limit)
    try:
        yield Process(rank, ranks, here, dist.new_group(backend="gloo", timeout=limit) if kind == "cuda" else None)
    finally:
        # Gloo's thread needs Python's lock to let go of the last tensors, and the group's destructor waits for that thread
        # with the lock held, wherever the last reference goes: without this pause a process hangs at its end, once in a while.
        time.sleep(0.5)
        dist.destroy_process_group()
