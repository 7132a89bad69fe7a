"""Local copies of remote source videos, within a limit of bytes. All who need the same source video at a time share one copy.

The process that hands out the work makes them, so a killed decoder leaves nothing behind and no decoder waits for a network.
"""

import errno
import os
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from longtake.pipeline.decode import SourceError
from longtake.schemas import scratch, storage
from longtake.schemas.reasons import Reason

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")  # kept, because it helps to find the container format
_PATIENCE_SECONDS = 60.0
_Version = tuple[str, int, str]  # uri, size, and a tag that changes with the content


@dataclass
class _Copy:
    path: str
    size: int
    users: int = 1
    is_ready: bool = False
    is_stuck: bool = False  # the disk was full


class Copies:
    """Keeps at most `limit` bytes of copies at a time. A copy without users stays until its room is needed."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._copies: OrderedDict[_Version, _Copy] = OrderedDict()
        self._changed = threading.Condition()

    @contextmanager
    def of(self, uri: str) -> Iterator[str]:
        """Yield the path of a copy of `uri`. Wait for room if others use it all.

        Raises SourceError if the source video is larger than the limit or the disk, OSError if it cannot be read.
        """
        copy = self._take((uri, *storage.size_and_tag(uri)))
        try:
            yield copy.path
        finally:
            with self._changed:
                copy.users -= 1
                self._changed.notify_all()

    def _take(self, version: _Version) -> _Copy:
        uri, size, _ = version
        if size > self.limit:
            detail = f"{size} bytes to copy; limits.scratch_bytes is {self.limit}"
            raise SourceError(Reason.LIMIT_EXCEEDED, detail)
        with self._changed:
            while True:
                copy = self._copies.get(version)
                if copy is None and self._make_room(size):
                    break
                if copy is not None and copy.is_ready:
                    copy.users += 1
                    self._copies.move_to_end(version)
                    return copy
                self._changed.wait()
            suffix = _SUFFIX.search(uri)
            handle, path = tempfile.mkstemp(suffix[0] if suffix else "", dir=scratch.folder())
            os.close(handle)
            copy = self._copies[version] = _Copy(path, size)
        try:
            self._fill(version, copy)
        except BaseException:
            with self._changed:
                self._drop(version)
                self._changed.notify_all()
            raise
        with self._changed:
            copy.is_ready = True
            self._changed.notify_all()
        return copy

    def _fill(self, version: _Version, copy: _Copy) -> None:
        """Make the copy. If the disk is full, wait for others to leave room, as long as any are at work."""
        while True:
            try:
                return storage.fetch(version[0], copy.path, known=version[1:])
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
            os.unlink(copy.path)
            with self._changed:
                copy.is_stuck = True
                idle = [one for one, other in self._copies.items() if not other.users]
                for one in idle:
                    self._drop(one)
                if not idle:
                    if all(other.is_stuck for other in self._copies.values()):
                        detail = f"no space left for {copy.size} bytes in {scratch.folder()}"
                        raise SourceError(Reason.NO_SPACE, detail)
                    self._changed.wait(_PATIENCE_SECONDS)
                copy.is_stuck = False

    def _make_room(self, size: int) -> bool:
        """Delete idle copies, oldest first, until `size` more bytes fit within the limit. Return whether they fit."""
        used = sum(copy.size for copy in self._copies.values())
        for version in [version for version, copy in self._copies.items() if not copy.users]:
            if used + size <= self.limit:
                break
            used -= self._copies[version].size
            self._drop(version)
        return used + size <= self.limit

    def _drop(self, version: _Version) -> None:
        copy = self._copies.pop(version)
        with suppress(FileNotFoundError):
            os.unlink(copy.path)

    def clear(self) -> None:
        """Delete the copies without users."""
        with self._changed:
            for version in [version for version, copy in self._copies.items() if not copy.users]:
                self._drop(version)


_shared: dict[int, Copies] = {}
_lock = threading.Lock()


def shared_copies(limit: int) -> Copies:
    """The Copies that all threads of this process share."""
    with _lock:
        return _shared.setdefault(limit, Copies(limit))


def clear_shared_copies() -> None:
    """Delete the shared copies without users."""
    with _lock:
        for copies in _shared.values():
            copies.clear()
