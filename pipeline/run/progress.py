"""The progress of the running job, in this process. Steps add to counters and advance phases, from any thread; a display reads
both. On remote workers nothing reads them, and counting costs next to nothing.

    PROGRESS.expect("reading", 25_000_000, "B")   # a phase and how much of it there is; more may be expected later, or less
    PROGRESS.advance("reading", 1_200_000)        # some of it is done: call it for each batch

The graph names its phases when it is built, in the order of its steps, if need be with an amount of 0. The phase that advanced
last is the current one. When all of it is done, the next one without a beginning is. A phase without expectations has no known
total.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

BYTES = "B"  # the unit of phases that count bytes
HOURS = "h"  # and of those that count hours of sound


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the job at one moment.

    Attributes:
        name: for people, as in "reading".
        unit: a noun for what is counted, in the singular, as in "video"; BYTES; HOURS; or empty.
        done: so much is done.
        total: of so much; None if unknown.
        seconds: from its beginning until it advanced last.
    """

    name: str
    unit: str
    done: float
    total: float | None
    seconds: float

    @property
    def rate(self) -> float | None:
        """How much is done in a second; None at the beginning."""
        return self.done / self.seconds if self.done and self.seconds > 0 else None

    @property
    def left_s(self) -> float | None:
        """The seconds until the total is reached, at this rate; None if unknown."""
        return None if self.total is None or self.rate is None else max(self.total - self.done, 0) / self.rate


@dataclass(slots=True)
class _Amounts:
    unit: str = ""
    done: float = 0
    total: float = 0
    began: float | None = None
    last: float = 0

    @property
    def is_done(self) -> bool:
        return 0 < self.total <= self.done

    def seen(self, name: str) -> Phase:
        total = self.total if self.total >= self.done else None  # more than expected: nobody knows how much
        return Phase(name, self.unit, self.done, total, self.last - self.began if self.began is not None else 0)


class Progress:
    """Thread-safe counters and phases of this process, by name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._phases: dict[str, _Amounts] = {}
        self._current = ""

    def add(self, **amounts: int | float) -> None:
        """Add to counters."""
        with self._lock:
            for name, amount in amounts.items():
                self._counts[name] += amount  # type: ignore[assignment]

    def read(self) -> Counter[str]:
        """A copy of the counters."""
        with self._lock:
            return self._counts.copy()

    def expect(self, phase: str, amount: float, unit: str = "") -> None:
        """Add to the total of a phase; a negative amount is left out after all. `unit` names what is counted, once."""
        with self._lock:
            amounts = self._phases.setdefault(phase, _Amounts())
            amounts.total += amount
            amounts.unit = unit or amounts.unit

    def advance(self, phase: str, amount: float = 1, unit: str = "") -> None:
        """Add to what is done of a phase, which becomes the current one."""
        with self._lock:
            amounts = self._phases.setdefault(phase, _Amounts())
            amounts.last = self._clock()
            if amounts.began is None:
                amounts.began = amounts.last
            amounts.done += amount
            amounts.unit = unit or amounts.unit
            self._current = phase

    def phases(self) -> dict[str, Phase]:
        """All phases by name, in the order in which they were named."""
        with self._lock:
            return {name: found.seen(name) for name, found in self._phases.items()}

    def phase(self) -> Phase | None:
        """The current phase; None before the first one."""
        with self._lock:
            name = self._current
            if not name:
                return None
            if self._phases[name].is_done:
                names = list(self._phases)
                later = names[names.index(name) + 1 :]
                name = next((one for one in later if self._phases[one].began is None), name)
            return self._phases[name].seen(name)

    def reset(self) -> None:
        """Forget everything, before another job."""
        with self._lock:
            self._counts.clear()
            self._phases.clear()
            self._current = ""


PROGRESS = Progress()
