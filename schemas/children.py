"""Child processes: they end with their parent, whatever ended it, and start without what the parent's program imports."""

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
_SOCKET_FOLDER = 107 - len("/pymp-12345678/listener-12345678")  # what Linux leaves for the folder of a socket
_SECONDS = 1.0  # between looks whether the parent is there
_writers: list[Connection] = []  # open as long as this process lives


def leave_with(parent: int) -> None:
    """End this process when `parent`, which started it, is gone: one killed with SIGKILL cannot tell its children."""
    threading.Thread(target=_watch, args=(parent,), name="longtake-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)


def end_forks() -> None:
    """End the process that `forks_of` made, and count its CPU time as that of a child; the next fork makes another. Forks that
    still run go on."""
    _server._stop()  # there is no other way


@functools.cache
def lifeline() -> Connection:
    """What a child process is given to `attend`: it breaks when this process ends, which need not be the child's parent."""
    reader, writer = SPAWN.Pipe(duplex=False)
    _writers.append(writer)
    return cast(Connection, reader)


def attend(line: Connection) -> None:
    """End this process when the one whose `lifeline` it has is gone, and leave Ctrl-C to that one. For processes of SPAWN and
    `forks_of`, which start with SIGINT held back."""
    if _server._forkserver_alive_fd is not None:  # else the process that it is a fork of lives as long as this one
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
        """The exit code, which stands in a pipe once: of two threads that read it, the second took it for 255."""
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


#: Starts new interpreters that import what their work needs, not the program's own main module with all of the command line
#: behind it. SIGINT is held back in them until they call `attend`: Ctrl-C while they import would print a traceback.
SPAWN: Any = _Spawn()
_FORK: Any = _Fork()


def forks_of(modules: list[str]) -> Any:
    """A context as SPAWN, but its processes are forks of one that has imported `modules`, and start in no time. That one has no
    threads, which is what makes it safe; it is shared, so that the modules are those of whoever asks first. SPAWN where the path
    of the folder for temporary files leaves no room for the name of its socket."""
    if len(tempfile.gettempdir()) > _SOCKET_FOLDER:
        return SPAWN
    _FORK.set_forkserver_preload(modules)
    return _FORK


_lock = threading.Lock()


@contextmanager
def _apart() -> Iterator[None]:
    """What is started inside holds SIGINT back and does not import the main module."""
    resource_tracker.ensure_running()  # starting it ends the holding back of signals
    with _interrupts_held_back(), _without_main():
        yield


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Children inherit the signals that the thread which starts them holds back."""
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
