"""Changes to Ogg files, bytes in and bytes out."""

import struct
from collections.abc import Callable, Iterator


def pages(data: bytes) -> Iterator[bytes]:
    """The pages."""
    at = 0
    while at + 27 <= len(data):
        count = data[at + 26]
        end = at + 27 + count + sum(data[at + 27 : at + 27 + count])
        yield data[at:end]
        at = end


def _checksum(page: bytes) -> int:
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ _TABLE[value >> 24 ^ byte]
    return value


def _entry(n: int) -> int:
    value = n << 24
    for _ in range(8):
        value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


_TABLE = [_entry(n) for n in range(256)]


def granules(data: bytes, change: Callable[[int, int], int]) -> bytes:
    """With other granule positions (what a page's last packet is in time): `change` gets the page's number too."""
    out = []
    for number, page in enumerate(pages(data)):
        (old,) = struct.unpack_from("<q", page, 6)
        changed = page[:6] + struct.pack("<q", change(number, old)) + page[14:22] + b"\0\0\0\0" + page[26:]
        out.append(changed[:22] + struct.pack("<I", _checksum(changed)) + changed[26:])
    return b"".join(out)


def without_pages(data: bytes, gone: Callable[[int], bool]) -> bytes:
    """Without some pages."""
    return b"".join(page for number, page in enumerate(pages(data)) if not gone(number))
