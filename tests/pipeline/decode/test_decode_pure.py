"""The pure parts: bit streams, times, choice, sizes."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longtake.pipeline.decode.bitstream import ENTRY, LAYERED, REFERENCE, VISIBLE, reader
from longtake.pipeline.decode.choose import choose, cost, on_screen, segments
from longtake.pipeline.decode.picture import quarter_turns, scaled_size
from longtake.pipeline.decode.table import DISCARD, NO_TIME, PacketTable
from longtake.pipeline.decode.timeline import Timeline

PLAIN = REFERENCE | VISIBLE
AVCC = b"\x01\x64\x00\x1f\xff"
HVCC = b"\x01" + bytes(20) + b"\x03"


def units(*payloads: bytes, prefix: int = 4) -> bytes:
    return b"".join(len(p).to_bytes(prefix, "big") + p for p in payloads)


def codes(*payloads: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + p for p in payloads)


AUD, SPS, IDR = b"\x09\xf0", b"\x67\x64\x00\x1f", b"\x65\x88\x84"
I_SLICE, P_SLICE, B_SLICE = b"\x61\x88\x84", b"\x41\x9a\x00", b"\x01\x9e\x00"
RECOVER_NOW, RECOVER_LATER = b"\x06\x06\x01\xc4\x80", b"\x06\x06\x02\x15\x90\x80"
LONG_SEI = b"\x06\x05" + b"\xff\x02" + bytes(257) + b"\x06\x01\xc4\x80"


@pytest.mark.parametrize("join, extra", [(units, AVCC), (codes, b""), (codes, b"\0\0\0\1\x67")])
@pytest.mark.parametrize(
    ("payloads", "key", "flags"),
    [
        ([AUD, SPS, IDR], True, PLAIN | ENTRY),
        ([P_SLICE], False, PLAIN),
        ([B_SLICE], False, VISIBLE),
        ([AUD, B_SLICE], False, VISIBLE),
        ([I_SLICE], True, PLAIN),  # a key frame to the container only
        ([RECOVER_NOW, I_SLICE], True, PLAIN | ENTRY),
        ([RECOVER_NOW, I_SLICE], False, PLAIN),
        ([RECOVER_LATER, I_SLICE], True, PLAIN),
        ([LONG_SEI, I_SLICE], True, PLAIN | ENTRY),
        ([AUD], False, PLAIN),
    ],
)
def test_h264(join, extra: bytes, payloads: list[bytes], key: bool, flags: int) -> None:  # type: ignore[no-untyped-def]
    assert reader("h264", "mp4", extra)(memoryview(join(*payloads)), key) == flags


def test_h264_second_field_is_referenced() -> None:
    read = reader("h264", "mp4", AVCC)
    assert read(memoryview(units(B_SLICE, P_SLICE)), False) == PLAIN
    assert read(memoryview(units(B_SLICE, B_SLICE)), False) == VISIBLE


@pytest.mark.parametrize("join, extra", [(units, HVCC), (codes, b"")])
@pytest.mark.parametrize(
    ("kind", "layer", "key", "flags"),
    [
        (19, 1, True, PLAIN | ENTRY),
        (21, 1, True, PLAIN | ENTRY),
        (1, 1, True, PLAIN),
        (0, 1, False, VISIBLE),
        (8, 1, False, VISIBLE),
        (9, 1, False, PLAIN),
        (0, 2, False, VISIBLE | LAYERED),
    ],
)
def test_hevc(join, extra: bytes, kind: int, layer: int, key: bool, flags: int) -> None:  # type: ignore[no-untyped-def]
    data = join(b"\x46\x01\x50", bytes([kind << 1, layer, 0x80, 0]))
    assert reader("hevc", "mp4", extra)(memoryview(data), key) == flags


def test_other_codecs() -> None:
    def flags(codec: str, data: bytes, key: bool = False, container: str = "webm") -> int:
        return reader(codec, container, None)(memoryview(data), key)

    assert flags("mpeg2video", b"\0\0\1\xb3" + bytes(8) + b"\0\0\1\x00\x00\x08", True) == PLAIN | ENTRY
    assert flags("mpeg2video", b"\0\0\1\x00\x00\x10") == PLAIN
    assert flags("mpeg2video", b"\0\0\1\x00\x00\x18") == VISIBLE
    assert flags("mpeg4", b"\0\0\1\xb6\x10") == PLAIN | 0
    assert flags("mpeg4", b"\0\0\1\xb6\x90", container="mov,mp4") == VISIBLE
    assert flags("mpeg4", b"\0\0\1\xb6\x90", container="avi") == PLAIN
    assert flags("vp8", b"\x10\0\0", True) == PLAIN | ENTRY
    assert flags("vp8", b"\x01\0\0") == REFERENCE
    assert flags("vp9", b"\x82\x49\x83", True) == PLAIN | ENTRY
    assert flags("vp9", b"\x84\x00\x00") == REFERENCE
    assert flags("vp9", b"\x84\x00\xc1") == PLAIN  # a superframe
    assert flags("vp9", b"\x88") == PLAIN  # shows an existing frame
    assert flags("av1", b"\x12\x00", True) == PLAIN | ENTRY


@given(
    codec=st.sampled_from(["h264", "hevc", "mpeg2video", "mpeg4", "vp8", "vp9", "av1"]),
    data=st.binary(min_size=1, max_size=80),
    extra=st.sampled_from([None, AVCC, HVCC, b"\x01"]),
    key=st.booleans(),
)
def test_no_bytes_break_the_readers(codec: str, data: bytes, extra: bytes | None, key: bool) -> None:
    flags = reader(codec, "mp4", extra)(memoryview(data), key)
    assert not flags & ENTRY or key


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


@pytest.mark.parametrize(("angle", "turns"), [(0, 0), (-90, 3), (90, 1), (180, 2), (-180, 2), (-(2**31), 0), (270, 3)])
def test_quarter_turns(angle: int, turns: int) -> None:
    assert quarter_turns(angle) == turns
