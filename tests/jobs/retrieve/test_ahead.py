"""Work ahead: in order, no further than asked, and ended when it is no longer wanted."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from longtake.jobs.retrieve.ahead import in_order


def job(number: int, count: int, seconds: float = 0.0) -> Callable[[], Iterator[tuple[int, int]]]:
    def run() -> Iterator[tuple[int, int]]:
        for i in range(count):
            time.sleep(seconds)
            yield number, i

    return run


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_jobs(threads: int) -> None:
    jobs = [job(n, n % 4, 0.01 * (n % 3 == 0)) for n in range(20)]
    assert list(in_order(jobs, threads)) == [(n, i) for n in range(20) for i in range(n % 4)]


def test_jobs_run_at_once_but_no_further_than_asked() -> None:
    started, running, most, lock = [], 0, 0, threading.Lock()

    def counted(number: int) -> Callable[[], Iterator[int]]:
        def run() -> Iterator[int]:
            nonlocal running, most
            with lock:
                started.append(number)
                running += 1
                most = max(most, running)
            time.sleep(0.05)
            yield number
            with lock:
                running -= 1

        return run

    stream = in_order((counted(n) for n in range(50)), threads=3)
    assert next(stream) == 0
    time.sleep(0.3)
    assert most == 3 and set(started) == {0, 1, 2}
    stream.close()


def test_a_job_waits_for_its_results_to_be_used() -> None:
    made = []

    def endless() -> Iterator[int]:
        for n in range(1000):
            made.append(n)
            yield n

    stream = in_order([endless], threads=1, results=2)
    assert next(stream) == 0
    time.sleep(0.3)
    assert len(made) <= 4
    stream.close()
    time.sleep(0.5)
    assert len(made) <= 5
    assert not [t for t in threading.enumerate() if t.name.startswith("longtake-ahead")]


def test_an_error_is_raised_in_its_turn() -> None:
    def broken() -> Iterator[tuple[int, int]]:
        yield 1, 0
        raise RuntimeError("broken")

    stream = in_order([job(0, 2, 0.05), broken, job(2, 1)], threads=3)
    assert [next(stream) for _ in range(3)] == [(0, 0), (0, 1), (1, 0)]
    with pytest.raises(RuntimeError, match="broken"):
        next(stream)
