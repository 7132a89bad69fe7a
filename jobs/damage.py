"""Show the loader's warnings to people."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from longtake.schemas.printable import printable


@contextmanager
def damage_shown() -> Iterator[None]:
    """Print the loader's warnings, one for each damaged sample."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("longtake: %(message)s"))
    logs = [logging.getLogger(name) for name in ("longtake.model", "longtake.library")]
    before = [(log.level, log.propagate) for log in logs]
    for log in logs:
        log.setLevel(logging.WARNING)
        log.propagate = False
        log.addHandler(handler)
    try:
        yield
    finally:
        for log, (level, propagate) in zip(logs, before, strict=True):
            log.removeHandler(handler)
            log.setLevel(level)
            log.propagate = propagate


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
