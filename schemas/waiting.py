"""Messages while a job waits for object storage: what it tries, and when it will give up."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FIRST_WORD_SECONDS = 5.0  # after this, report a failing path
LONG_SECONDS = 30.0  # after this, report a path that has neither failed nor answered: large files take time
_BETWEEN_SECONDS = 30.0  # between two messages: many threads may wait for the same storage
_LOOK_SECONDS = 0.5

#: Takes each message. The command line prints it; elsewhere it is a warning in the log.
tell: Callable[[str], None] = logging.getLogger(__name__).warning

_lock = threading.Lock()
_waiting: "set[Wait]" = set()
_watcher: threading.Thread | None = None
_never = threading.Event()
_last_word = -_BETWEEN_SECONDS


@dataclass(eq=False, slots=True)
class Wait:
    """A call to storage that has not returned. The caller counts its attempts in `number`."""

    path: str
    attempts: int
    patience: float
    start: float
    number: int = 1
    error: str = ""

    def word(self, now: float) -> str:
        """The message about it, "" if it is too soon."""
        waited = now - self.start
        if waited < (FIRST_WORD_SECONDS if self.error else LONG_SECONDS):
            return ""
        last = f", after {self.error}" if self.error else ""
        return (
            f"{self.path}: waiting for storage for {waited:.0f} s: attempt {self.number} of {self.attempts}{last}. "
            f"It is given up after {self.attempts} failures, or at the first one after {self.patience:.0f} s."
        )


@contextmanager
def waiting(path: str, attempts: int, patience: float) -> Iterator[Wait]:
    """Report that the block waits for storage, if it takes long."""
    global _watcher
    wait = Wait(path, attempts, patience, time.monotonic())
    with _lock:
        _waiting.add(wait)
        if _watcher is None or not _watcher.is_alive():  # a fork does not have the thread
            _watcher = threading.Thread(target=_watch, name="longtake-waiting", daemon=True)
            _watcher.start()
    try:
        yield wait
    finally:
        with _lock:
            _waiting.discard(wait)


def _watch() -> None:
    global _last_word
    while True:
        _never.wait(_LOOK_SECONDS)
        now = time.monotonic()
        if now - _last_word < _BETWEEN_SECONDS:
            continue
        with _lock:
            words = [word for wait in sorted(_waiting, key=lambda wait: wait.start) if (word := wait.word(now))]
        if words:
            _last_word = now
            tell(words[0] + (f" {len(words) - 1} more calls wait." if len(words) > 1 else ""))
