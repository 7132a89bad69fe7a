"""Measure the seconds spent in each phase."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]


class Stopwatch:
    """Sums seconds per phase. Time in an inner phase counts only there, not in the outer one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or time.perf_counter
        self._inner = [0.0]
        self.seconds = dict.fromkeys(("index", "decode", "scale", "encode"), 0.0)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of the block under `name`."""
        start = self._clock()
        self._inner.append(0.0)
        try:
            yield
        finally:
            spent = self._clock() - start
            self.seconds[name] += spent - self._inner.pop()
            self._inner[-1] += spent
