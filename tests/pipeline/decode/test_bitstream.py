"""What the bytes of pictures say: entry points, references, order, parameter sets."""

import pytest
from hypothesis import given, strategies as st

from longtake.pipeline.decode.bitstream import BACKWARD, CHANGES, ENTRY, LAYERED, REFERENCE, VISIBLE, reader

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


@pytest.mark.parametrize("join, extra", [(units, AVCC), (codes, b""), (codes, b"\0\0\0\1" + SPS)])
@pytest.mark.parametrize(
    ("payloads", "key", "flags"),
    [
        ([AUD, SPS, IDR], True, PLAIN | ENTRY),
        ([P_SLICE], False, PLAIN),
        ([B_SLICE], False, VISIBLE | BACKWARD),
        ([AUD, B_SLICE], False, VISIBLE | BACKWARD),
        ([AUD, SPS, IDR], False, PLAIN | ENTRY),  # whatever the container says
        ([I_SLICE], True, PLAIN),  # a key frame to the container only
        ([RECOVER_NOW, I_SLICE], True, PLAIN | ENTRY),
        ([RECOVER_NOW, I_SLICE], False, PLAIN),
        ([RECOVER_LATER, I_SLICE], True, PLAIN),
        ([LONG_SEI, I_SLICE], True, PLAIN | ENTRY),
        ([AUD], False, PLAIN),
    ],
)
def test_h264(join, extra: bytes, payloads: list[bytes], key: bool, flags: int) -> None:  # type: ignore[no-untyped-def]
    assert reader("h264", extra)(memoryview(join(*payloads)), key) == flags


def test_h264_second_field_is_referenced() -> None:
    read = reader("h264", AVCC)
    assert read(memoryview(units(B_SLICE, P_SLICE)), False) == PLAIN | BACKWARD
    assert read(memoryview(units(B_SLICE, B_SLICE)), False) == VISIBLE | BACKWARD


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
    assert reader("hevc", extra)(memoryview(data), key) == flags


def flags(codec: str, data: bytes, key: bool = False) -> int:
    read = reader(codec, None)
    assert read is not None
    return read(memoryview(data), key)


@pytest.mark.parametrize("key", [True, False])
def test_other_codecs_are_not_told_by_the_container_what_an_entry_is(key: bool) -> None:
    assert flags("mpeg2video", b"\0\0\1\xb3" + bytes(8) + b"\0\0\1\x00\x00\x08", key) == PLAIN | ENTRY
    assert flags("mpeg2video", b"\0\0\1\x00\x00\x10", key) == PLAIN
    assert flags("mpeg2video", b"\0\0\1\x00\x00\x18", key) == VISIBLE | BACKWARD
    assert flags("mpeg4", b"\0\0\1\xb6\x10", key) == PLAIN | ENTRY
    assert flags("mpeg4", b"\0\0\1\xb6\x50", key) == PLAIN
    assert flags("mpeg4", b"\0\0\1\xb6\x90", key) == VISIBLE | BACKWARD
    assert flags("vp8", b"\x10\0\0", key) == PLAIN | ENTRY
    assert flags("vp8", b"\x11\0\0", key) == PLAIN
    assert flags("vp8", b"\x01\0\0", key) == REFERENCE
    assert flags("vp9", b"\x82\x49\x83", key) == PLAIN | ENTRY
    assert flags("vp9", b"\x86\x49\x83", key) == PLAIN
    assert flags("vp9", b"\x84\x00\x00", key) == REFERENCE
    assert flags("vp9", b"\x84\x00\xc1", key) == PLAIN  # a superframe
    assert flags("vp9", b"\x88", key) == PLAIN  # shows an existing frame
    assert flags("av1", b"\x12\x00\x32\x02\x10\x00", key) == PLAIN | ENTRY
    assert flags("av1", b"\x12\x00\x32\x02\x30\x00", key) == PLAIN  # an inter frame
    assert flags("av1", b"\x12\x00\x32\x02\x00\x00", key) == PLAIN  # a key frame that is not shown yet
    assert flags("theora", b"\x00\x01", key) == PLAIN | ENTRY
    assert flags("theora", b"\x40\x01", key) == PLAIN


def test_codecs_without_a_reader() -> None:
    assert reader("wmv2", None) is None
    assert reader("mjpeg", None, intra_only=True)(memoryview(b"\xff\xd8"), False) == PLAIN | ENTRY  # type: ignore[misc]


OTHER_SPS, PPS = b"\x67\x64\x00\x28", b"\x68\xee\x3c\x80"


def avcc(sps: bytes, pps: bytes) -> bytes:
    return AVCC + b"\xe1" + len(sps).to_bytes(2, "big") + sps + b"\1" + len(pps).to_bytes(2, "big") + pps


def test_parameter_sets_that_are_new_are_told() -> None:
    read = reader("h264", avcc(SPS, PPS))
    assert read is not None
    assert not read(memoryview(units(SPS, PPS, IDR)), True) & CHANGES
    assert not read(memoryview(units(IDR)), True) & CHANGES
    assert read(memoryview(units(OTHER_SPS, PPS, IDR)), True) & CHANGES
    assert not read(memoryview(units(OTHER_SPS, PPS, IDR)), True) & CHANGES  # known by now


def test_a_header_may_be_overruled_by_the_first_picture_if_every_entry_repeats_it() -> None:
    first = memoryview(units(OTHER_SPS, PPS, IDR))
    for later, change in ((units(OTHER_SPS, PPS, IDR), 0), (units(IDR), CHANGES), (units(SPS, IDR), CHANGES)):
        read = reader("h264", avcc(SPS, PPS))
        assert read is not None
        assert not read(first, True) & CHANGES
        assert not read(memoryview(units(P_SLICE)), False) & CHANGES
        assert read(memoryview(later), True) & CHANGES == change


def test_a_message_that_turns_pictures_changes_the_stream() -> None:
    turn, other = b"\x06\x2f\x03\x10\x00\x40\x80", b"\x06\x05\x01\xaa\x2f\x03\x10\x00\x40\x80"
    for message in (turn, other):
        read = reader("h264", AVCC)
        assert read is not None
        assert read(memoryview(units(message, IDR)), True) & CHANGES
    read = reader("h264", AVCC)
    assert read is not None
    assert not read(memoryview(units(LONG_SEI, IDR)), True) & CHANGES
    hevc = reader("hevc", HVCC)
    assert hevc is not None
    message = b"\x4e\x01\x2f\x03\x10\x00\x40\x80"
    assert hevc(memoryview(units(message, bytes([19 << 1, 1, 0x80, 0]))), True) & CHANGES


def test_a_stream_without_a_header_begins_with_its_first_parameter_sets() -> None:
    read = reader("h264", b"")
    assert read is not None
    assert not read(memoryview(codes(SPS, PPS, IDR)), True) & CHANGES
    assert not read(memoryview(codes(SPS + b"\0", PPS, IDR)), True) & CHANGES  # zeros after a unit are filling
    assert read(memoryview(codes(SPS, b"\x68\xff", IDR)), True) & CHANGES


def test_other_codecs_tell_changes() -> None:
    sequence, other = b"\0\0\1\xb3" + bytes([9] * 8), b"\0\0\1\xb3" + bytes([7] * 8)
    picture = b"\0\0\1\x00\x00\x08"
    read = reader("mpeg2video", sequence)
    assert read is not None
    assert not read(memoryview(picture), True) & CHANGES
    assert not read(memoryview(sequence + picture), True) & CHANGES
    assert read(memoryview(other + picture), True) & CHANGES
    layer, other_layer = b"\0\0\1\x20\x11\x22", b"\0\0\1\x20\x11\x23"
    read = reader("mpeg4", layer)
    assert read is not None
    assert not read(memoryview(b"\0\0\1\xb6\x10"), True) & CHANGES
    assert not read(memoryview(layer + b"\0\0\1\xb6\x10"), True) & CHANGES
    assert read(memoryview(other_layer + b"\0\0\1\xb6\x10"), True) & CHANGES
    read = reader("av1", b"\x81\0\0\0" + b"\x0a\x02\x11\x22")
    assert read is not None
    assert not read(memoryview(b"\x32\x01\x10"), True) & CHANGES
    assert not read(memoryview(b"\x0a\x02\x11\x22\x32\x01\x10"), True) & CHANGES
    assert read(memoryview(b"\x0a\x02\x11\x33\x32\x01\x10"), True) & CHANGES
    assert flags("theora", b"\x80theora") & CHANGES


@pytest.mark.parametrize(
    ("codec", "first", "other"),
    [
        ("vp8", "1000009d012a a000 7800 00", "1000009d012a 0001 9000 00"),
        ("vp9", "82498342 0009f00776 24", "82498342 000ff008f6 24"),
    ],
)
def test_a_key_frame_of_another_size_changes_the_stream(codec: str, first: str, other: str) -> None:
    read = reader(codec, None)
    assert read is not None
    small, large = memoryview(bytes.fromhex(first)), memoryview(bytes.fromhex(other))
    assert read(small, True) == PLAIN | ENTRY
    assert read(small, True) == PLAIN | ENTRY
    assert read(large, True) == PLAIN | ENTRY | CHANGES


@given(
    codec=st.sampled_from(["h264", "hevc", "mpeg2video", "mpeg4", "vp8", "vp9", "av1", "theora"]),
    data=st.binary(min_size=1, max_size=80),
    extra=st.sampled_from([None, AVCC, HVCC, b"\x01"]),
    key=st.booleans(),
)
def test_no_bytes_break_the_readers(codec: str, data: bytes, extra: bytes | None, key: bool) -> None:
    read = reader(codec, extra)
    assert read is not None
    assert 0 <= read(memoryview(data), key) < 256
