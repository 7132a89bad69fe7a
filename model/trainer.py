"""A training, of either stage, in one process or many: from its configuration to its last checkpoint."""

import math
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from longtake.model.checkpoint import checkpoints, load_model, load_state, save_checkpoint
from longtake.model.data import LoaderSettings, ShardLoader, finished_manifest
from longtake.model.data_samples import Batch
from longtake.model.data_text import load_tokenizer
from longtake.model.evaluation import evaluate_corpus
from longtake.model.evaluation_fusion import evaluate_fusion
from longtake.model.process import Process
from longtake.model.training_log import TrainingLog, draw_losses, evaluation_line, progress_line
from longtake.model.training_setup import load_start, loader_settings, model_card
from longtake.model.training_step import COUNTS, Interval, Stepper
from longtake.schemas.layout import Layout
from longtake.schemas.settings import ConfigError
from longtake.schemas.train_config import TrainConfig


class TrainingError(RuntimeError):
    """The training cannot go on; the message says at which step, why, and what to do."""


class Trainer:
    """Trains as the configuration says. `start`, then `run`."""

    def __init__(self, config: TrainConfig, process: Process, say: Callable[[str], None] = print) -> None:
        """Prepare everything; `say` gets the lines for people. Raises ConfigError or LoaderError before any work is done."""
        self.config, self.process = config, process
        self.say = say if process.leads else _silent
        self.folder = config.resolve(config.output)
        frames = finished_manifest(Layout(config.resolve(config.corpus))).config["frames"]
        self.card = model_card(config, int(frames["per_sentence"]))
        settings = loader_settings(config, self.card)
        self.loader = self._loader(settings)
        if not len(self.loader):
            raise ConfigError(
                f"batch_size: split {settings.split!r} has fewer than {config.batch_size * process.ranks} samples of "
                f"{settings.sentences} sentences, too few for one batch on each of {process.ranks} processes"
            )
        wanted = config.evaluate
        self.evaluated: ShardLoader | None = None
        if wanted.every is not None:
            self.evaluated = self._loader(
                replace(settings, split=wanted.split, training=False, batch_size=wanted.batch_size)
            )
        self.steps = config.steps or math.ceil((config.epochs or 0) * len(self.loader) / config.accumulate)
        torch.manual_seed(config.seed)
        self.model = self.card.make().to(process.device)
        self.stepper = Stepper(config, self.model, load_tokenizer(config.data.tokenizer), process)
        self.step = 0
        self.counts: Counter[str] = Counter()  # samples delivered, damaged and filled in, on all ranks

    def _loader(self, settings: LoaderSettings) -> ShardLoader:
        try:
            return ShardLoader(settings, self.process.rank, self.process.ranks)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def start(self, resume: bool = False) -> None:
        """Load the weights to start from; with `resume`, the newest checkpoint if there is one.

        Raises ConfigError where the run has checkpoints and is not to be resumed, or its settings have changed since, and
        CheckpointError for one that is damaged.
        """
        found = checkpoints(self.folder)
        if found and not resume:
            raise ConfigError(
                f"{self.folder} holds a training at step {found[-1][0]}. Go on with --resume, or choose another output."
            )
        if found:
            self._restore(found[-1][1])
        else:
            load_start(self.config, self.model)
        self.stepper.prepare()

    def _restore(self, folder: str) -> None:
        state = load_state(folder)
        saved, now = state["deciding"], self.config.deciding()
        changed = sorted(name for name in {*saved, *now} if saved.get(name) != now.get(name))
        if changed:
            raise ConfigError(
                f"{', '.join(changed)}: not what {folder} was trained with. Set it back to go on, or start a new run from "
                "its weights with init.weights."
            )
        try:
            self.loader.load_state_dict({**state["loader"], "counts": {}})
        except ValueError as error:
            raise ConfigError(f"{folder}: {error}") from None
        model, _ = load_model(folder)
        self.model.load_state_dict(model.state_dict())
        self.stepper.optimizer.load_state_dict(state["optimizer"])
        self.step, self.counts = int(state["step"]), Counter(state["counts"])
        self.say(f"Resumed from {folder}")

    def run(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train to the last step, or until `stop()` is true on any rank, and save. Returns whether it was the last step.

        Raises TrainingError when a loss or a gradient is not finite, OSError when something cannot be written; checkpoints
        from before stay as they are.
        """
        config = self.config
        log = TrainingLog(self.folder, self.step) if self.process.leads else None
        batches, interval, clock = self._batches(), Interval(), _Clock(self.step)
        self.model.train()
        stopped = self.process.any(stop())
        while self.step < self.steps and not stopped:
            self.stepper.take(self.step, self.steps, batches, interval)
            self.step += 1
            stopped = self.process.any(stop())
            last = self.step == self.steps
            saves = last or stopped or self.step % config.save.every == 0
            # A record ends before every checkpoint, so that those behind it are the same after a resumption.
            if saves or self.step % config.log_every == 0:
                record = self._record(interval)
                self.say(progress_line(record, self.steps, clock.left_s(self.step, self.steps)))
                if log:
                    log.add(record)
                interval = Interval()
            if saves:
                self._save()
            if self.evaluated and not stopped and (last or self.step % (config.evaluate.every or 1) == 0):
                metrics = self._evaluate(self.evaluated)
                if log:
                    log.add(metrics)
                interval.start = time.monotonic()
        if log:
            log.close()
            draw_losses(self.folder)
        return self.step == self.steps

    def _batches(self) -> Iterator[Batch]:
        while True:
            yield from self.loader

    def _record(self, interval: Interval) -> dict[str, Any]:
        """Means over the interval's steps and over the ranks; raises TrainingError where one is not finite."""
        names = sorted(interval.sums)
        means = self.process.mean(torch.stack([interval.sums[name] for name in names]) / interval.steps).tolist()
        counted = torch.tensor([float(interval.counts[name]) for name in COUNTS], device=self.process.device)
        counts = (self.process.mean(counted) * self.process.ranks).tolist()
        self.counts.update({name: round(number) for name, number in zip(COUNTS, counts, strict=True)})
        seconds = time.monotonic() - interval.start
        bad = [name for name, mean in zip(names, means, strict=True) if not math.isfinite(mean)]
        if bad:
            raise TrainingError(
                f"step {self.step}: {', '.join(bad)} is not finite, and nothing was saved since. Resume with a lower "
                "optimizer.lr or clip_norm in a new run (init.weights takes the last checkpoint)."
            )
        return {
            "step": self.step,
            "epoch": self.step * self.config.accumulate / len(self.loader),
            **dict(zip(names, means, strict=True)),
            "lr": self.stepper.optimizer.param_groups[0]["lr"],
            "samples_per_s": counts[0] / seconds,
            "data_wait": interval.waited_s / seconds,
            "memory_gb": _memory_gb(self.process.device),
            "damaged": self.counts["damaged"],
            "seconds": seconds,
        }

    def _save(self) -> None:
        if self.process.leads:
            state = {
                "optimizer": self.stepper.optimizer.state_dict(),
                "loader": self.loader.state_dict(),
                "counts": dict(self.counts),
                "deciding": self.config.deciding(),
            }
            folder = save_checkpoint(self.folder, self.step, self.model, self.card, state, self.config.save.keep)
            self.say(f"Saved {folder}")
        self.process.barrier()

    def _evaluate(self, loader: ShardLoader) -> dict[str, Any]:
        dtype = torch.bfloat16 if self.config.precision == "bf16" else None
        if self.config.model.stage == 2:
            metrics = evaluate_fusion(self.model, loader, self.stepper.tokenizer, self.process, dtype)
        else:
            metrics = evaluate_corpus(self.model, loader, self.process.device, dtype)
        self.say(evaluation_line(self.step, metrics))
        return {"step": self.step, **{f"eval/{name}": value for name, value in metrics.items()}}


class _Clock:
    """Guesses how long is left from how long it took so far."""

    def __init__(self, step: int) -> None:
        self.first, self.start = step, time.monotonic()

    def left_s(self, step: int, steps: int) -> float:
        return (time.monotonic() - self.start) / max(1, step - self.first) * (steps - step)


def _memory_gb(device: torch.device) -> float:
    """The most memory taken so far: the GPU's, or without one this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _silent(line: str) -> None:
    pass
