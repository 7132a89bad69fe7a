"""Changes to FLV files, bytes in and bytes out."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

HEAD = 9 + 4
VIDEO = 9


@dataclass(frozen=True)
class Tag:
    """A tag: its kind (8 sound, 9 video, 18 script), its time in ms, and what it holds."""

    kind: int
    time: int
    body: bytes

    @property
    def is_header(self) -> bool:
        """Whether it is an AVC sequence header."""
        return self.kind == VIDEO and self.body[0] & 15 == 7 and self.body[1] == 0


def tags(data: bytes) -> Iterator[Tag]:
    """The tags."""
    at = HEAD
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        time = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield Tag(data[at], time, data[at + 11 : at + 11 + size])
        at += 11 + size + 4


def written(data: bytes, found: list[Tag]) -> bytes:
    """A file with the head of `data` and these tags."""
    out = [data[:HEAD]]
    for tag in found:
        time = tag.time & 0xFFFFFFFF
        size = len(tag.body).to_bytes(3, "big")
        head = bytes([tag.kind]) + size + (time & 0xFFFFFF).to_bytes(3, "big") + bytes([time >> 24]) + b"\0\0\0"
        out += [head, tag.body, struct.pack(">I", 11 + len(tag.body))]
    return b"".join(out)


def each(data: bytes, change: Callable[[int, Tag], Tag | None]) -> bytes:
    """With other tags of video: `change` gets the number among them, from 0, sequence headers too. None: without."""
    out: list[Tag] = []
    number = -1
    for tag in tags(data):
        number += tag.kind == VIDEO
        new = change(number, tag) if tag.kind == VIDEO else tag
        if new is not None:
            out.append(new)
    return written(data, out)


def joined(first: bytes, second: bytes, offset_ms: int, *, header: bool = True) -> bytes:
    """Two files one after the other, the second from `offset_ms` on; with or without its own sequence header."""
    later = [
        replace(tag, time=tag.time + offset_ms)
        for tag in tags(second)
        if tag.kind == VIDEO and (header or not tag.is_header) and not (tag.body[0] & 15 == 7 and tag.body[1] == 2)
    ]
    first_tags = [t for t in tags(first) if not (t.kind == VIDEO and t.body[0] & 15 == 7 and t.body[1] == 2)]
    return written(first, first_tags + later)


def key_flags(data: bytes, change: Callable[[int, bool], bool]) -> bytes:
    """With other frame types: key, or inter."""

    def body(number: int, tag: Tag) -> Tag:
        if tag.is_header:
            return tag
        kind = 1 if change(number, tag.body[0] >> 4 == 1) else 2
        return replace(tag, body=bytes([kind << 4 | tag.body[0] & 15]) + tag.body[1:])

    return each(data, body)


def composition(data: bytes, change: Callable[[int, int], int]) -> bytes:
    """With other composition offsets, in ms."""

    def body(number: int, tag: Tag) -> Tag:
        old = int.from_bytes(tag.body[2:5], "big", signed=True)
        return replace(tag, body=tag.body[:2] + change(number, old).to_bytes(3, "big", signed=True) + tag.body[5:])

    return each(data, body)


def duration(data: bytes, seconds: float) -> bytes:
    """With another duration in the script tag."""
    at = data.index(b"duration\0") + 9
    return data[:at] + struct.pack(">d", seconds) + data[at + 8 :]
