"""VP8, VP9, AV1 and Theora. Their pictures come out in decoding order."""

from collections.abc import Iterator

from longtake.pipeline.decode.bitstream.flags import CHANGES, ENTRY, PLAIN, VISIBLE, Parameters, Reader

_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6  # types of AV1's OBUs
_AV1C_HEAD = 4  # bytes of an AV1CodecConfigurationRecord before its OBUs


def vp8_reader(extradata: bytes) -> Reader:
    """The reader of VP8 packets (RFC 6386, 9.1). A key frame with a new size changes the stream."""
    sizes = Parameters(())

    def read(data: memoryview, key: bool) -> int:
        flags = PLAIN
        if not data[0] & 1:
            flags |= ENTRY | sizes.change([bytes(data[6:10])], True)
        return flags if data[0] & 16 else flags & ~VISIBLE

    return read


def vp9_reader(extradata: bytes) -> Reader:
    """The reader of VP9 packets (bitstream specification, 6.2). A key frame with a new size or colour changes the stream."""
    sizes = Parameters(())

    def read(data: memoryview, key: bool) -> int:
        bits, profile3 = data[0], data[0] & 0x30 == 0x30
        if profile3:
            bits = (bits << 1) & 0xFF  # profile 3 has a reserved bit before the flags
        show_existing, inter, shown = bits & 8, bits & 4, bits & 2
        flags = PLAIN
        if not show_existing and not inter:
            flags |= ENTRY | sizes.change([_vp9_size(data)], True)
        is_superframe = data[-1] & 0xE0 == 0xC0  # hidden frames and a shown one
        return flags if is_superframe or show_existing or shown else flags & ~VISIBLE

    return read


def _vp9_size(data: memoryview) -> bytes:
    """The colour configuration, width and height in the header of a key frame. Profiles 1 and 3 include a few bits after
    these."""
    last = {0x00: 0xF0, 0x10: 0xF8}.get(data[0] & 0x30, 0xFF)  # for profiles 0 and 2
    return bytes(data[4:8]) + bytes(byte & last for byte in data[8:9]) + bytes(data[9:10] if last == 0xFF else b"")


def av1_reader(extradata: bytes) -> Reader:
    """The reader of AV1 packets. Each is a temporal unit with one shown frame (bitstream specification, 5.3 and 5.9)."""
    record = memoryview(extradata)[_AV1C_HEAD:] if extradata[:1] == b"\x81" else memoryview(extradata)
    parameters = Parameters(bytes(body) for kind, body in _obus(record) if kind == _SEQUENCE)

    def read(data: memoryview, key: bool) -> int:
        flags, sets = PLAIN, []
        for kind, body in _obus(data):
            if kind == _SEQUENCE:
                sets.append(bytes(body))
                if body and body[0] & 8:  # reduced_still_picture_header: all are key frames
                    flags |= ENTRY
            elif kind in (_FRAME, _FRAME_HEADER):
                if body and body[0] & 0xF0 == 0x10:  # a new key frame that is shown
                    flags |= ENTRY
                break
        return flags | parameters.change(sets, bool(flags & ENTRY))

    return read


def theora_reader(extradata: bytes) -> Reader:
    """The reader of Theora packets (format specification, 7.1). A header in mid-stream begins another stream."""

    def read(data: memoryview, key: bool) -> int:
        if data[0] & 0x80:
            return PLAIN | CHANGES
        return PLAIN if data[0] & 0x40 else PLAIN | ENTRY

    return read


def _obus(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield (type, payload) of the open bitstream units in `data`."""
    at, end = 0, len(data)
    while at < end:
        head, at = data[at], at + 1
        at += (head >> 2) & 1
        size = end - at
        if head & 2:
            size, shift = 0, 0
            while at < end:
                byte, at = data[at], at + 1
                size |= (byte & 127) << shift
                shift += 7
                if not byte & 128 or shift > 56:
                    break
        yield (head >> 3) & 15, data[at : at + size]
        at += size
