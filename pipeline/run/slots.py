"""Process slots: work on untrusted media runs in child processes that can be killed, one piece of work each at a time.

All threads of the process share a pool of N single-process executors. A thread with work takes the next free slot, so uneven
work still spreads evenly. A child that crashes or runs out of time fails only its own piece of work; its slot gets a new child.
"""

import gc
import os
import queue
import resource
import signal as signals
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from longtake.pipeline.run.memory import limit_memory
from longtake.schemas.children import attend, end_forks, forks_of, lifeline

P = ParamSpec("P")
T = TypeVar("T")

#: The bytes that a child may allocate by default: a source video that needs more fails alone.
MEMORY_LIMIT = 8 << 30
_IMPORTED = ("longtake.pipeline.fragments.work",)  # the children's code, imported once for all of them
_START_SECONDS = 60.0  # limit for the start of a child, before the time limit of its work begins


class SlotTimeout(Exception):
    """The work did not end in time and was killed."""


class SlotCrashed(Exception):
    """The child process died during work (native crash, out of memory, killed). `signal` is the signal, or 0 if unknown."""

    def __init__(self, message: str, signal: int = 0) -> None:
        super().__init__(message, signal)
        self.signal = signal

    def __str__(self) -> str:
        return str(self.args[0])


class Slots:
    """A pool of `size` child processes. A child starts when it is first needed; `close` ends them all. `code` names the modules
    of their work."""

    def __init__(self, size: int, memory_limit: int = MEMORY_LIMIT, code: tuple[str, ...] = _IMPORTED) -> None:
        self.size = size
        self._memory_limit, self._code = memory_limit, code
        self._free: queue.LifoQueue[ProcessPoolExecutor | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)
        self._closed = False

    def run(self, seconds: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(*args)` in a child. The work's own exceptions are raised unchanged.

        Raises SlotTimeout after `seconds`. Raises SlotCrashed if two children died: the work may not be to blame for the first
        death, for example when the system kills the largest process. A MemoryError also gets a second try in a new child,
        because a child that ran out of memory does not give all of it back.
        """
        for last_try in (False, True):
            slot = self._free.get()
            try:
                if self._closed:
                    raise RuntimeError("the slots are closed")
                slot = slot or self._start()
                future: Future[T] = slot.submit(_worked, work, *args, **kwargs)  # type: ignore[arg-type]
                ended, _ = wait([future], seconds)  # not result(seconds): the work may raise a TimeoutError of its own
                if not ended:
                    raise SlotTimeout(f"did not end within {seconds:g} s")
                return future.result()
            except BrokenProcessPool:
                signal = _died_of(slot)
                _kill(slot)
                slot = None
                if last_try:
                    of = f" of {_name(signal)}" if signal else ""
                    raise SlotCrashed(f"the decoder process died on it{of}, twice", signal) from None
            except MemoryError:
                _kill(slot)
                slot = None
                if last_try:
                    raise
            except BaseException:
                if slot is not None and not _is_idle(slot):
                    _kill(slot)
                    slot = None
                raise
            finally:
                self._free.put(slot)
        raise AssertionError("unreachable")

    def _start(self) -> ProcessPoolExecutor:
        slot = ProcessPoolExecutor(
            1,
            mp_context=forks_of([*self._code]),
            initializer=_prepare_child,
            initargs=(self._memory_limit, lifeline()),
        )
        try:
            slot.submit(_nothing).result(_START_SECONDS)
        except BaseException:
            _kill(slot)
            raise
        return slot

    def close(self) -> None:
        """End the children. Work in progress is finished first; no more is taken."""
        self._closed = True
        slots = [self._free.get() for _ in range(self.size)]
        for slot in slots:
            if slot is not None:
                slot.shutdown()
            self._free.put(None)

    def __enter__(self) -> "Slots":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _prepare_child(memory_limit: int, line: Connection) -> None:
    attend(line)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_memory(memory_limit)


def _worked(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    _freeze_once()
    return work(*args, **kwargs)


@cache
def _freeze_once() -> None:
    """Leave what is imported out of the collection of garbage: it stays for good, and costs 20 ms in the middle of a video."""
    gc.freeze()  # gc.get_freeze_count would tell whether it is done, but counts all objects: 8 ms for each piece of work


def _nothing() -> None:
    """Do nothing. A new child runs this first, which proves that it has started."""


def _is_idle(slot: ProcessPoolExecutor) -> bool:
    return not slot._pending_work_items


def _died_of(slot: ProcessPoolExecutor | None, patience: float = 2.0) -> int:
    """The signal that ended the child of a broken slot; 0 if it was no signal or is unknown."""
    until = time.monotonic() + patience
    while slot is not None and slot._processes and time.monotonic() < until:
        codes = [process.exitcode for process in list(slot._processes.values())]
        if None not in codes:
            return max((-code for code in codes if code is not None and code < 0), default=0)
        time.sleep(0.01)
    return 0


def _name(number: int) -> str:
    return signals.Signals(number).name if number in {one.value for one in signals.Signals} else f"signal {number}"


def _kill(slot: ProcessPoolExecutor | None) -> None:
    if slot is None:
        return
    for process in list((slot._processes or {}).values()):
        process.kill()
    slot.shutdown(wait=False)


_shared: dict[tuple[int, int, tuple[str, ...]], Slots] = {}
_lock = threading.Lock()


def shared_slots(size: int, memory_limit: int = MEMORY_LIMIT, code: tuple[str, ...] = _IMPORTED) -> Slots:
    """The slots that all threads of this process share. A `size` of 0 means one for each core of this machine."""
    key = size or cores(), memory_limit, code
    with _lock:
        if key not in _shared:
            _shared[key] = Slots(*key)
        return _shared[key]


def close_shared_slots(more_to_come: bool = False) -> None:
    """End all shared slots. New ones start when they are needed: in milliseconds if there is `more_to_come`, for the process that
    they are forks of then stays."""
    with _lock:
        slots = list(_shared.values())
        _shared.clear()
    for slot in slots:
        slot.close()
    if slots and not more_to_come:
        end_forks()


def cores(quota: str = "/sys/fs/cgroup/cpu.max") -> int:
    """The number of cores that this process may use: the cores it is bound to, or fewer if its container's `quota` of CPU time
    says so."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open(quota) as stream:
            share, period = stream.read().split()
        return found if share == "max" else max(1, min(found, int(share) // int(period)))
    except (OSError, ValueError):  # no cgroup of version 2
        return found


__all__: list[Any] = ["SlotCrashed", "SlotTimeout", "Slots", "close_shared_slots", "cores", "shared_slots"]
