"""H.264 and HEVC: NAL units, with a start code or a length before each."""

from collections.abc import Iterator

from longtake.pipeline.decode.bitstream.flags import (
    BACKWARD,
    CHANGES,
    ENTRY,
    LAYERED,
    PLAIN,
    REFERENCE,
    VISIBLE,
    Parameters,
    Reader,
)

_HEAD = 4096  # bytes searched for a start code
_SEI_HEAD = 4096  # bytes read from supplemental messages
_SPS, _PPS, _SEI, _IDR = 7, 8, 6, 5
_HEVC_SEI = 39
_RECOVERY, _ORIENTATION = 6, 47  # types of supplemental messages
_HEVC_PARAMETERS = (32, 33, 34)  # video, sequence, picture
#: Second bytes of H.264 slices that begin a picture with a B slice: first_mb_in_slice 0, slice_type 1 or 6, in exp-Golomb codes.
_B_SLICES = frozenset(b for b in range(256) if b >> 4 == 0b1010 or b >> 2 == 0b100111)

Unit = tuple[
    int, int
]  # start and end of a NAL unit; a first coded slice after a start code (Annex B) ends at the end of the packet


def h264_reader(extradata: bytes) -> Reader:
    """The reader of H.264 packets. Raises nothing: an unreadable packet counts as a plain picture."""
    is_avcc = len(extradata) >= 7 and extradata[0] == 1
    length = (extradata[4] & 3) + 1 if len(extradata) >= 5 and extradata[0] == 1 else 0
    parameters = Parameters(_avcc(extradata) if is_avcc else _units_of(extradata, 1, (_SPS, _PPS)))

    def read(data: memoryview, key: bool) -> int:
        units = _units(data, length, 1)
        if not units or not _is_slice(data[units[-1][0]], 1):
            return PLAIN | parameters.change(_sets(data, units, 1, (_SPS, _PPS)), False)
        start = units[-1][0]
        first = data[start]
        flags = VISIBLE
        if first & 0x60 or (length and _later_reference(data, start, length)):
            flags |= REFERENCE
        if start + 1 < len(data) and data[start + 1] in _B_SLICES:
            flags |= BACKWARD
        if first & 31 == _IDR or (key and any(_is_recovery_point(data, s) for s, _ in units if data[s] & 31 == _SEI)):
            flags |= ENTRY
        if len(units) == 1:
            return flags | parameters.change((), bool(flags & ENTRY))
        if _orients(data, units, 1, _SEI, bool(flags & ENTRY)):
            flags |= CHANGES
        return flags | parameters.change(_sets(data, units, 1, (_SPS, _PPS)), bool(flags & ENTRY))

    return read


def hevc_reader(extradata: bytes) -> Reader:
    """The reader of HEVC packets."""
    is_hvcc = len(extradata) >= 23 and extradata[0] == 1
    length = (extradata[21] & 3) + 1 if len(extradata) >= 22 and extradata[0] == 1 else 0
    parameters = Parameters(_hvcc(extradata) if is_hvcc else _units_of(extradata, 2, _HEVC_PARAMETERS))

    def read(data: memoryview, key: bool) -> int:
        units = _units(data, length, 2)
        if not units or units[-1][0] + 1 >= len(data) or not _is_slice(data[units[-1][0]], 2):
            return PLAIN | LAYERED | parameters.change(_sets(data, units, 2, _HEVC_PARAMETERS), False)
        start = units[-1][0]
        kind, layer = (data[start] >> 1) & 63, data[start + 1] & 7
        flags = VISIBLE
        if kind >= 16 or kind & 1:
            flags |= REFERENCE
        if layer != 1:
            flags |= LAYERED
        if 16 <= kind <= 21:  # IDR, BLA and CRA pictures
            flags |= ENTRY
        if len(units) == 1:
            return flags | parameters.change((), bool(flags & ENTRY))
        if _orients(data, units, 2, _HEVC_SEI, bool(flags & ENTRY)):
            flags |= CHANGES
        return flags | parameters.change(_sets(data, units, 2, _HEVC_PARAMETERS), bool(flags & ENTRY))

    return read


def _sets(data: memoryview, units: list[Unit], header: int, kinds: tuple[int, ...]) -> list[bytes]:
    return [bytes(data[start:end]) for start, end in units if _kind(data[start], header) in kinds]


def _kind(first_byte: int, header: int) -> int:
    return (first_byte >> 1) & 63 if header == 2 else first_byte & 31


def _is_slice(first_byte: int, header: int) -> bool:
    return (first_byte >> 1) & 63 < 32 if header == 2 else (first_byte & 31) in (1, 2, 5)


def _units(data: memoryview, length_size: int, header: int) -> list[Unit]:
    """The NAL units up to the first with coded slices. `length_size` 0 means start codes."""
    found: list[Unit] = []
    end = len(data)
    if length_size:
        at = 0
        while at + length_size < end:
            start = at + length_size
            at = start + int.from_bytes(data[at:start], "big")
            found.append((start, min(at, end)))
            if _is_slice(data[start], header):
                break
        return found
    head = bytes(data[:_HEAD])
    at = head.find(b"\0\0\1")
    while at >= 0 and at + 3 < len(head):
        start = at + 3
        if _is_slice(head[start], header):
            found.append((start, end))
            break
        at = head.find(b"\0\0\1", start)
        found.append((start, at if at >= 0 else len(head)))
    return found


def _units_of(extradata: bytes, header: int, kinds: tuple[int, ...]) -> list[bytes]:
    """The parameter sets in a header with start codes."""
    data = memoryview(extradata)
    return _sets(data, _units(data, 0, header), header, kinds)


def _avcc(extradata: bytes) -> list[bytes]:
    """The parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
    found: list[bytes] = []
    at = 5
    for mask in (31, 255):
        if at >= len(extradata):
            break
        count, at = extradata[at] & mask, at + 1
        at = _read_sets(extradata, at, count, found)
    return found


def _hvcc(extradata: bytes) -> list[bytes]:
    """The parameter sets of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1)."""
    found: list[bytes] = []
    at = 23
    for _ in range(extradata[22]):
        at = _read_sets(extradata, at + 3, int.from_bytes(extradata[at + 1 : at + 3], "big"), found)
    return found


def _read_sets(extradata: bytes, at: int, count: int, found: list[bytes]) -> int:
    for _ in range(count):
        if at + 2 > len(extradata):
            break
        size, at = int.from_bytes(extradata[at : at + 2], "big"), at + 2
        found.append(extradata[at : at + size])
        at += size
    return at


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
    """Whether a supplemental message says that its own picture is exact (recovery_frame_cnt of 0)."""
    found = next((body for kind, body in _messages(data, start + 1) if kind == _RECOVERY), b"")
    return bool(found and found[0] & 0x80)


def _orients(data: memoryview, units: list[Unit], header: int, kind: int, whole: bool) -> bool:
    """Whether a supplemental message rotates the pictures from here on. `whole` means to read all messages, not only first
    ones."""
    for start, end in units:
        body = start + header
        if _kind(data[start], header) == kind and body < end:
            if data[body] == _ORIENTATION:
                return True
            if whole and any(found == _ORIENTATION for found, _ in _messages(data, body)):
                return True
    return False


def _messages(data: memoryview, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload) of the supplemental messages in the body of a NAL unit."""
    body = bytes(data[start : start + _SEI_HEAD]).replace(b"\0\0\3", b"\0\0")
    at = 0
    while at + 2 < len(body) and body[at] != 0x80:
        fields = []
        for _ in range(2):  # payload type, payload size: each is a run of 255s and a remainder
            value = 0
            while at < len(body) and body[at] == 255:
                value, at = value + 255, at + 1
            if at >= len(body):
                return
            fields.append(value + body[at])
            at += 1
        yield fields[0], body[at : at + fields[1]]
        at += fields[1]
