"""Change the end of a file that several processes write to, such as a log."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from longtake.schemas import storage

#: Takes the content of a file. Returns how many of its first bytes stay, and the bytes that follow them.
Change = Callable[[bytes], tuple[int, bytes]]


def amend(path: str, change: Change) -> None:
    """Change the end of a file, one process at a time. If there is no file, `change` gets no bytes and the file is created.

    A local file is locked (flock) and extended by one write, which is on disk when this returns. If none of its bytes stay, it is
    replaced whole. An object store has no lock and cannot append, so the object is replaced. If two processes do so at the same
    time, one may lose its write. Raises OSError, and what `change` raises, and leaves a local file unchanged or absent.
    """
    if storage.is_remote(path):
        data = b""
        with suppress(FileNotFoundError):
            data = storage.read_bytes(path)
        stays, added = change(data)
        storage.write_bytes(path, data[:stays] + added)
        return
    local = storage.local_path(path)
    was_there = os.path.exists(local)
    with unchanging(local) as descriptor:
        try:
            _amend_held(path, descriptor, change)
        except BaseException:
            if not was_there and not os.fstat(descriptor).st_size:
                os.unlink(local)  # who waits for the lock makes it again
            raise


def _amend_held(path: str, descriptor: int, change: Change) -> None:
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, size, 0)
    while len(data) < size:  # one call reads at most 2 GiB
        data += os.pread(descriptor, size - len(data), len(data))
    stays, added = change(data)
    if data and not stays:
        storage.write_bytes(path, added)
        return
    _add(descriptor, stays, added)
    if not data:
        storage.sync(os.path.dirname(storage.local_path(path)) or ".")


def _add(descriptor: int, stays: int, added: bytes) -> None:
    os.ftruncate(descriptor, stays)
    try:
        left = memoryview(added)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, stays)
        raise


@contextmanager
def unchanging(path: str) -> Iterator[int]:
    """Hold the local file at `path`, so that no `amend` changes it, and yield its locked descriptor. The file is created if there
    is none. Another process may replace it before the lock is held. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is(path: str, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    return False
