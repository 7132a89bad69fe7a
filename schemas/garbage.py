"""Python's garbage collection, for processes that import a lot and then work."""

import atexit
import gc
import sys

_NEW_OBJECTS = 100_000  # between two collections; Python's 700 cost half a second while Beam is imported
_WANT_COLLECTION = frozenset({"duckdb"})  # at exit it prints each object of its own that was not collected


def collect_seldom() -> None:
    """Collect garbage after more new objects than Python does, and not at the end: what the imports leave is no garbage, and
    Python would look at each of its million objects again and again."""
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    atexit.unregister(_collect_no_more)  # a test calls this more than once
    atexit.register(_collect_no_more)


def _collect_no_more() -> None:
    if _WANT_COLLECTION.isdisjoint(sys.modules):
        gc.freeze()
