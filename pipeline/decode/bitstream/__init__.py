"""Read flags of a coded picture from its bytes.

The container's key flag is only a hint: the bitstream decides what is an entry point. Every answer errs on the safe side: a
picture is called unreferenced, hidden or a random access point only if the standard says so.
"""

from longtake.pipeline.decode.bitstream.flags import BACKWARD, CHANGES, ENTRY, LAYERED, REFERENCE, VISIBLE, Reader
from longtake.pipeline.decode.bitstream.mpeg import mpeg2_reader, mpeg4_reader
from longtake.pipeline.decode.bitstream.nal import h264_reader, hevc_reader
from longtake.pipeline.decode.bitstream.vpx import av1_reader, theora_reader, vp8_reader, vp9_reader

__all__ = ["BACKWARD", "CHANGES", "ENTRY", "LAYERED", "REFERENCE", "VISIBLE", "Reader", "reader"]

_READERS = {
    "h264": h264_reader,
    "hevc": hevc_reader,
    "mpeg1video": mpeg2_reader,
    "mpeg2video": mpeg2_reader,
    "mpeg4": mpeg4_reader,
    "vp8": vp8_reader,
    "vp9": vp9_reader,
    "av1": av1_reader,
    "theora": theora_reader,
}


def reader(codec: str, extradata: bytes | None, *, intra_only: bool = False) -> Reader | None:
    """The function that reads the flags of a packet of `codec`: (payload, key flag of the container) -> flags.

    It remembers parameter sets, so make one for each pass. None if the headers of a codec cannot show what decoding needs; such
    a stream is decoded in sequence.
    """
    if intra_only:
        return lambda data, key: VISIBLE | REFERENCE | ENTRY
    make = _READERS.get(codec)
    return make(extradata or b"") if make else None
