"""Ctrl-C and SIGTERM as a request, for commands that have to end in order."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AGAIN_S = 3.0


@contextmanager
def stop_signals(said: str = "") -> Iterator[Callable[[], bool]]:
    """Yield a function that is true after the first SIGTERM or SIGINT. Another one AGAIN_S seconds later acts as usual.

    The first one also prints `said`. No signal raises an exception: in other code that could leave a lock held. A signal soon
    after the first changes nothing: torchrun repeats to its processes a signal that the terminal or scheduler sent to all.
    """
    first: float | None = None

    def note(number: int, frame: object) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            os.write(2, said.encode())  # print is not safe in here
        elif time.monotonic() - first > AGAIN_S:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: first is not None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
