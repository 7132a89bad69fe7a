"""One step of the optimiser: its batches, their random draws, the losses, the gradient.

No random state passes from one step to the next: the seed, the step's number and the rank seed each generator. So weights,
optimiser, step and the loader's place are the whole state of a training.
"""

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from longtake.model.data.samples import Batch
from longtake.model.data.task_samples import TaskBatch
from longtake.model.network.fusion_losses import mask_words
from longtake.model.network.lfvila import LFVila
from longtake.model.training.optimizer import learning_rate, make_optimizer
from longtake.model.training.process import Process
from longtake.schemas.train_config import TrainConfig

COUNTS = ("samples", "damaged", "filled")


@dataclass
class Interval:
    """Sums over the steps since the last record."""

    steps: int = 0
    waited_s: float = 0.0
    start: float = field(default_factory=time.monotonic)
    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))

    def add(self, values: dict[str, Tensor], weight: float) -> None:
        """Add values, without waiting for the device."""
        for name, value in values.items():
            value = weight * value.detach().float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def count(self, batch: Batch) -> None:
        """Count a batch's samples."""
        for name, number in zip(COUNTS, (len(batch), len(batch.faults), len(batch.filled)), strict=True):
            self.counts[name] += number


class Stepper:
    """A model and its optimiser. `take` makes one step."""

    def __init__(self, config: TrainConfig, model: LFVila, tokenizer: Any, process: Process) -> None:
        self.config, self.model, self.tokenizer, self.process = config, model, tokenizer, process
        self.optimizer = make_optimizer(model, config.optimizer)
        self._trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self._forward: nn.Module = model

    def prepare(self) -> None:
        """Compile the model if the configuration says so, and join the ranks. Call it once, after the weights are loaded."""
        model = self.model
        model.set_checkpointing(self.config.checkpointing)
        if self.config.compile:
            # The encoders do nearly all of the work. The losses draw from generators, which no graph can hold.
            model.encode_video = torch.compile(model.encode_video)  # type: ignore[method-assign]
            model.encode_text = torch.compile(model.encode_text)  # type: ignore[method-assign]
        if self.process.ranks > 1:
            self._forward = DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)

    def take(self, step: int, steps: int, batches: Iterator[Batch], interval: Interval) -> None:
        """Take step `step` (from 0) of `steps`: `accumulate` batches on each rank, clipping, AdamW."""
        config, parts = self.config, self.config.accumulate
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, config.optimizer)
        for part in range(parts):
            asked = time.monotonic()
            batch = next(batches)
            interval.waited_s += time.monotonic() - asked
            interval.count(batch)
            with self._synchronised(part == parts - 1):
                losses = self._losses(batch, step, part)
                (losses["loss"] / parts).backward()  # type: ignore[no-untyped-call]
            interval.add(losses, 1 / parts)
        norm = nn.utils.clip_grad_norm_(self._trained, config.optimizer.clip_norm or math.inf)
        self.optimizer.step()
        self.optimizer.zero_grad()
        interval.add({"grad_norm": norm}, 1.0)
        interval.steps += 1

    def weights_are_finite(self) -> bool:
        """Return whether all trained weights are finite. A huge step can end that, even after a finite loss and gradient."""
        return bool(torch.stack(torch._foreach_norm(self._trained)).isfinite().all())

    def _synchronised(self, last: bool) -> Any:
        """Let ranks exchange gradients once for each step, in the backward pass of its last batch."""
        if isinstance(self._forward, DistributedDataParallel) and not last:
            return self._forward.no_sync()
        return nullcontext()

    def _losses(self, batch: Batch, step: int, part: int) -> dict[str, Tensor]:
        seed, rank, device = self.config.seed, self.process.rank, self.process.device
        torch.manual_seed(derived_seed(seed, step, part, rank))  # dropout, drop path
        labels: Any = None
        if self.config.model.stage == 2:
            ids, labels = hide_words(batch, self.tokenizer, derived_seed(seed, step, part, rank, 1))
            batch, labels = replace(batch, ids=ids), labels.to(device, non_blocking=True)
        drawing = torch.Generator().manual_seed(derived_seed(seed, step, part))  # MTC: the same on all ranks
        batch = batch.to(device)
        if isinstance(batch, TaskBatch):
            labels = batch.targets
        with autocast(self.config, device):
            losses: dict[str, Tensor] = self._forward(batch.video(), batch.ids, batch.mask, labels, drawing)
        return losses


def hide_words(batch: Batch, tokenizer: Any, seed: int) -> tuple[Tensor, Tensor]:
    """Return ids and labels (B, M, L) of a CPU batch for masked-language modelling."""
    return mask_words(
        batch.ids,
        batch.mask,
        special=torch.tensor(tokenizer.all_special_ids),
        mask_id=tokenizer.mask_token_id,
        vocabulary=len(tokenizer),
        generator=torch.Generator().manual_seed(seed),
    )


def mixed_dtype(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    """Return the dtype that the model uses besides float32; None: only float32. `auto` is bfloat16 on a GPU, but not on a CPU:
    a CPU without instructions for it takes about sixty times as long."""
    mixed = config.precision == "bf16" or (config.precision == "auto" and device.type != "cpu")
    return torch.bfloat16 if mixed else None


def autocast(config: TrainConfig, device: torch.device) -> torch.autocast:
    """Return the context for the model's precision. Weights and losses stay in float32."""
    dtype = mixed_dtype(config, device)
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def derived_seed(*numbers: int) -> int:
    """Return a seed from several numbers: equal for equal numbers, unrelated for others."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest(), "little") >> 1
