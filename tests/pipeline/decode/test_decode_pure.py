"""The pure parts: times, choice, sizes, orientation."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given, strategies as st

from longtake.pipeline.decode.bitstream import BACKWARD, CHANGES, ENTRY, REFERENCE, VISIBLE
from longtake.pipeline.decode.choose import choose, cost, on_screen, segments
from longtake.pipeline.decode.clock import NO_TIME
from longtake.pipeline.decode.geometry import Crop, Orientation, orientation, scaled_size
from longtake.pipeline.decode.table import DISCARD, PacketTable
from longtake.pipeline.decode.timeline import Timeline

PLAIN = REFERENCE | VISIBLE


@given(
    pts=st.integers(-(10**15), 10**15),
    base=st.sampled_from([(1, 90000), (1, 1000), (1001, 30000), (1, 10**9), (1, 12800)]),
    start=st.integers(-(10**12), 10**12),
    time=st.integers(-(10**9), 10**9),
)
def test_timeline_is_exact(pts: int, base: tuple[int, int], start: int, time: int) -> None:
    line = Timeline(*base, start)
    exact = Fraction(pts * base[0] * 1000, base[1]) - Fraction(start, 1000)
    assert line.to_ms(pts) == ceil(exact - Fraction(1, 2))  # a half goes down
    assert line.to_ms(line.last_pts(time)) <= time < line.to_ms(line.last_pts(time) + 1)


def test_on_screen() -> None:
    line = Timeline(1, 1000, 0)
    assert on_screen([10, 20, 20, 30], [0, 9, 10, 19, 20, 29, 30, 10**12], line) == [0, 0, 0, 0, 2, 2, 3, 3]


GROUP = ["I", "P", "b", "b", "P", "b", "b", "P", "b", "b"]


def table(groups: int, open_gop: bool = False, discarded: int = 0) -> PacketTable:
    """Groups of ten: each b is shown before the picture that it follows; 40 ms a frame."""
    pts, flags = [], []
    for group in range(groups):
        first = group * 10
        order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8] if not open_gop else [2, 0, 1, 5, 3, 4, 8, 6, 7, 9]
        for kind, at in zip(GROUP, order, strict=True):
            pts.append((first + at) * 40)
            flag = VISIBLE if kind == "b" and not open_gop else PLAIN
            flags.append(flag | (ENTRY if kind == "I" else 0))
    if open_gop:
        flags = [PLAIN | (f & ENTRY) if i % 10 not in (1, 2, 4, 5, 7, 8) else VISIBLE for i, f in enumerate(flags)]
    for i in range(discarded):
        flags[i] |= DISCARD
    count = len(pts)
    return PacketTable(
        np.array(pts), np.arange(count), np.full(count, -1), np.ones(count, np.int32), np.full(count, 40, np.int32),
        np.array(flags, np.uint8), "",
    )  # fmt: skip


LINE = Timeline(1, 1000, 0)


def test_groups_without_wanted_frames_are_skipped() -> None:
    packets = table(5)
    assert choose(packets, [0, 840, 860], LINE, 0) == [0, 22, 22]
    assert [(s.start, s.stop) for s in segments(packets, [0, 22])] == [(0, 0), (20, 22)]
    assert cost(packets, [0, 22]) == 1 + 3  # I; and I P b, the other b is not sent


def test_leading_pictures_need_the_group_before() -> None:
    packets = table(3, open_gop=True)
    assert packets.has_leading
    assert not table(3).has_leading
    assert [(s.start, s.stop) for s in segments(packets, [11])] == [(0, 11)]
    assert [(s.start, s.stop) for s in segments(packets, [10, 11])] == [(0, 11)]
    assert [(s.start, s.stop) for s in segments(packets, [10])] == [(10, 10)]
    assert [(s.start, s.stop) for s in segments(packets, [1])] == [(0, 1)]


def test_discarded_frames_are_never_on_screen() -> None:
    packets = table(2, discarded=10)
    assert choose(packets, [0, 100], LINE, 0) == [10, 10]


def test_plannable() -> None:
    packets = table(2)
    assert packets.is_plannable
    twice, untimed = table(2), table(2)
    twice.pts[3] = twice.pts[2]
    untimed.pts[3] = NO_TIME
    assert not twice.is_plannable
    assert not untimed.is_plannable
    assert not table(1, discarded=10).is_plannable


@given(
    groups=st.integers(1, 6),
    open_gop=st.booleans(),
    times=st.lists(st.integers(-100, 2600), min_size=1, max_size=12),
    tolerance=st.integers(1, 1500),
)
def test_tolerance_is_kept_and_never_costs_more(groups: int, open_gop: bool, times: list[int], tolerance: int) -> None:
    packets = table(groups, open_gop)
    exact, loose = choose(packets, times, LINE, 0), choose(packets, times, LINE, tolerance)
    assert cost(packets, loose) <= cost(packets, exact)
    for time, right, taken in zip(times, exact, loose, strict=True):
        assert taken == right or abs(int(packets.pts[taken]) - time) <= tolerance
    assert exact == [
        max((o for o in packets.shown.tolist() if packets.pts[o] <= t), key=lambda o: packets.pts[o], default=None)
        if any(packets.pts[o] <= t for o in packets.shown)
        else packets.shown[0]
        for t in times
    ]


def test_tolerance_takes_key_frames_but_prefers_the_near_one_when_it_is_free() -> None:
    packets = table(3)
    assert choose(packets, [480], LINE, 200) == [10]  # the key frame at 400
    assert choose(packets, [480, 760], LINE, 30) == [13, 17]
    both = choose(packets, [480, 761], LINE, 100)
    assert packets.pts[both].tolist() == [480 - 80, 640 + 120 - 80] or cost(packets, both) <= cost(packets, [13, 17])


@given(
    width=st.integers(1, 8192),
    height=st.integers(1, 8192),
    aspect=st.fractions(Fraction(1, 16), 16, max_denominator=200),
    short=st.integers(16, 1080),
)
def test_scaled_size(width: int, height: int, aspect: Fraction, short: int) -> None:
    shape = width * aspect / height
    if not Fraction(1, 16) <= shape <= 16:
        return
    got = scaled_size(width, height, aspect, short)
    assert min(got) == short
    longer = got[0] if shape >= 1 else got[1]
    assert longer % 2 == 0 or longer == short
    assert abs(longer - short * max(shape, 1 / shape)) <= 1


def test_known_sizes() -> None:
    assert scaled_size(1920, 1080, Fraction(1), 200) == (356, 200)
    assert scaled_size(640, 360, Fraction(2, 3), 120) == (142, 120)
    assert scaled_size(360, 640, Fraction(1), 45) == (45, 80)
    assert scaled_size(100, 100, Fraction(1), 45) == (46, 45)


U = 1 << 16
#: Corners of a picture, row by row, as they are shown: worked out by hand from x' = ax + cy, y' = bx + dy.
SHOWN = {
    (U, 0, 0, U): ["12", "34"],
    (0, U, -U, 0): ["31", "42"],  # a quarter turn clockwise
    (0, -U, U, 0): ["24", "13"],
    (-U, 0, 0, -U): ["43", "21"],
    (-U, 0, 0, U): ["21", "43"],
    (U, 0, 0, -U): ["34", "12"],
    (0, U, U, 0): ["13", "24"],
    (0, -U, -U, 0): ["42", "31"],
}


@pytest.mark.parametrize(("matrix", "shown"), SHOWN.items())
def test_all_eight_orientations(matrix: tuple[int, int, int, int], shown: list[str]) -> None:
    a, b, c, d = matrix
    found = orientation([a, b, 0, c, d, 0, 0, 0, 1 << 30])
    assert not found.odd
    assert found.apply(np.array([[1, 2], [3, 4]], np.uint8)).tolist() == [[int(x) for x in row] for row in shown]
    assert found.size(3, 2) == ((2, 3) if a == 0 else (3, 2))


@pytest.mark.parametrize("matrix", [[], [0] * 9, [U, U, 0, U, U], [-(2**31)] * 9])
def test_a_matrix_without_sense_leaves_the_picture_as_it_is(matrix: list[int]) -> None:
    assert orientation(matrix) == Orientation()


def test_an_odd_angle_goes_to_the_nearest_quarter_turn() -> None:
    cos, sin = round(U * 0.94), round(U * 0.342)  # 20 degrees
    assert orientation([cos, sin, 0, -sin, cos]) == Orientation(0, False, odd=True)
    assert orientation([-sin, cos, 0, -cos, -sin]) == Orientation(3, False, odd=True)
    assert orientation([-cos, sin, 0, sin, cos]) == Orientation(0, True, odd=True)


def test_crop() -> None:
    assert Crop(40, 40, 20, 20).size(320, 240) == (240, 200)


BACK = VISIBLE | BACKWARD


def flow(pts: list[int], flags: list[int], reorders: bool = True, dts: list[int] | None = None) -> PacketTable:
    count = len(pts)
    return PacketTable(
        np.array(pts), np.array(dts or list(range(-10, count - 10))), np.full(count, -1), np.ones(count, np.int32),
        np.ones(count, np.int32), np.array(flags, np.uint8), "", reorders=reorders, tells_backward=True,
    )  # fmt: skip


def test_times_that_disagree_with_the_pictures_are_not_planned_with() -> None:
    kinds = [PLAIN | ENTRY, PLAIN, BACK, PLAIN, BACK]
    assert flow([0, 2, 1, 4, 3], kinds).is_plannable
    assert not flow([0, 1, 2, 3, 4], kinds).is_plannable  # decode times: MP4 without composition offsets
    assert flow([0, 1, 2, 3, 4], kinds, reorders=False).is_plannable  # pictures of type B that look back only
    assert not flow([0, 2, 1, 3, 4], kinds).is_plannable  # one B picture where no picture can be
    assert not flow([0, 2, 3, 4, 1], [PLAIN | ENTRY, *[PLAIN] * 4]).is_plannable
    assert flow([0, 1, 2, 3, 4], [PLAIN | ENTRY, *[PLAIN] * 4]).is_plannable
    assert not flow([0, 2, 1, 4, 3], kinds, dts=[0, 3, 4, 5, 6]).is_plannable  # shown before it is decoded
    assert not flow([0, 2, 1, 4, 3], [*kinds[:3], PLAIN | CHANGES, BACK]).is_plannable
