"""Work ahead in threads: the next jobs run while the results of this one are used. Results stay in order, memory is bounded."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
Job = Callable[[], Iterable[T]]

_END = object()
_SECONDS = 0.2  # between checks whether the results are still wanted


def in_order(jobs: Iterable[Job[T]], threads: int, results: int = 2) -> Iterator[T]:
    """Yield the results of the jobs, job after job. `threads` jobs run at once, each at most `results` results ahead.

    An exception of a job is raised when its turn comes. If the iterator is closed, the jobs stop at their next result.
    """
    waiting, lanes, stop = iter(jobs), deque[queue.Queue[Any]](), threading.Event()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="longtake-ahead")
    try:
        while True:
            while len(lanes) < threads and (job := next(waiting, None)) is not None:
                lanes.append(queue.Queue(results))
                pool.submit(_fill, lanes[-1], job, stop)
            if not lanes:
                return
            while (item := lanes[0].get()) is not _END:
                if isinstance(item, _Raised):
                    raise item.error
                yield item
            lanes.popleft()
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _fill(lane: "queue.Queue[Any]", job: Job[Any], stop: threading.Event) -> None:
    try:
        for item in job():
            if not _put(lane, item, stop):
                return
    except BaseException as error:
        _put(lane, _Raised(error), stop)
    else:
        _put(lane, _END, stop)


def _put(lane: "queue.Queue[Any]", item: Any, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            lane.put(item, timeout=_SECONDS)
            return True
        except queue.Full:
            continue
    return False
