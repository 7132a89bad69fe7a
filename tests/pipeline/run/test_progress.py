"""Phases of a job: what is done of how much, how fast, and what is left."""

import threading

from longtake.pipeline.run.progress import BYTES, Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_phase_that_advanced_last_is_the_current_one() -> None:
    clock = Clock()
    progress = Progress(clock)
    assert progress.phase() is None
    progress.expect("reading", 20, BYTES)
    progress.expect("reading", 5, BYTES)
    progress.expect("planning", 4, "video")
    assert progress.phase() is None, "nothing is done yet"
    progress.advance("reading", 5)
    clock.now += 10
    progress.advance("reading", 5)
    reading = progress.phase()
    assert reading is not None
    assert (reading.name, reading.unit, reading.done, reading.total, reading.seconds) == ("reading", BYTES, 10, 25, 10)
    assert (reading.rate, reading.left_s) == (1, 15)
    progress.advance("planning")
    planning = progress.phase()
    assert planning is not None
    assert (planning.name, planning.unit, planning.done, planning.total) == ("planning", "video", 1, 4)
    assert (planning.rate, planning.left_s) == (None, None), "no time has passed"


def test_after_a_finished_phase_comes_the_next() -> None:
    clock = Clock()
    progress = Progress(clock)
    for name, amount, unit in (("reading", 10, BYTES), ("joining", 0, "sentence"), ("planning", 3, "video")):
        progress.expect(name, amount, unit)
    progress.advance("reading", 10)
    clock.now += 60
    phase = progress.phase()
    assert phase is not None and (phase.name, phase.done, phase.seconds) == ("joining", 0, 0)
    progress.advance("planning", 2)
    clock.now += 60
    phase = progress.phase()
    assert phase is not None and (phase.name, phase.done, phase.seconds) == ("planning", 2, 0), "waiting is no speed"
    progress.expect("planning", -1)
    phase = progress.phase()
    assert phase is not None and (phase.name, phase.total) == ("planning", 2), "there is no later one"


def test_without_expectations_or_beyond_them_the_total_is_unknown() -> None:
    progress = Progress()
    progress.advance("embedding", 7, "sentence")
    phase = progress.phase()
    assert phase is not None and (phase.unit, phase.total, phase.left_s) == ("sentence", None, None)
    progress.expect("joining", 2)
    progress.advance("joining", 3)
    phase = progress.phase()
    assert phase is not None and (phase.done, phase.total) == (3, None)
    progress.add(videos=2)
    progress.reset()
    assert progress.phase() is None and not progress.read()


def test_many_threads_lose_nothing() -> None:
    progress = Progress()

    def work() -> None:
        for _ in range(2000):
            progress.expect("reading", 1, BYTES)
            progress.advance("reading", 1)
            progress.add(rows=1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    phase = progress.phase()
    assert phase is not None and (phase.done, phase.total) == (16_000, 16_000)
    assert progress.read()["rows"] == 16_000
