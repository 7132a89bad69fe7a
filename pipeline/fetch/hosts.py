"""How fast a host may be asked. All threads of this process share the limits, and the pauses that a server asks for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _Host:
    running: int = 0
    next_start: float = 0.0  # by the clock: not sooner, because of the rate or of a pause


class Hosts:
    """Limits for each host.

    Args:
        per_host: videos at a time.
        per_second: videos that may start in a second; None: any number.
        clock: in seconds.
    """

    def __init__(
        self, per_host: int, per_second: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._gap, self._clock = per_host, 1 / per_second if per_second else 0.0, clock
        self._hosts: dict[str, _Host] = {}
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Wait for a turn at a host, and hold it."""
        with self._changed:
            host = self._hosts.setdefault(name, _Host())
            while True:
                wait = host.next_start - self._clock()
                if host.running < self._most and wait <= 0:
                    break
                self._changed.wait(wait if host.running < self._most else None)
            host.running += 1
            host.next_start = self._clock() + self._gap
        try:
            yield
        finally:
            with self._changed:
                host.running -= 1
                self._changed.notify_all()

    def pause(self, name: str, seconds: float) -> None:
        """Let nobody begin at a host for so long. A longer pause that runs already stays."""
        with self._changed:
            host = self._hosts.setdefault(name, _Host())
            host.next_start = max(host.next_start, self._clock() + seconds)
            self._changed.notify_all()


_shared: dict[tuple[int, float | None], Hosts] = {}
_lock = threading.Lock()


def shared_hosts(per_host: int, per_second: float | None) -> Hosts:
    """The limits that all threads of this process share."""
    with _lock:
        return _shared.setdefault((per_host, per_second), Hosts(per_host, per_second))
