"""From a decoded frame to a JPEG: display shape, size, colours, rotation, all in YUV."""

from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
import simplejpeg
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from longtake.pipeline.decode.results import SourceError
from longtake.pipeline.decode.source import Source, check_picture
from longtake.pipeline.decode.stopwatch import Stopwatch
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason

# The exact flags cost a few tenths of a millisecond on a 1080p frame, and give every machine the same bytes.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT
#: From this reduction on, means over areas: no less true there than bicubic, for a bit over half its time.
_AREA_FROM = 4
_RIGHT_ANGLE = 90
_HALF_CHROMA = ("yuv420p", "yuvj420p", "yuv420p10le")


def quarter_turns(rotation: int) -> int:
    """Quarter turns counter-clockwise for an angle in degrees; 0 where the display matrix makes no sense."""
    return round(rotation / _RIGHT_ANGLE) % 4 if abs(rotation) <= 360 else 0


def display_size(width: int, height: int, turns: int) -> tuple[int, int]:
    """(width, height) on display of a picture turned by quarter turns."""
    return (height, width) if turns % 2 else (width, height)


def scaled_size(width: int, height: int, aspect: Fraction, short_side: int) -> tuple[int, int]:
    """(width, height) with the short side made `short_side` and the other rounded to the nearest even number.

    `aspect` is the width of a source pixel over its height. Always exactly `short_side`, also where that enlarges.
    """
    shape = max(width, 1) * aspect / max(height, 1)
    longer = short_side * max(shape, 1 / shape)
    even = max(2 * int(longer / 2 + Fraction(1, 2)), short_side)
    return (even, short_side) if shape >= 1 else (short_side, even)


class Painter:
    """Turns the frames of one source into JPEGs of one size. Holds the scaler, which is expensive to make."""

    def __init__(self, source: Source, frames: Frames, limits: Limits, watch: Stopwatch) -> None:
        context = source.stream.codec_context
        self._aspect, self._limits, self._watch = source.aspect, limits, watch
        self._size = scaled_size(context.width, context.height, source.aspect, frames.short_side)
        self._quality = frames.quality
        self._reformat: Callable[..., VideoFrame] = VideoReformatter().reformat
        self.turns: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the JPEGs."""
        width, height = display_size(*self._size, self.turns or 0)
        return height, width

    def jpeg(self, frame: VideoFrame) -> bytes:
        """The frame as JPEG (4:2:0, full-range BT.601).

        Raises SourceError: LIMIT_EXCEEDED for a giant one, UNREADABLE for pixels of an unknown kind.
        """
        check_picture(frame.width, frame.height, self._aspect, self._limits)
        if self.turns is None:
            self.turns = quarter_turns(frame.rotation)
        with self._watch.phase("scale"):
            scaled = self._scaled(frame)
            planes = _planes(scaled)
            if scaled.format.name == "yuvj444p":
                planes[1:] = map(_halved, planes[1:])
            if self.turns:
                planes = [np.ascontiguousarray(np.rot90(plane, self.turns)) for plane in planes]
        with self._watch.phase("encode"):
            return bytes(simplejpeg.encode_jpeg_yuv_planes(*planes, quality=self._quality))

    def _scaled(self, frame: VideoFrame) -> VideoFrame:
        width, height = self._size
        reduced = frame.width >= _AREA_FROM * width and frame.height >= _AREA_FROM * height
        try:
            return self._reformat(
                frame,
                width=width,
                height=height,
                format=_layout(frame, self._size),
                interpolation=_EXACT | (Interpolation.AREA if reduced else Interpolation.BICUBIC),
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.JPEG,
                threads=1,
            )
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError) as error:
            raise SourceError(Reason.UNREADABLE, f"cannot convert {frame.format.name} pixels: {error}") from None


def _layout(frame: VideoFrame, size: tuple[int, int]) -> str:
    """The pixel format to scale to: chroma in full, to be halved here, but where the samples can stay as they are."""
    stays = frame.format.name in _HALF_CHROMA and (frame.width, frame.height) == size
    return "yuvj420p" if stays else "yuvj444p"


def _planes(frame: VideoFrame) -> list[npt.NDArray[np.uint8]]:
    """Views of the planes, each (height, width), without the padding at the end of the lines."""
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]  # type: ignore[call-overload]
        for plane in frame.planes
    ]


def _halved(plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Means of 2x2 samples, for chroma. JPEG has its chroma samples in the middle of four pixels; swscale, left to
    itself, would put them where video has them, on the left: half a pixel off.
    """
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = np.pad(plane, ((0, height % 2), (0, width % 2)), "edge")
    rows = np.add(plane[0::2], plane[1::2], dtype=np.uint16)
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)
