"""Limits of hosts hold across threads."""

import itertools
import threading
import time

from longtake.pipeline.fetch.hosts import Hosts


def test_a_pause_holds_for_all_threads_and_only_for_its_host() -> None:
    hosts, starts = Hosts(4), dict[str, float]()
    hosts.pause("a", 0.3)
    hosts.pause("a", 0.1)  # the longer one stays
    began = time.monotonic()

    def work(name: str, host: str) -> None:
        with hosts.turn(host):
            starts[name] = time.monotonic() - began

    threads = [threading.Thread(target=work, args=one) for one in (("1", "a"), ("2", "a"), ("3", "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert starts["1"] >= 0.3 and starts["2"] >= 0.3 and starts["3"] < 0.3


def test_starts_are_apart_by_the_rate() -> None:
    hosts, starts = Hosts(8, per_second=20), list[float]()

    def work() -> None:
        with hosts.turn("a"):
            starts.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    starts.sort()
    assert all(later - earlier >= 0.045 for earlier, later in itertools.pairwise(starts))


def test_no_more_than_so_many_at_a_time() -> None:
    hosts, now, most, lock = Hosts(2), [0], [0], threading.Lock()

    def work() -> None:
        with hosts.turn("a"):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.02)
            with lock:
                now[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert most == [2]
