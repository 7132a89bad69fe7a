"""One step of the optimiser: its batches, their random draws, the losses, the gradient.

No random state passes from one step to the next: the seed, the step's number and the rank seed each generator. So weights,
optimiser, step and the loader's place are the whole state of a training.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from longtake.model.data.samples import Batch
from longtake.model.data.task_samples import TaskBatch
from longtake.model.network.contrast import SoftmaxContrast
from longtake.model.network.fusion_losses import mask_words
from longtake.model.network.lfvila import LFVila
from longtake.model.network.masked_pixels import hidden_patches
from longtake.model.training.averaging import MovingAverage
from longtake.model.training.chunks import backward_in_chunks, cut
from longtake.model.training.optimizer import learning_rate, make_optimizer, set_rate
from longtake.model.training.process import Process
from longtake.model.training.variation import varied
from longtake.schemas.train_config import TrainConfig

COUNTS = ("samples", "damaged", "filled")
LEAST_SCALE = 1.0  # of the loss in half precision: an overflow below it is not the scale's fault


@dataclass
class Interval:
    """Sums over the steps since the last record."""

    steps: int = 0
    samples: int = 0  # on all ranks, once they are added up
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
        # Half precision has few small numbers: the loss is scaled up, and its gradients down again.
        self.scaler = torch.amp.GradScaler(process.device.type, enabled=config.precision == "fp16")
        self.average = MovingAverage(model, config.ema) if config.ema else None
        self.epoch_steps = math.inf  # steps of an epoch; the trainer knows them
        self.skipped = 0  # steps that changed nothing, since a loss or gradient was not finite
        self._trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self._forward: nn.Module = model

    def prepare(self) -> None:
        """Compile the model if the configuration says so, and join the ranks. Call it once, after the weights are loaded."""
        model = self.model
        model.set_checkpointing(self.config.checkpointing)
        model.set_fused(self.config.kernels == "fused")
        model.set_narrow_norms(self.config.norms == "bf16")
        if self.config.compile:
            # The encoders do nearly all of the work. The losses draw from generators, which no graph can hold.
            model.encode_video = self._compiled(model.encode_video)  # type: ignore[method-assign]
            model.encode_text = self._compiled(model.encode_text)  # type: ignore[method-assign]
        if self.process.ranks > 1:
            self._forward = DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)

    def _compiled(self, encode: Callable[..., Any]) -> Callable[..., Any]:
        """Compile an encoder. With CUDA graphs only for training, whose batches have one shape: each shape is recorded."""
        mode = self.config.compile
        if isinstance(mode, bool):
            return torch.compile(encode)
        graphs, model = torch.compile(encode, mode=mode, dynamic=False), self.model
        return lambda *given, **named: (graphs if model.training else encode)(*given, **named)

    def take(self, step: int, steps: int, batches: Iterator[Batch], interval: Interval) -> None:
        """Take step `step` (from 0) of `steps`: `accumulate` batches on each rank, clipping, AdamW.

        With `skip_nonfinite` or in half precision, a step that is not finite changes no weight and is not in the interval.
        """
        config, parts = self.config, self.config.accumulate
        if not isinstance(config.compile, bool):  # what CUDA graphs gave in the step before may be overwritten
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        set_rate(self.optimizer, learning_rate(step, steps, config.optimizer, self.epoch_steps))
        found: list[dict[str, Tensor]] = []
        for part in range(parts):
            asked = time.monotonic()
            batch = next(batches)
            interval.waited_s += time.monotonic() - asked
            interval.count(batch)
            seed = derived_seed(config.seed, step, part, self.process.rank, 3)
            batch = varied(batch.sized(self.process.device), config.data, step / steps, seed)
            found.append(self._backward(batch, step, part))
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self._trained, config.optimizer.clip_norm or math.inf)
        if self._takes(norm):
            for losses in found:
                interval.add(losses, 1 / parts)
            interval.add({"grad_norm": norm}, 1.0)
            interval.steps += 1
            self.scaler.step(self.optimizer)
            if isinstance(self.model.contrast, SoftmaxContrast):
                self.model.contrast.keep_in_bounds()
            if self.average is not None:
                self.average.update(step)
        self.scaler.update()
        self.optimizer.zero_grad()

    def _backward(self, batch: Batch, step: int, part: int) -> dict[str, Tensor]:
        """Add the gradient of a batch to the parameters. Return its losses."""
        config, last = self.config, part == self.config.accumulate - 1
        if config.contrast_chunks == 1:
            with self._synchronised(last):
                losses = self._losses(batch, step, part)
                self._scaled(losses["loss"]).backward()  # type: ignore[no-untyped-call]
            return {name: value.detach() for name, value in losses.items()}
        device, rank = self.process.device, self.process.rank
        return backward_in_chunks(
            self.model,
            self._forward,
            cut(batch.to(device), config.contrast_chunks),
            seed=lambda chunk: _seed_generators(derived_seed(config.seed, step, part, rank, 2, chunk)),
            mixed=lambda: autocast(config, device),
            synchronised=lambda last_chunk: self._synchronised(last and last_chunk),
            scale=self._scaled,
            drawing=torch.Generator().manual_seed(derived_seed(config.seed, step, part)),
        )

    def _scaled(self, loss: Tensor) -> Tensor:
        """Return a batch's share of the step's loss, scaled up for half precision."""
        return self.scaler.scale(loss / self.config.accumulate)

    def _takes(self, norm: Tensor) -> bool:
        """Return whether a step with this gradient is taken; all ranks have the same gradient. Only some settings wait for it."""
        scaled = self.scaler.is_enabled()
        if not (scaled or self.config.skip_nonfinite) or bool(norm.isfinite()):
            return True
        if scaled and self.scaler.get_scale() > LEAST_SCALE:
            return False  # the scale was too large; it is halved now
        self.skipped += 1
        return self.skipped > self.config.skip_nonfinite

    def state_dict(self) -> dict[str, Any]:
        """Return optimiser, scale of the loss and skipped steps; weights and averages are files of their own."""
        scale = {"scaler": self.scaler.state_dict()} if self.scaler.is_enabled() else {}
        return {"optimizer": self.optimizer.state_dict(), "skipped": self.skipped, **scale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.skipped = int(state.get("skipped", 0))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])

    def told(self) -> dict[str, float]:
        """Return what a record says of the steps, where the settings make it worth saying."""
        found: dict[str, float] = {}
        if self.scaler.is_enabled():
            found["loss_scale"] = self.scaler.get_scale()
        if self.config.skip_nonfinite:
            found["skipped"] = self.skipped
        return found

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
        more = {}
        if self.model.masked_pixels is not None:
            draws = torch.Generator().manual_seed(derived_seed(seed, step, part, rank, 4))
            more["hidden"] = self._hidden(batch, draws).to(device, non_blocking=True)
        with autocast(self.config, device):
            losses: dict[str, Tensor] = self._forward(batch.video(), batch.ids, batch.mask, labels, drawing, **more)
        return losses

    def _hidden(self, batch: Batch, draws: torch.Generator) -> Tensor:
        """Draw the patches of a batch that are hidden."""
        size, (height, width) = self.model.size, batch.frames.shape[2:4]
        losses = size.losses
        return hidden_patches(
            len(batch), height, width, size.video.patch, losses.pixels_block, losses.pixels_share, draws
        )


def _seed_generators(seed: int) -> None:
    torch.manual_seed(seed)


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
    if config.precision == "fp16":
        return torch.float16
    mixed = config.precision == "bf16" or (config.precision == "auto" and device.type != "cpu")
    return torch.bfloat16 if mixed else None


def autocast(config: TrainConfig, device: torch.device) -> torch.autocast:
    """Return the context for the model's precision. Weights and losses stay in float32."""
    dtype = mixed_dtype(config, device)
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def derived_seed(*numbers: int) -> int:
    """Return a seed from several numbers: equal for equal numbers, unrelated for others."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest(), "little") >> 1
