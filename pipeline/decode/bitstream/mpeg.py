"""MPEG-1, MPEG-2 and MPEG-4 Part 2: start codes and picture types."""

from collections.abc import Iterator

from longtake.pipeline.decode.bitstream.flags import BACKWARD, ENTRY, PLAIN, VISIBLE, Parameters, Reader

_HEAD = 4096  # bytes searched for a start code
_PICTURE, _SEQUENCE, _EXTENSION = 0x00, 0xB3, 0xB5
_FIRST_SLICE, _LAST_SLICE = 0x01, 0xAF
_SEQUENCE_EXTENSION, _QUANT_MATRIX_EXTENSION = 1, 3  # extensions that stay valid
_VOP = 0xB6
_FIRST_LAYER, _LAST_LAYER = 0x20, 0x2F  # video object layers of MPEG-4
_I, _B = 1, 3  # picture_coding_type of MPEG-1 and 2
_I_VOP, _B_VOP = 0, 2  # vop_coding_type of MPEG-4


def mpeg2_reader(extradata: bytes) -> Reader:
    """The reader of MPEG-1 and MPEG-2 packets with one picture each."""
    parameters = Parameters(_sequence_sets(extradata))

    def read(data: memoryview, key: bool) -> int:
        head = bytes(data[:_HEAD])
        at = head.find(b"\0\0\1\0")
        if at < 0 or at + 5 >= len(head):
            return PLAIN | parameters.change(_sequence_sets(head), False)
        kind = (head[at + 5] >> 3) & 7
        flags = PLAIN | ENTRY if kind == _I else VISIBLE | BACKWARD if kind == _B else PLAIN
        return flags | parameters.change(_sequence_sets(head), kind == _I)

    return read


def mpeg4_reader(extradata: bytes) -> Reader:
    """The reader of MPEG-4 Part 2 packets. If a packet holds two pictures, as in AVI, it reads the first."""
    parameters = Parameters(_layers(extradata))

    def read(data: memoryview, key: bool) -> int:
        head = bytes(data[:_HEAD])
        at = head.find(b"\0\0\1\xb6")
        sets = _layers(head[: at if at >= 0 else len(head)]) if at else []
        if at < 0 or at + 4 >= len(head):
            return PLAIN | parameters.change(sets, False)
        kind = head[at + 4] >> 6
        flags = PLAIN | ENTRY if kind == _I_VOP else VISIBLE | BACKWARD if kind == _B_VOP else PLAIN
        return flags | parameters.change(sets, kind == _I_VOP)

    return read


def _codes(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (start code, bytes up to the next start code)."""
    at = head.find(b"\0\0\1")
    while at >= 0 and at + 3 < len(head):
        after = head.find(b"\0\0\1", at + 3)
        yield head[at + 3], head[at + 4 : after if after >= 0 else len(head)]
        at = after


def _sequence_sets(head: bytes) -> list[bytes]:
    """The sequence headers, and the extensions that stay valid, before the first slice."""
    found = []
    for code, body in _codes(head):
        if _FIRST_SLICE <= code <= _LAST_SLICE:
            break
        lasting = code == _EXTENSION and body and body[0] >> 4 in (_SEQUENCE_EXTENSION, _QUANT_MATRIX_EXTENSION)
        if code == _SEQUENCE or lasting:
            found.append(bytes([code]) + body)
    return found


def _layers(head: bytes) -> list[bytes]:
    """The headers of video object layers."""
    return [bytes([code]) + body for code, body in _codes(head) if _FIRST_LAYER <= code <= _LAST_LAYER]
