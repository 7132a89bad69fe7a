"""Show the loader's warnings to people."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from longtake.schemas.printable import printable


@contextmanager
def damage_shown() -> Iterator[None]:
    """Print the loader's warnings, one for each damaged sample."""
    log, handler = logging.getLogger("longtake.model"), logging.StreamHandler()
    handler.setFormatter(_Printable("longtake: %(message)s"))
    before = log.level, log.propagate
    log.setLevel(logging.WARNING)
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
