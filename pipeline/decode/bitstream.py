"""What the first bytes of a coded picture say about it. Pure: bytes in, flags out.

Every answer errs on the safe side: a picture is called unreferenced, hidden or a random access point only where the
standard says so.
"""

from collections.abc import Callable

#: Other pictures may be predicted from this one.
REFERENCE = 1
#: Decoding the packet puts a frame on screen.
VISIBLE = 2
#: Decoding can start here, and all that follows in output order is exact.
ENTRY = 4
#: HEVC only: belongs to a higher temporal layer, so that unreferenced in its layer does not mean unreferenced.
LAYERED = 8

_PLAIN = REFERENCE | VISIBLE
_HEAD = 4096  # bytes searched for a start code
_SEI_HEAD = 512  # bytes of a message that are read

Reader = Callable[[memoryview, bool], int]


def reader(codec: str, container: str, extradata: bytes | None) -> Reader:
    """The function that reads the flags of a packet of `codec`: (payload, keyframe flag of the container) -> flags."""
    extra = extradata or b""
    if codec == "h264":
        length = (extra[4] & 3) + 1 if len(extra) >= 5 and extra[0] == 1 else 0
        return lambda data, key: _h264(data, key, length)
    if codec == "hevc":
        length = (extra[21] & 3) + 1 if len(extra) >= 22 and extra[0] == 1 else 0
        return lambda data, key: _hevc(data, key, length)
    if codec in ("mpeg1video", "mpeg2video"):
        return _mpeg2
    if codec == "mpeg4" and "avi" not in container.split(","):  # AVI packs two pictures in one packet
        return _mpeg4
    return {"vp8": _vp8, "vp9": _vp9}.get(codec, _trusting)


def _trusting(data: memoryview, key: bool) -> int:
    return _PLAIN | ENTRY if key else _PLAIN


def _nal_starts(data: memoryview, length_size: int, header: int) -> list[int]:
    """Where NAL units begin, up to the first that holds coded slices. `length_size` 0 means start codes."""
    starts: list[int] = []
    if length_size:
        at, end = 0, len(data)
        while at + length_size < end:
            start = at + length_size
            starts.append(start)
            if _is_slice(data[start], header):
                break
            at = start + int.from_bytes(data[at:start], "big")
        return starts
    head = bytes(data[:_HEAD])
    at = head.find(b"\0\0\1")
    while at >= 0 and at + 3 < len(head):
        starts.append(at + 3)
        if _is_slice(head[at + 3], header):
            break
        at = head.find(b"\0\0\1", at + 3)
    return starts


def _is_slice(first_byte: int, header: int) -> bool:
    return (first_byte >> 1) & 63 < 32 if header == 2 else (first_byte & 31) in (1, 2, 5)


def _h264(data: memoryview, key: bool, length_size: int) -> int:
    starts = _nal_starts(data, length_size, 1)
    if not starts or not _is_slice(data[starts[-1]], 1):
        return _PLAIN
    first = data[starts[-1]]
    flags = VISIBLE
    if first & 0x60 or (length_size and _later_reference(data, starts[-1], length_size)):
        flags |= REFERENCE
    if key and (first & 31 == 5 or any(_is_recovery_point(data, s) for s in starts if data[s] & 31 == 6)):
        flags |= ENTRY
    return flags


def _later_reference(data: memoryview, start: int, length_size: int) -> bool:
    """Whether a later slice of the packet (the second field of a frame) is referenced although the first is not."""
    end = len(data)
    while True:
        at = start + int.from_bytes(data[start - length_size : start], "big")
        start = at + length_size
        if start >= end:
            return False
        if data[start] & 0x60 and _is_slice(data[start], 1):
            return True


def _is_recovery_point(data: memoryview, start: int) -> bool:
    """Whether a supplemental message says that the very picture it comes with is exact (recovery_frame_cnt of 0)."""
    body = bytes(data[start + 1 : start + 1 + _SEI_HEAD]).replace(b"\0\0\3", b"\0\0")
    at = 0
    while at + 2 < len(body) and body[at] != 0x80:
        fields = []
        for _ in range(2):  # payload type, payload size: each a run of 255s and a rest
            value = 0
            while at < len(body) and body[at] == 255:
                value, at = value + 255, at + 1
            if at >= len(body):
                return False
            fields.append(value + body[at])
            at += 1
        if fields[0] == 6:
            return at < len(body) and bool(body[at] & 0x80)
        at += fields[1]
    return False


def _hevc(data: memoryview, key: bool, length_size: int) -> int:
    starts = _nal_starts(data, length_size, 2)
    if not starts or starts[-1] + 1 >= len(data) or not _is_slice(data[starts[-1]], 2):
        return _PLAIN | LAYERED
    kind, layer = (data[starts[-1]] >> 1) & 63, data[starts[-1] + 1] & 7
    flags = VISIBLE
    if kind >= 16 or kind & 1:
        flags |= REFERENCE
    if layer != 1:
        flags |= LAYERED
    if key and 16 <= kind <= 21:
        flags |= ENTRY
    return flags


def _mpeg2(data: memoryview, key: bool) -> int:
    head = bytes(data[:_HEAD])
    at = head.find(b"\0\0\1\0")
    if at < 0 or at + 5 >= len(head):
        return _PLAIN
    kind = (head[at + 5] >> 3) & 7
    return VISIBLE if kind == 3 else _trusting(data, key)


def _mpeg4(data: memoryview, key: bool) -> int:
    head = bytes(data[:_HEAD])
    at = head.find(b"\0\0\1\xb6")
    if at < 0 or at + 4 >= len(head):
        return _PLAIN
    return VISIBLE if head[at + 4] >> 6 == 2 else _trusting(data, key)


def _vp8(data: memoryview, key: bool) -> int:
    flags = _trusting(data, key)
    return flags if data[0] & 16 else flags & ~VISIBLE


def _vp9(data: memoryview, key: bool) -> int:
    flags = _trusting(data, key)
    if data[-1] & 0xE0 == 0xC0:  # a superframe: hidden frames and the one that is shown
        return flags
    bits, profile3 = data[0], data[0] & 0x30 == 0x30
    if profile3:
        bits = (bits << 1) & 0xFF  # profile 3 has a reserved bit before the flags
    show_existing, shown = bits & 8, bits & 2
    return flags if show_existing or shown else flags & ~VISIBLE
