"""A file that others write to while a server runs: read once, and again after each change."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from longtake.schemas import storage

Content = TypeVar("Content")


class WatchedFile(Generic[Content]):
    """The content of a file as `read` returns it from its path, also for a file that does not exist. Safe for many threads."""

    def __init__(self, path: str, read: Callable[[str], Content]) -> None:
        self.path, self._read = path, read
        self._lock = threading.Lock()
        self._held: tuple[str, Content] | None = None

    def get(self) -> Content:
        """The content as it is now. Raises what `read` raises."""
        try:
            version = "/".join(map(str, storage.size_and_tag(self.path)))
        except FileNotFoundError:
            version = ""
        with self._lock:
            if self._held is None or self._held[0] != version:
                self._held = version, self._read(self.path)
            return self._held[1]
