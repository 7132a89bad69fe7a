"""Times from time stamps."""

from fractions import Fraction

from longtake.pipeline.decode.clock import NO_TIME, FrameClock, PacketClock


def shifted(stamps: list[tuple[int, int]], base: int = 90_000) -> tuple[list[int], list[int]]:
    """The presentation times of (pts, dts) pairs on one timeline, and where clocks were joined."""
    clock = PacketClock(Fraction(1, base), base // 25)
    return [clock.placed(pts, dts, base // 25)[0] for pts, dts in stamps], clock.joins


def test_a_clock_that_goes_on_is_left_alone() -> None:
    stamps = [(3600 * n + 7200, 3600 * n) for n in range(10)]
    assert shifted(stamps) == ([pts for pts, _ in stamps], [])


def test_a_clock_that_restarts_goes_on() -> None:
    once = [(3600 * n + 7200, 3600 * n) for n in range(10)]
    found, joins = shifted(once + once)
    assert found == [3600 * n + 7200 for n in range(20)]
    assert joins == [36_000]


def test_an_hour_that_is_skipped_is_no_hour() -> None:
    first = [(3600 * n, 3600 * n) for n in range(5)]
    found, joins = shifted(first + [(pts + 324_000_000, dts + 324_000_000) for pts, dts in first])
    assert found == [3600 * n for n in range(10)]
    assert joins == [18_000]


def test_a_gap_of_less_than_ten_seconds_is_a_gap() -> None:
    assert shifted([(0, 0), (3600, 3600), (810_000, 810_000)]) == ([0, 3600, 810_000], [])


def test_a_step_back_of_less_than_a_tenth_of_a_second_is_none() -> None:
    assert shifted([(0, 0), (9000, 9000), (3600, 3600)])[1] == []
    assert shifted([(0, 0), (18_000, 18_000), (3600, 3600)])[1] == [21_600]


def test_a_presentation_time_of_another_clock_is_none() -> None:
    # A program stream of which libavformat gives the last picture of one part the time of the next part.
    found, joins = shifted([(7200, 0), (324_045_000, 3600), (324_052_200, 324_045_000)])
    assert found == [7200, NO_TIME, 14_400]
    assert joins == [7200]


def times(frames: list[tuple[int, int]], step: int = 1) -> list[int]:
    clock = FrameClock(step)
    return [clock.time(pts, dts, step) for pts, dts in frames]


def test_frames_with_times_keep_them() -> None:
    assert times([(0, -2), (1, -1), (2, 0), (3, 1)]) == [0, 1, 2, 3]


def test_frames_without_times_follow_one_another() -> None:
    assert times([(NO_TIME, NO_TIME)] * 4, 40) == [0, 40, 80, 120]
    assert times([(NO_TIME, 7), (NO_TIME, 8)]) == [7, 8]


def test_decode_times_serve_where_presentation_times_go_back() -> None:
    assert times([(2, 2), (4, 3), (3, 4), (6, 5), (5, 6), (8, 7)]) == [2, 4, 4, 5, 6, 7]
    assert times([(NO_TIME, 2), (NO_TIME, 3), (NO_TIME, 4)]) == [2, 3, 4]


def test_time_never_goes_back() -> None:
    clock = FrameClock(1)
    assert [clock.time(pts, NO_TIME, 1) for pts in (5, 6, 3, 4, 9)] == [5, 6, 6, 6, 9]
    assert clock.steps_back == 2
