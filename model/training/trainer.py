"""A training of either stage, in one process or many, from its configuration to its last checkpoint."""

import math
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch

from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.data.mixture import Mixture
from longtake.model.data.samples import Batch
from longtake.model.data.text import load_tokenizer
from longtake.model.retrieval.evaluation import evaluate_corpus
from longtake.model.training.best import Best, check_metric
from longtake.model.training.evaluation_fusion import evaluate_fusion
from longtake.model.training.evaluation_task import evaluate_task
from longtake.model.training.failures import TrainingError as TrainingError, explained
from longtake.model.training.log import (
    EVALUATION,
    MOST_WAITING,
    TrainingLog,
    draw_losses,
    evaluation_line,
    progress_line,
    read_metrics,
    waiting_line,
)
from longtake.model.training.process import Process
from longtake.model.training.setup import (
    check_kernels,
    check_recipe,
    finished_corpora,
    freeze,
    load_start,
    loader_settings,
    main_names,
    make_model,
    mixed_names,
    mixed_settings,
    model_card,
    named,
)
from longtake.model.training.step import COUNTS, Interval, Stepper, mixed_dtype
from longtake.model.weights.checkpoint import (
    AVERAGE,
    BEST,
    MODEL,
    CheckpointError,
    checkpoints,
    load_model,
    load_state,
    save_checkpoint,
    save_model,
    saved_evaluation,
)
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError
from longtake.schemas.train_config import TrainConfig


class Trainer:
    """A training by its configuration. Call `start`, then `run`."""

    def __init__(self, config: TrainConfig, process: Process, say: Callable[[str], None] = print) -> None:
        """Prepare everything; `say` gets the lines for people. Raises ConfigError or LoaderError before any work is done."""
        check_kernels(config, process.device)
        self.config, self.process = config, process
        self.say = say if process.leads else _silent
        self.folder = config.resolve(config.output)
        corpora = finished_corpora(config)
        card = model_card(config, int(corpora[0].config["frames"]["per_sentence"]))
        self.card = replace(
            card, corpora=tuple(f"{one.name}, version {one.version}, fingerprint {one.fingerprint}" for one in corpora)
        )
        settings = loader_settings(config, self.card, process.device)
        self.loader: ShardLoader | Mixture = self._loader(main_names(), settings)
        if config.data.mix:
            others = [self._loader(mixed_names(i), one) for i, one in enumerate(mixed_settings(config, settings))]
            self.loader = Mixture([self.loader, *others], [1.0, *(one.weight for one in config.data.mix)], config.seed)
        wanted = config.evaluate
        self.evaluated: ShardLoader | None = None
        if wanted.every is not None:
            self.evaluated = self._loader(
                {"corpus": "corpus" if wanted.corpus is None else "evaluate.corpus", "split": "evaluate.split"},
                replace(
                    settings,
                    corpus=config.resolve(wanted.corpus or config.corpus),
                    split=wanted.split,
                    training=False,
                    batch_size=wanted.batch_size,
                ),
            )
            if not len(self.evaluated.order.usable):
                of = f"of {settings.sentences} sentences" if settings.task is None else "with a task"
                raise ConfigError(f"evaluate.split {wanted.split!r} has no sample {of}")
        check_metric(config)
        self.steps = self._steps_of(config.steps, config.epochs)
        torch.manual_seed(config.seed)
        self.model = make_model(self.card).to(process.device)
        freeze(config, self.model)
        self.stepper = Stepper(config, self.model, load_tokenizer(self.card.tokenizer), process)
        self.stepper.epoch_steps = len(self.loader) / config.accumulate
        self.step = 0
        self.counts: Counter[str] = Counter()  # samples delivered, damaged and filled in, on all ranks
        self._interval, self._intervals = Interval(), 0
        self._log: TrainingLog | None = None
        self.best = Best(config.save.best or "")

    def _loader(self, names: dict[str, str], settings: LoaderSettings) -> ShardLoader:
        with named(**names):
            return ShardLoader(settings, self.process.rank, self.process.ranks)

    def _steps_of(self, steps: int | None, epochs: float | None) -> int:
        """Return the steps of a training of this length, which is given in one of both."""
        return steps or math.ceil((epochs or 0) * len(self.loader) / self.config.accumulate)

    def start(self, resume: bool = False, extend: bool = False) -> None:
        """Load the starting weights; with `resume`, the newest checkpoint if there is one.

        With `extend` the training may be longer than that of the checkpoint; the learning rate goes on as in the longer one.
        Raises ConfigError if the training would learn nothing, if the run has checkpoints and `resume` is off, or if its
        settings have changed since. Raises CheckpointError for a damaged checkpoint.
        """
        check_recipe(self.config, self.process.ranks, self.card.size.frames_per_clip)
        found = checkpoints(self.folder)
        if found and not resume:
            raise ConfigError(
                f"{self.folder} holds a training at step {found[-1][0]}. Go on with --resume, or choose another output."
            )
        if found:
            self._restore(found[-1][1], extend)
        else:
            load_start(self.config, self.model)
            if self.stepper.average is not None:
                self.stepper.average.start()

    def _restore(self, folder: str, extend: bool) -> None:
        state = load_state(folder)
        try:
            saved = {name: value for name, value in state["deciding"].items() if name != "batch_size"}  # the loader's
            now = self.config.deciding()
            if extend and self.steps >= self._steps_of(saved["steps"], saved["epochs"]):
                saved |= {name: now[name] for name in ("steps", "epochs")}
            changed = _changes(saved, now)
            if changed:
                raise ConfigError(
                    f"the settings differ from those of {folder}: {'; '.join(changed)}. Set them back to go on, or start a new "
                    "run from its weights with init.weights."
                )
            try:
                self.loader.load_state_dict({**state["loader"], "counts": {}})
            except ValueError as error:
                raise ConfigError(f"{folder}: {error}") from None
            model, _ = load_model(storage.join(folder, MODEL))
            self.model.load_state_dict(model.state_dict())
            if self.stepper.average is not None:
                averages, _ = load_model(storage.join(folder, AVERAGE))
                self.stepper.average.load(averages.state_dict())
            self.stepper.load_state_dict(state)
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
        self._remember_best()
        # Twice: torch's signal handler may report a dead loader process while the queue's error for it is being explained.
        told = (
            explained(lambda: self.step + 1, self.process.ranks),
            explained(lambda: self.step + 1, self.process.ranks),
        )
        with told[0], told[1]:
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
        while self.step < self.steps and not stopped and not self._stalls():
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
                if (stopped or self._stalls()) and not saves:
                    self._tell(clock)
                    self._save()
        if self._stalls() and not stopped:
            value = self.best.metric
            if self.best.value is not None:
                value += f" {self.best.value:.4g} at step {self.best.step}"
            self.say(f"Ended at step {self.step}: {self.best.since} evaluations without a better value than {value}")
        return (self.step == self.steps or self._stalls()) and not stopped

    def _stalls(self) -> bool:
        """Return whether the last evaluations have brought nothing better."""
        patience = self.config.evaluate.patience
        return patience is not None and self.best.since >= patience

    def _remember_best(self) -> None:
        """Find the best evaluation so far in the records, which the first rank has.

        It counts only if its weights were kept: those in the folder may be of another metric, or of steps that were left.
        """
        if self.config.save.best is None:
            return
        found = Best(self.config.save.best).after_all(read_metrics(self.folder) if self.process.leads else ())
        if found.value is not None and saved_evaluation(self._best_path) != found.evaluation():
            self.say(
                f"{self._best_path} is not of {found.metric} at step {found.step}: the best is sought anew from here."
            )
            found = Best(found.metric)
        value, step, since = self.process.of_first(
            (math.nan if found.value is None else found.value, found.step, found.since)
        )
        self.best = Best(found.metric, None if math.isnan(value) else value, int(step), int(since))

    def _batches(self) -> Iterator[Batch]:
        while True:
            yield from self.loader

    def _tell(self, clock: "_Clock") -> None:
        """End an interval. One ends before every checkpoint, so that later records are the same after a resume."""
        self._count(self._interval)
        if not self._interval.steps:  # none was taken: docs/training.md, skip_nonfinite
            self._interval = Interval()
            return
        record = self._record(self._interval)
        self.say(progress_line(record, self.steps, clock.left_s(self.step, self.steps)))
        self._tell_of_waiting(record["data_wait"])
        if self._log:
            self._log.add(record)
        self._interval = Interval()

    def _tell_of_waiting(self, share: float) -> None:
        """Say once that the model waits for the loader, if it is a GPU that waits. The first interval starts the loader."""
        if self.process.device.type == "cpu" or self._intervals < 0:
            return
        self._intervals += 1
        if self._intervals > 1 and share > MOST_WAITING:
            self.say(waiting_line(share, self.loader.settings.workers))
            self._intervals = -1

    def _count(self, interval: Interval) -> None:
        """Add up the samples of all ranks."""
        counted = torch.tensor([float(interval.counts[name]) for name in COUNTS], device=self.process.device)
        counts = (self.process.mean(counted) * self.process.ranks).tolist()
        self.counts.update({name: round(number) for name, number in zip(COUNTS, counts, strict=True)})
        interval.samples = round(counts[0])

    def _record(self, interval: Interval) -> dict[str, Any]:
        """Return means over the interval's steps and over the ranks. Raises TrainingError if one is not finite."""
        names = sorted(interval.sums)
        means = self.process.mean(torch.stack([interval.sums[name] for name in names]) / interval.steps).tolist()
        seconds = time.monotonic() - interval.start
        self._finite([name for name, mean in zip(names, means, strict=True) if not math.isfinite(mean)])
        return {
            "step": self.step,
            "epoch": self.step * self.config.accumulate / len(self.loader),
            **dict(zip(names, means, strict=True)),
            "lr": self.stepper.optimizer.param_groups[0]["lr"],
            **self.stepper.told(),
            "samples_per_s": interval.samples / seconds,
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
                **self.stepper.state_dict(),
                "loader": self.loader.state_dict(),
                "counts": dict(self.counts),
                "deciding": self.config.deciding(),
            }
            keep, average = self.config.save.keep, self.stepper.average
            averaged = None if average is None else average.applied
            folder = save_checkpoint(self.folder, self.step, self.model, self.card, state, keep, averaged)
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
        with self._averaged():
            if self.card.task is not None:
                metrics = evaluate_task(self.model, loader, self.card.task, self.process, dtype)
            elif self.config.model.stage == 2:
                metrics = evaluate_fusion(self.model, loader, self.stepper.tokenizer, self.process, dtype)
            else:
                metrics = evaluate_corpus(self.model, loader, self.process.device, dtype)
        if self.process.any(stop()):
            return False
        self._keep_best(metrics)
        self.say(evaluation_line(self.step, metrics))
        if self._log:
            self._log.add({"step": self.step, **{f"{EVALUATION}{name}": value for name, value in metrics.items()}})
        self._interval.start += time.monotonic() - start
        return True

    def _averaged(self) -> AbstractContextManager[None]:
        """Give the model its moving average for the time being, if the configuration wants one."""
        return nullcontext() if self.stepper.average is None else self.stepper.average.applied()

    def _keep_best(self, metrics: dict[str, float]) -> None:
        """Write the weights that were just evaluated if they are the best so far."""
        if self.config.save.best is None:
            return
        value = metrics[self.config.save.best]
        improved, self.best = self.best.improved_by(value), self.best.after(self.step, value)
        if improved and self.process.leads:
            with self._averaged():
                save_model(self._best_path, self.model, self.card, self.best.evaluation())

    @property
    def _best_path(self) -> str:
        return storage.join(self.folder, BEST, MODEL)


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
