"""The best evaluation of a training so far, by one metric, and how long ago it was."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from longtake.model.retrieval.metrics import Alignment, retrieval_metrics
from longtake.model.training import evaluation_fusion
from longtake.model.training.log import EVALUATION
from longtake.schemas.errors import ConfigError
from longtake.schemas.settings import did_you_mean
from longtake.schemas.train_config import TrainConfig

# Of these less is better; of all others more.
_LESS = ("rank", "mlm", "matching", "loss")


def metrics_of(config: TrainConfig) -> tuple[str, ...]:
    """Return the names of the metrics that an evaluation while training has."""
    some = torch.eye(2)
    if config.task.kind == "retrieval":
        return _of_models(retrieval_metrics(some, some))
    if config.task.kind != "pretrain":
        return ("answer/accuracy", "span/accuracy") if config.task.kind == "choice" else ("answer/accuracy",)
    if config.model.stage == 2:
        return evaluation_fusion.NAMES
    return _of_models(retrieval_metrics(some, some) | Alignment(torch.ones(5)).metrics())


def _of_models(names: Iterable[str]) -> tuple[str, ...]:
    """Leave out what does not tell a better model from a worse one."""
    lasts = ((name, name.rsplit("/", 1)[-1]) for name in names)
    return tuple(name for name, last in lasts if last != "nan_scores" and not last.startswith("chance"))


def check_metric(config: TrainConfig) -> None:
    """Raise ConfigError if `save.best` is a metric that no evaluation has."""
    name, known = config.save.best, metrics_of(config)
    if name is not None and name not in known:
        raise ConfigError(f"save.best: no metric {name!r}.{did_you_mean(name, known)} There are {', '.join(known)}")


def less_is_better(metric: str) -> bool:
    """Return whether a smaller value of a metric is better: ranks and losses."""
    last = metric.rsplit("/", 1)[-1]
    return last in _LESS or last.endswith(("_rank", "_loss"))


@dataclass(frozen=True)
class Best:
    """The best value of `metric`, its step, and how many evaluations came since. `value` is None before the first."""

    metric: str
    value: float | None = None
    step: int = 0
    since: int = 0

    def improved_by(self, value: float) -> bool:
        """Return whether `value` is better. The first of equal values stays. NaN is no value."""
        if math.isnan(value):
            return False
        if self.value is None:
            return True
        return value < self.value if less_is_better(self.metric) else value > self.value

    def after(self, step: int, value: float) -> "Best":
        """Return the state after an evaluation."""
        if self.improved_by(value):
            return Best(self.metric, value, step)
        return Best(self.metric, self.value, self.step, self.since + 1)

    def evaluation(self) -> dict[str, Any]:
        """Return what is saved with the weights of this evaluation."""
        return {name: value for name, value in asdict(self).items() if name != "since"}

    def after_all(self, records: Iterable[Mapping[str, Any]]) -> "Best":
        """Return the state after the evaluations among the records of metrics.jsonl."""
        found = self
        for record in records:
            if (value := record.get(f"{EVALUATION}{self.metric}")) is not None:
                found = found.after(record["step"], value)
        return found
