"""Changes to Matroska and WebM files, bytes in and bytes out."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SEGMENT, CLUSTER, GROUP, TRACKS, INFO = 0x18538067, 0x1F43B675, 0xA0, 0x1654AE6B, 0x1549A966
ENTRY, VIDEO, CUES, SEEK = 0xAE, 0xE0, 0x1C53BB6B, 0x114D9B74
SIMPLE_BLOCK, BLOCK, CLUSTER_TIME, DURATION, PRIVATE, VOID = 0xA3, 0xA1, 0xE7, 0x4489, 0x63A2, 0xEC
REFERENCE, DEFAULT_DURATION, DEFAULT = 0xFB, 0x23E383, 0x88
_FOLDERS = {SEGMENT, CLUSTER, GROUP, TRACKS, INFO, ENTRY, VIDEO}


@dataclass(frozen=True)
class Element:
    """Where an element lies: its id, where its head begins, and where its body begins and ends."""

    id: int
    head: int
    start: int
    end: int


def elements(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[Element]:
    """All elements, those inside others too, in file order."""
    at, end = start, len(data) if end is None else end
    while at < end:
        width = 9 - data[at].bit_length()
        kind, head, at = int.from_bytes(data[at : at + width], "big"), at, at + width
        width = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
        at += width
        stop = end if size == (1 << 7 * width) - 1 else min(at + size, end)
        yield Element(kind, head, at, stop)
        if kind in _FOLDERS:
            yield from elements(data, at, stop)
        at = stop


def blocks(data: bytes | bytearray, track: int = 1) -> list[Element]:
    """The blocks of a track."""
    return [e for e in elements(data) if e.id in (SIMPLE_BLOCK, BLOCK) and data[e.start] == 0x80 | track]


def key_flags(data: bytes, change: Callable[[int, bool], bool]) -> bytes:
    """With other key flags of the simple blocks of track 1: `change` gets the block's number and its flag."""
    out = bytearray(data)
    for number, e in enumerate(blocks(data)):
        if e.id == SIMPLE_BLOCK:
            at = e.start + 3
            out[at] = out[at] & 0x7F | 0x80 * change(number, bool(out[at] & 0x80))
    return bytes(out)


def block_times(data: bytes, change: Callable[[int, int], int]) -> bytes:
    """With other times of the blocks of track 1, relative to their cluster: `change` gets the block's number and its time."""
    out = bytearray(data)
    for number, e in enumerate(blocks(data)):
        (time,) = struct.unpack_from(">h", data, e.start + 1)
        struct.pack_into(">h", out, e.start + 1, max(min(change(number, time), 32767), -32768))
    return bytes(out)


def cluster_times(data: bytes, change: Callable[[int, int], int]) -> bytes:
    """With other times of the clusters, as far as they fit into the bytes that are there."""
    out = bytearray(data)
    for number, e in enumerate(e for e in elements(data) if e.id == CLUSTER_TIME):
        width = e.end - e.start
        time = change(number, int.from_bytes(data[e.start : e.end], "big"))
        out[e.start : e.end] = min(time, (1 << 8 * width) - 1).to_bytes(width, "big")
    return bytes(out)


def header_duration(data: bytes, share: float) -> bytes:
    """With the duration in the header multiplied."""
    out = bytearray(data)
    (e,) = [e for e in elements(data) if e.id == DURATION]
    kind = ">d" if e.end - e.start == 8 else ">f"
    struct.pack_into(kind, out, e.start, struct.unpack_from(kind, data, e.start)[0] * share)
    return bytes(out)


def voided(data: bytes, *ids: int) -> bytes:
    """Without elements of these ids: padding is in their place."""
    out = bytearray(data)
    for e in elements(data):
        if e.id in ids:
            length = e.end - e.head
            body = (length - 9).to_bytes(7, "big") if length >= 9 else b""
            filler = bytes([VOID, 0x01]) + body if length >= 9 else bytes([VOID, 0x80 | (length - 2)])
            out[e.head : e.end] = filler.ljust(length, b"\0")
    return bytes(out)


def private(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """With other codec private data of the same length in the first track."""
    e = next(e for e in elements(data) if e.id == PRIVATE)
    new = change(data[e.start : e.end])
    assert len(new) == e.end - e.start
    return data[: e.start] + new + data[e.end :]


def without_blocks(data: bytes, gone: Callable[[int], bool]) -> bytes:
    """Without some of the blocks of track 1."""
    out = bytearray(data)
    for number, e in enumerate(blocks(data)):
        if gone(number) and e.id == SIMPLE_BLOCK:
            out[e.head] = VOID
    return bytes(out)


def with_video_fields(data: bytes, **fields: int) -> bytes:
    """With fields in the Video element of the first track: crop_top, crop_bottom, crop_left, crop_right, display_width,
    display_height. The file grows, so that the index of it, which then points elsewhere, goes."""
    ids = {
        "crop_bottom": 0x54AA, "crop_top": 0x54BB, "crop_left": 0x54CC, "crop_right": 0x54DD,
        "display_width": 0x54B0, "display_height": 0x54BA,
    }  # fmt: skip
    data = voided(data, CUES, SEEK)
    found = list(elements(data))
    video = next(e for e in found if e.id == VIDEO)
    kept = b"".join(
        data[e.head : e.end]
        for e in elements(data, video.start, video.end)
        if e.id not in {ids[name] for name in fields}
    )
    new = kept + b"".join(ids[n].to_bytes(2, "big") + b"\x82" + v.to_bytes(2, "big") for n, v in fields.items())
    out = data[: video.start] + new + data[video.end :]
    grown = len(new) - (video.end - video.start)
    for e in sorted((e for e in found if e.head <= video.head and e.end >= video.end), key=lambda e: -e.head):
        out = _resized(out, e, grown)
    return out


def _resized(data: bytes, e: Element, grown: int) -> bytes:
    """With the size in the head of an element changed, in as many bytes as it had; all of an unknown size stay so."""
    at = e.head + 9 - data[e.head].bit_length()
    width = e.start - at
    size = int.from_bytes(data[at : e.start], "big") & ((1 << 7 * width) - 1)
    if size == (1 << 7 * width) - 1:
        return data
    new = size + grown
    assert new < (1 << 7 * width) - 1, "no room for the size"
    return data[:at] + (new | 1 << 7 * width).to_bytes(width, "big") + data[e.start :]
