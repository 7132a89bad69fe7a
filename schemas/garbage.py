"""Python's garbage collection, for processes that import a lot and then work."""

import atexit
import gc

_NEW_OBJECTS = 100_000  # between two collections; Python's 700 cost half a second while Beam is imported


def collect_seldom() -> None:
    """Collect garbage after more new objects than Python does, and not at the end: what the imports leave is no garbage, and
    Python would look at each of its million objects again and again."""
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    atexit.unregister(gc.freeze)  # a test calls this more than once
    atexit.register(gc.freeze)
