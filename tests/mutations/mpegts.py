"""Changes to MPEG transport streams and program streams, bytes in and bytes out."""

from collections.abc import Callable, Iterator

PACKET = 188
WRAP = 1 << 33
HZ = 90_000
Time = Callable[[int, int], int | None]  # the picture's number and its time stamp, to the new one; None: without


def packets(data: bytes) -> Iterator[bytearray]:
    """The packets."""
    for at in range(0, len(data) - PACKET + 1, PACKET):
        yield bytearray(data[at : at + PACKET])


def pid(packet: bytes | bytearray) -> int:
    """The packet identifier."""
    return (packet[1] & 31) << 8 | packet[2]


def _payload(packet: bytes | bytearray) -> int:
    return 4 + (1 + packet[4] if packet[3] & 0x20 else 0)


def _pes(packet: bytes | bytearray) -> int | None:
    """Where a PES header of video or audio begins in a packet, if one does."""
    at = _payload(packet)
    starts = packet[1] & 0x40 and packet[3] & 0x10 and at + 14 < PACKET
    return at if starts and packet[at : at + 3] == b"\0\0\1" and 0xC0 <= packet[at + 3] <= 0xEF else None


def read_stamp(data: bytes | bytearray, at: int) -> int:
    """The time stamp of 5 bytes."""
    a, b, c, d, e = data[at : at + 5]
    return (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1


def write_stamp(data: bytearray, at: int, time: int) -> None:
    """Put a time stamp of 5 bytes in the place of another."""
    time %= WRAP
    head = data[at] & 0xF1
    words = time >> 15 & 0x7FFF, time & 0x7FFF
    data[at : at + 5] = bytes(
        [
            head | (time >> 30 & 7) << 1,
            words[0] >> 7,
            (words[0] & 127) << 1 | 1,
            words[1] >> 7,
            (words[1] & 127) << 1 | 1,
        ]
    )


def stamps(data: bytes, change: Time, *, video_only: bool = False, pts_only: bool = False, clock: bool = True) -> bytes:
    """With other presentation and decoding times: `change` gets the number of the picture (or the piece of sound) too.

    `clock`: the program clock reference goes along, unless `change` takes the stamps away.
    """
    out, count = [], {}
    for packet in packets(data):
        number = count.get(pid(packet), -1)
        at = _pes(packet)
        if at is not None:
            count[pid(packet)] = number = number + 1
            if packet[at + 3] >= 0xE0 or not video_only:
                _restamp(packet, at, number, change, pts_only)
        if clock and packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
            base = int.from_bytes(packet[6:11], "big") >> 7
            new = change(max(count.get(pid(packet), 0), 0), base)
            if new is not None:
                rest = int.from_bytes(packet[6:11], "big") & 127
                packet[6:11] = (new % WRAP << 7 | rest).to_bytes(5, "big")
        out.append(bytes(packet))
    return b"".join(out)


def _restamp(packet: bytearray, at: int, number: int, change: Time, pts_only: bool) -> None:
    for flag, place in ((0x80, at + 9), (0x40, at + 14)):
        if packet[at + 7] & flag and not (pts_only and flag == 0x40):
            new = change(number, read_stamp(packet, place))
            if new is None:
                packet[at + 7] &= ~flag & 0xFF if flag == 0x40 else 0x3F
                packet[place : place + 5] = b"\xff" * 5
            else:
                write_stamp(packet, place, new)


def shifted(data: bytes, seconds: float) -> bytes:
    """All clocks moved, with a wrap at 2**33 where they get there."""
    return stamps(data, lambda _, time: time + round(seconds * HZ))


def counters(data: bytes, change: Callable[[int, int], int]) -> bytes:
    """With other continuity counters: `change` gets the packet's number and its counter."""
    out = []
    for number, packet in enumerate(packets(data)):
        packet[3] = packet[3] & 0xF0 | change(number, packet[3] & 15) & 15
        out.append(bytes(packet))
    return b"".join(out)


def random_access(data: bytes, marked: bool) -> bytes:
    """With every adaptation field marked as random access, or none."""
    out = []
    for packet in packets(data):
        if packet[3] & 0x20 and packet[4]:
            packet[5] = packet[5] | 0x40 if marked else packet[5] & ~0x40 & 0xFF
        out.append(bytes(packet))
    return b"".join(out)


def without_packets(data: bytes, gone: Callable[[int], bool]) -> bytes:
    """Without some packets."""
    return b"".join(bytes(p) for n, p in enumerate(packets(data)) if not gone(n))


def pack_times(data: bytes, change: Time) -> bytes:
    """A program stream (MPEG-2) with other times: pack clocks and PES stamps of the video. The number is that of the pack."""
    out, number, at = bytearray(data), -1, 0
    while (at := data.find(b"\0\0\1", at)) >= 0 and at + 20 < len(data):
        kind = data[at + 3]
        if kind == 0xBA:
            number += 1
            length = 14 + (data[at + 13] & 7)
        elif 0xBB <= kind <= 0xEF:
            length = 6 + int.from_bytes(data[at + 4 : at + 6], "big")
            if kind >= 0xE0 and data[at + 6] & 0xC0 == 0x80:
                for flag, place in ((0x80, at + 9), (0x40, at + 14)):
                    if data[at + 7] & flag:
                        new = change(number, read_stamp(data, place))
                        if new is None:
                            out[at + 7] &= 0x3F
                            out[place : place + 5] = b"\xff" * 5
                        else:
                            write_stamp(out, place, new)
        else:
            length = 4
        at += length
    return bytes(out)
