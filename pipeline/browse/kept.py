"""Values that were asked for lately, so that they need not be made again."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """A cache of the last values asked for. Safe for many threads."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._values: OrderedDict[str, Value] = OrderedDict()

    def get(self, name: str, make: Callable[[], Value]) -> Value:
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
                return self._values[name]
        made = make()
        with self._lock:
            self._values[name] = made
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return made
