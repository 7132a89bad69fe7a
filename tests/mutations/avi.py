"""Changes to AVI files, bytes in and bytes out."""

import struct
from collections.abc import Callable, Iterator

KEY = 0x10


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    at = start
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, at)
        yield kind, at + 8, min(at + 8 + size, end)
        if kind in (b"RIFF", b"LIST"):
            yield from _chunks(data, at + 12, min(at + 8 + size, end))
        at += 8 + size + size % 2


def places(data: bytes, kind: bytes) -> list[tuple[int, int]]:
    """Where the bodies of the chunks of a kind begin and end."""
    return [(start, end) for name, start, end in _chunks(data, 0, len(data)) if name == kind]


def key_flags(data: bytes, change: Callable[[int, bool], bool]) -> bytes:
    """With other key flags in the index (idx1): `change` gets the entry's number and its flag."""
    out = bytearray(data)
    (start, end), *_ = places(data, b"idx1")
    for number, at in enumerate(range(start, end, 16)):
        (flags,) = struct.unpack_from("<I", data, at + 4)
        new = flags | KEY if change(number, bool(flags & KEY)) else flags & ~KEY
        struct.pack_into("<I", out, at + 4, new)
    return bytes(out)


def without_index(data: bytes) -> bytes:
    """Without its index: the chunk is there under a name that nobody reads."""
    out = bytearray(data)
    for start, _ in places(data, b"idx1"):
        out[start - 8 : start - 4] = b"JUNK"
    return bytes(out)


def header(data: bytes, field: str, change: Callable[[int], int]) -> bytes:
    """With another number in the header of the first stream: scale, rate, start, length; or in the file's: frames."""
    places_of = {"scale": (b"strh", 20), "rate": (b"strh", 24), "start": (b"strh", 28), "length": (b"strh", 32)}
    kind, offset = {**places_of, "frames": (b"avih", 16)}[field]
    out = bytearray(data)
    at = places(data, kind)[0][0] + offset
    struct.pack_into("<I", out, at, change(struct.unpack_from("<I", data, at)[0]))
    return bytes(out)


def emptied(data: bytes, gone: Callable[[int], bool]) -> bytes:
    """With some video chunks of no length, as dropped frames are written: what they held is junk, and the index tells so."""
    out = bytearray(data)
    count = 0
    (index, end), *_ = places(data, b"idx1")
    entries = iter(range(index, end, 16))
    for kind, start, stop in _chunks(data, 0, len(data)):
        if kind == b"00dc":
            entry = next(entries)
            if gone(count) and stop - start > 16:
                struct.pack_into("<I", out, start - 4, 0)
                out[start : start + 8] = b"JUNK" + struct.pack("<I", stop - start - 8)
                struct.pack_into("<I", out, entry + 12, 0)
            count += 1
    return bytes(out)
