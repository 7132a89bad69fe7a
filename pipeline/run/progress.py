"""The progress of the running job. Steps add to the counters, and a display reads them. On remote workers nothing reads them,
and counting costs nothing."""

import threading
from collections import Counter


class Progress:
    """Thread-safe counters of this process, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, **amounts: int | float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                self._counts[name] += amount  # type: ignore[assignment]

    def read(self) -> Counter[str]:
        with self._lock:
            return self._counts.copy()

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()


PROGRESS = Progress()
