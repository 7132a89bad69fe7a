"""A training of either stage, in one process or many, from its configuration to its last checkpoint."""

import math
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch.distributed import DistError

from longtake.library.dataset import read_finished
from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.data.samples import Batch
from longtake.model.data.text import load_tokenizer
from longtake.model.retrieval.evaluation import evaluate_corpus
from longtake.model.training.evaluation_fusion import evaluate_fusion
from longtake.model.training.evaluation_task import evaluate_task
from longtake.model.training.log import EVALUATION, TrainingLog, draw_losses, evaluation_line, progress_line
from longtake.model.training.process import Process
from longtake.model.training.setup import check_recipe, load_start, loader_settings, make_model, model_card
from longtake.model.training.step import COUNTS, Interval, Stepper, mixed_dtype
from longtake.model.weights.checkpoint import CheckpointError, checkpoints, load_model, load_state, save_checkpoint
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.train_config import TrainConfig


class TrainingError(RuntimeError):
    """The training cannot go on; the message says at which step, why, and what to do. `everywhere`: all ranks raise it."""

    def __init__(self, message: str, everywhere: bool = False) -> None:
        super().__init__(message)
        self.everywhere = everywhere


class Trainer:
    """A training by its configuration. Call `start`, then `run`."""

    def __init__(self, config: TrainConfig, process: Process, say: Callable[[str], None] = print) -> None:
        """Prepare everything; `say` gets the lines for people. Raises ConfigError or LoaderError before any work is done."""
        self.config, self.process = config, process
        self.say = say if process.leads else _silent
        self.folder = config.resolve(config.output)
        frames = read_finished(Layout(config.resolve(config.corpus))).config["frames"]
        self.card = model_card(config, int(frames["per_sentence"]))
        settings = loader_settings(config, self.card)
        self.loader = self._loader(settings)
        wanted = config.evaluate
        self.evaluated: ShardLoader | None = None
        if wanted.every is not None:
            self.evaluated = self._loader(
                replace(
                    settings,
                    corpus=config.resolve(wanted.corpus or config.corpus),
                    split=wanted.split,
                    training=False,
                    batch_size=wanted.batch_size,
                )
            )
            if not len(self.evaluated.order.usable):
                raise ConfigError(f"evaluate.split {wanted.split!r} has no sample of {settings.sentences} sentences")
        self.steps = config.steps or math.ceil((config.epochs or 0) * len(self.loader) / config.accumulate)
        torch.manual_seed(config.seed)
        self.model = make_model(self.card).to(process.device)
        self.stepper = Stepper(config, self.model, load_tokenizer(self.card.tokenizer), process)
        self.step = 0
        self.counts: Counter[str] = Counter()  # samples delivered, damaged and filled in, on all ranks
        self._interval = Interval()
        self._log: TrainingLog | None = None

    def _loader(self, settings: LoaderSettings) -> ShardLoader:
        try:
            return ShardLoader(settings, self.process.rank, self.process.ranks)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def start(self, resume: bool = False) -> None:
        """Load the starting weights; with `resume`, the newest checkpoint if there is one.

        Raises ConfigError if the training would learn nothing, if the run has checkpoints and `resume` is off, or if its
        settings have changed since. Raises CheckpointError for a damaged checkpoint.
        """
        check_recipe(self.config, self.process.ranks)
        found = checkpoints(self.folder)
        if found and not resume:
            raise ConfigError(
                f"{self.folder} holds a training at step {found[-1][0]}. Go on with --resume, or choose another output."
            )
        if found:
            self._restore(found[-1][1])
        else:
            load_start(self.config, self.model)

    def _restore(self, folder: str) -> None:
        state = load_state(folder)
        try:
            changed = _changes(state["deciding"], self.config.deciding())
            if changed:
                raise ConfigError(
                    f"the settings differ from those of {folder}: {'; '.join(changed)}. Set them back to go on, or start a new "
                    "run from its weights with init.weights."
                )
            try:
                self.loader.load_state_dict({**state["loader"], "counts": {}})
            except ValueError as error:
                raise ConfigError(f"{folder}: {error}") from None
            model, _ = load_model(folder)
            self.model.load_state_dict(model.state_dict())
            self.stepper.optimizer.load_state_dict(state["optimizer"])
            self.step, self.counts = int(state["step"]), Counter(state["counts"])
        except (LookupError, TypeError, AttributeError, RuntimeError) as error:
            raise CheckpointError(
                f"{folder}: not a checkpoint of this training: {type(error).__name__}: {error}. Delete it to go on from the "
                "one before."
            ) from None
        self.say(f"Resumed from {folder}")

    def run(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train to the last step, or until `stop()` is true on any rank, and save. Return whether the training is finished.

        Raises TrainingError if a loss, a gradient or a weight is not finite or memory runs out, LoaderError if the corpus
        fails, OSError if a write fails. Earlier checkpoints stay as they are.
        """
        self.stepper.prepare()
        self._log = TrainingLog(self.folder, self.step, self.config.log_to) if self.process.leads else None
        for board in self._log.boards if self._log is not None else ():
            if url := getattr(board, "url", None):
                self.say(f"Weights & Biases: {url}")
        # Twice: torch's signal handler may report a dead loader process while the queue's error for it is being explained.
        with self._explained(), self._explained():
            try:
                finished = self._train(stop)
            finally:
                if self._log:
                    self._log.close()
        if self.process.leads:
            draw_losses(self.folder)
        return finished

    def _train(self, stop: Callable[[], bool]) -> bool:
        config, batches, clock = self.config, self._batches(), _Clock(self.step)
        self.model.train()
        stopped = self.process.any(stop())
        if (
            not stopped
            and self._evaluates()
            and self.process.any(bool(self._log and self.step not in self._log.evaluated))
        ):
            stopped = not self._evaluate(stop)  # the last process ended before this evaluation
        while self.step < self.steps and not stopped:
            self.stepper.take(self.step, self.steps, batches, self._interval)
            self.step += 1
            stopped = self.process.any(stop())
            saves = stopped or self.step == self.steps or self.step % config.save.every == 0
            if saves or self.step % config.log_every == 0:
                self._tell(clock)
            if saves:
                self._save()
            if self._evaluates() and not stopped:
                stopped = not self._evaluate(stop)
                if stopped and not saves:
                    self._tell(clock)
                    self._save()
        return self.step == self.steps and not stopped

    def _batches(self) -> Iterator[Batch]:
        while True:
            yield from self.loader

    def _tell(self, clock: "_Clock") -> None:
        """End an interval. One ends before every checkpoint, so that later records are the same after a resume."""
        if not self._interval.steps:
            return
        record = self._record(self._interval)
        self.say(progress_line(record, self.steps, clock.left_s(self.step, self.steps)))
        if self._log:
            self._log.add(record)
        self._interval = Interval()

    def _record(self, interval: Interval) -> dict[str, Any]:
        """Return means over the interval's steps and over the ranks. Raises TrainingError if one is not finite."""
        names = sorted(interval.sums)
        means = self.process.mean(torch.stack([interval.sums[name] for name in names]) / interval.steps).tolist()
        counted = torch.tensor([float(interval.counts[name]) for name in COUNTS], device=self.process.device)
        counts = (self.process.mean(counted) * self.process.ranks).tolist()
        self.counts.update({name: round(number) for name, number in zip(COUNTS, counts, strict=True)})
        seconds = time.monotonic() - interval.start
        self._finite([name for name, mean in zip(names, means, strict=True) if not math.isfinite(mean)])
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

    def _finite(self, bad: list[str]) -> None:
        if bad:
            raise TrainingError(
                f"step {self.step}: {', '.join(bad)} not finite; nothing was saved since the last finite record. Start a new "
                "run with a lower optimizer.lr or clip_norm; init.weights takes this one's last checkpoint.",
                everywhere=True,
            )

    def _save(self) -> None:
        self._finite([] if self.stepper.weights_are_finite() else ["weights"])
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

    def _evaluates(self) -> bool:
        """Return whether the model is evaluated at this step."""
        every = self.config.evaluate.every
        return every is not None and self.step > 0 and (self.step == self.steps or self.step % every == 0)

    def _evaluate(self, stop: Callable[[], bool]) -> bool:
        """Evaluate, record and return True. If `stop()` becomes true meanwhile, record nothing and return False."""
        loader, start = self.evaluated, time.monotonic()
        assert loader is not None  # noqa: S101 for mypy: _evaluates() was true
        loader.until = stop
        dtype = mixed_dtype(self.config, self.process.device)
        if self.card.task is not None:
            metrics = evaluate_task(self.model, loader, self.card.task, self.process, dtype)
        elif self.config.model.stage == 2:
            metrics = evaluate_fusion(self.model, loader, self.stepper.tokenizer, self.process, dtype)
        else:
            metrics = evaluate_corpus(self.model, loader, self.process.device, dtype)
        if self.process.any(stop()):
            return False
        self.say(evaluation_line(self.step, metrics))
        if self._log:
            self._log.add({"step": self.step, **{f"{EVALUATION}{name}": value for name, value in metrics.items()}})
        self._interval.start += time.monotonic() - start
        return True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the common errors of a training into a TrainingError with a message for people."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"step {self.step + 1}: out of memory on the GPU: take a smaller batch_size (accumulate makes up for it in "
                f"samples, not in contrast), or checkpointing: true. {str(error).splitlines()[0]}"
            ) from None
        except (RuntimeError, EOFError, ConnectionError) as error:
            if _is_lost_loader(error):
                _report_once()
                what = "a loader process was killed, as happens when memory runs out: lower data.workers or data.prefetch, then"
            elif self.process.ranks > 1 and (isinstance(error, DistError) or "by peer" in str(error)):
                what = "another process of this training was lost, for the reason that it or torchrun gives:"
            else:
                raise
            raise TrainingError(f"step {self.step + 1}: {what} go on with --resume.") from None


def _is_lost_loader(error: Exception) -> bool:
    """Return whether a loader process died. A process that fails sends its error instead; that begins with "Caught"."""
    at_the_pipe = isinstance(error, EOFError | ConnectionError) and not str(error).startswith("Caught")
    return at_the_pipe or "DataLoader worker (pid" in str(error)


def _report_once() -> None:
    """Take torch's handler of SIGCHLD away: it would raise the same loss again, wherever the main thread is then."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class _Clock:
    """Estimates the time left from the time so far."""

    def __init__(self, step: int) -> None:
        self.first, self.start = step, time.monotonic()

    def left_s(self, step: int, steps: int) -> float:
        return (time.monotonic() - self.start) / max(1, step - self.first) * (steps - step)


def _memory_gb(device: torch.device) -> float:
    """Return the peak memory so far: of the GPU, or without one of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _silent(line: str) -> None:
    pass


def _changes(saved: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the settings that differ, by their full names."""
    found = []
    for name in sorted({*saved, *now}):
        before, after = saved.get(name), now.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            found += _changes(before, after, f"{prefix}{name}.")
        elif before != after:
            found.append(f"{prefix}{name} was {before}, is {after}")
    return found
