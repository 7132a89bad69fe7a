"""The colour signalling of pictures, and which pictures need more than a standard display."""

from dataclasses import dataclass

from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from longtake.schemas.color import MATRICES, PRIMARIES, RANGES, TRANSFERS, UNKNOWN

_HDR = frozenset({"smpte2084", "arib-std-b67"})  # PQ and HLG (Rec. ITU-R BT.2100)


def is_hdr(transfer: str | None) -> bool:
    """Whether a picture with this transfer needs more than a standard display."""
    return transfer in _HDR


def hdr_detail(transfer: str | None) -> str:
    """The ledger detail for a source video in PQ or HLG."""
    return f"its transfer is {transfer}: set frames.hdr to tonemap, which brings it to BT.709, or to keep"


@dataclass(frozen=True, slots=True)
class Color:
    """The colour signalling of a stream, by ffmpeg's names; "unknown" if there is none."""

    primaries: str = UNKNOWN
    transfer: str = UNKNOWN
    matrix: str = UNKNOWN
    range: str = UNKNOWN

    @property
    def is_hdr(self) -> bool:
        """Whether the picture needs more than a standard display, because it is coded in PQ or HLG."""
        return is_hdr(self.transfer)

    @property
    def is_wide(self) -> bool:
        """Whether the picture has colours that BT.709 lacks."""
        return self.is_hdr or self.primaries == "bt2020"


def color_of(coded: VideoCodecContext | VideoFrame) -> Color:
    """The colour signalling of a decoder or of a frame."""
    return Color(
        PRIMARIES.get(coded.color_primaries or 0, UNKNOWN),
        TRANSFERS.get(coded.color_trc or 0, UNKNOWN),
        MATRICES.get(2 if coded.colorspace is None else coded.colorspace, UNKNOWN),
        RANGES.get(coded.color_range or 0, UNKNOWN),
    )
