"""Beam metrics, named by step: a runner shows them while its job runs. They are counted in the process of the runner's worker,
never in a slot's child, where Beam would not see them.

The namespace is the step. Dropped things are counted under the stage of their ledger row, as `dropped_<subject>_<reason>`.
docs/operations.md has the table; a test compares the two.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from time import perf_counter
from typing import Any

from apache_beam.metrics import Metrics

from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

COUNTERS = {
    "fetch": ("videos", "videos_reused", "attempts", "captions", "bytes"),
    "hear": ("sources", "reused", "sound_ms"),
    "plan": ("videos", "sentences", "clips", "clips_ms"),
    "decode": ("tasks", "tasks_reused", "videos", "clips", "frames", "clips_ms", "bytes"),
    "pack": ("shards", "clips", "frames", "bytes"),
}
#: Whole numbers: Beam cuts fractions off. Those of the phases of decoding are CPU time in the slot, the others wall-clock time.
DISTRIBUTIONS = {
    "fetch": ("video_ms",),
    "hear": ("source_ms",),
    "plan": ("probe_ms",),
    "decode": ("index_ms", "decode_ms", "scale_ms", "encode_ms", "task_ms", "task_bytes"),
    "pack": ("pack_ms", "shard_bytes"),
}

#: All namespaces: the steps above, and the stages of the ledger.
STEPS = frozenset({*COUNTERS, *DISTRIBUTIONS, *(stage.value for stage in Stage)})


def count(step: str, **amounts: int) -> None:
    """Add to counters of a step."""
    for name, amount in amounts.items():
        _tell(_counter(step, name).inc, amount)


def measure(step: str, **values: float) -> None:
    """Add a value to distributions of a step."""
    for name, value in values.items():
        _tell(_distribution(step, name).update, round(value))


@contextmanager
def timed(step: str, name: str) -> Iterator[None]:
    """Measure the milliseconds by the clock on the wall that the block takes, even if it raises."""
    start = perf_counter()
    try:
        yield
    finally:
        measure(step, **{name: 1000 * (perf_counter() - start)})


def counted(drop: Drop) -> Drop:
    """Count `drop`, and return it."""
    count_drops(drop.stage, drop.subject, drop.reason, 1)
    return drop


def count_drops(stage: Stage, subject: Subject, reason: Reason, number: int) -> None:
    """Count so many drops of one kind."""
    _tell(_counter(stage.value, f"dropped_{subject.value}_{reason.value}").inc, number)


class HeldMetrics:
    """What a thread that is not Beam's wants to count. Beam counts it where a thread of its own calls `count`."""

    def __init__(self) -> None:
        self._calls: list[tuple[Callable[[int], None], int]] = []

    def add(self, update: Callable[[int], None], amount: int) -> None:
        self._calls.append((update, amount))

    def count(self) -> None:
        for update, amount in self._calls:
            _tell(update, amount)


class _OfThread(threading.local):
    held: HeldMetrics | None = None


_of_thread = _OfThread()


@contextmanager
def held_back() -> Iterator[HeldMetrics]:
    """Hold back what this thread counts in the block: in a thread that is not Beam's, it would be lost."""
    held = _of_thread.held = HeldMetrics()
    try:
        yield held
    finally:
        _of_thread.held = None


def _tell(update: Callable[[int], None], amount: int) -> None:
    if _of_thread.held is None:
        update(amount)
    else:
        _of_thread.held.add(update, amount)


@lru_cache(1024)
def _counter(step: str, name: str) -> Any:
    if not name.startswith("dropped_") and name not in COUNTERS[step]:
        raise KeyError(f"{step}: no counter {name}")
    return Metrics.counter(step, name)


@lru_cache(1024)
def _distribution(step: str, name: str) -> Any:
    if name not in DISTRIBUTIONS[step]:
        raise KeyError(f"{step}: no distribution {name}")
    return Metrics.distribution(step, name)


def totals(result: Any) -> dict[str, int]:
    """All metrics of a pipeline's result by `step/name`; a distribution gives `step/name:sum`, `:count`, `:min` and `:max`."""
    try:
        found = result.metrics().query()
    except (NotImplementedError, AttributeError, ValueError):  # not every runner has metrics
        return {}
    out: dict[str, int] = {}
    for one in found["counters"]:
        if one.key.metric.namespace in STEPS:
            name = f"{one.key.metric.namespace}/{one.key.metric.name}"
            out[name] = out.get(name, 0) + int(one.result or 0)
    for one in found["distributions"]:
        if one.key.metric.namespace in STEPS and one.result is not None:
            name, seen = f"{one.key.metric.namespace}/{one.key.metric.name}", one.result
            out |= {f"{name}:{part}": int(getattr(seen, part)) for part in ("count", "sum", "min", "max")}
    return dict(sorted(out.items()))
