"""Child processes that end with their parent, whatever ended it, and start without the imports of the parent's program."""

import atexit
import functools
import multiprocessing
import multiprocessing.spawn
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, popen_forkserver, popen_spawn_posix, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess
from typing import Any, cast

_server: Any = cast(Any, forkserver)._forkserver
_SOCKET_FOLDER = 107 - len("/pymp-12345678/listener-12345678")  # bytes that Linux leaves for a socket's folder
_FIRST = "longtake.schemas.forked"
_SECONDS = 1.0  # between two checks for the parent
_writers: list[Connection] = []  # open as long as this process lives
_lock = threading.Lock()
_environment: dict[str, str] = {}  # of the process that is forked


def leave_with(parent: int) -> None:
    """End this process when its parent, process `parent`, is gone. A parent killed with SIGKILL cannot tell its children."""
    threading.Thread(target=_watch, args=(parent,), name="longtake-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)


def end_forks() -> None:
    """End the process whose forks `forks_of` gives. Its CPU time then counts as a child's. Running forks go on; the next fork
    starts another such process."""
    _server._stop()  # there is no other way


atexit.register(end_forks)


@functools.cache
def lifeline() -> Connection:
    """Return a pipe end for a child process to `attend`. It breaks when this process ends, even if not the child's parent."""
    reader, writer = SPAWN.Pipe(duplex=False)
    _writers.append(writer)
    return cast(Connection, reader)


def attend(line: Connection) -> None:
    """End this process when the owner of the `lifeline` is gone, and leave Ctrl-C to the owner. For processes of SPAWN and
    `forks_of`, which start with SIGINT held back."""
    if _server._forkserver_alive_fd is not None:  # open, it keeps the process that was forked alive
        os.close(_server._forkserver_alive_fd)
        _server._forkserver_alive_fd = None
    threading.Thread(target=_wait, args=(line,), name="longtake-parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _wait(line: Connection) -> None:
    line.poll(None)
    os._exit(1)


class _Spawned(popen_spawn_posix.Popen):
    def _launch(self, process_obj: Any) -> None:
        with _apart():
            super()._launch(process_obj)  # type: ignore[misc]  # typeshed does not have it


class _Forked(popen_forkserver.Popen):
    def __init__(self, process_obj: Any) -> None:
        self._reading = threading.Lock()
        super().__init__(process_obj)

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """Return the exit code. A pipe holds it only once: if two threads read at the same time, the second got 255."""
        with self._reading:
            return super().poll(flag)

    def _launch(self, process_obj: Any) -> None:
        with _apart():
            super()._launch(process_obj)  # type: ignore[misc]


class _SpawnedProcess(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return _Spawned(process_obj)


class _ForkedProcess(ForkServerProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return _Forked(process_obj)


class _Spawn(SpawnContext):
    Process = _SpawnedProcess


class _Fork(ForkServerContext):
    Process = _ForkedProcess


#: Starts new interpreters that import only what their work needs, not the program's main module with the whole command line.
#: They hold SIGINT back until they call `attend`: Ctrl-C during their imports would print a traceback.
SPAWN: Any = _Spawn()
_FORK: Any = _Fork()


def forks_of(modules: list[str]) -> Any:
    """Return a context like SPAWN, but its processes start in milliseconds: they are forks of one process that has imported
    `modules`. That process has no threads, so forking is safe. It is shared, so the first caller decides the modules; it ends
    with this process, or where the environment is another than at its start. Returns SPAWN if the path of the folder for
    temporary files leaves no room for the name of its socket."""
    global _environment
    if len(tempfile.gettempdir()) > _SOCKET_FOLDER:
        return SPAWN
    with _lock:
        if _environment != os.environ:
            end_forks()
            _environment = dict(os.environ)
    _FORK.set_forkserver_preload([_FIRST, *modules])
    return _FORK


@contextmanager
def _apart() -> Iterator[None]:
    """Make processes that start inside hold SIGINT back and not import the main module."""
    resource_tracker.ensure_running()  # its start unblocks signals, so it must come first
    with _interrupts_held_back(), _without_main():
        yield


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold SIGINT back in children that start inside: a child inherits the blocked signals of its starting thread."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    with _lock:
        whole = multiprocessing.spawn.get_preparation_data
        multiprocessing.spawn.get_preparation_data = lambda name: {
            key: value for key, value in whole(name).items() if not key.startswith("init_main_from")
        }
        try:
            yield
        finally:
            multiprocessing.spawn.get_preparation_data = whole
