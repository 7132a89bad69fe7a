"""Child processes: they end with their parent, whatever ended it, and start without what the parent's program imports."""

import multiprocessing
import multiprocessing.spawn
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.popen_spawn_posix import Popen
from typing import Any

_SECONDS = 1.0  # between looks whether the parent is there


def leave_with(parent: int) -> None:
    """End this process when `parent`, which started it, is gone: one killed with SIGKILL cannot tell its children."""
    threading.Thread(target=_watch, args=(parent,), name="longtake-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent. For a process of `SPAWN`, which starts with SIGINT held back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class _Launch(Popen):
    def _launch(self, process_obj: Any) -> None:
        resource_tracker.ensure_running()  # starting it ends the holding back of signals
        with _interrupts_held_back(), _without_main():
            super()._launch(process_obj)  # type: ignore[misc]  # typeshed does not have it


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return _Launch(process_obj)


class _Context(SpawnContext):
    Process = _Process


#: Starts new interpreters that import what their work needs, not the program's own main module with all of the command line
#: behind it. SIGINT is held back in them until they call `ignore_interrupts`: Ctrl-C while they import would print a traceback.
SPAWN: Any = _Context()

_lock = threading.Lock()


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
