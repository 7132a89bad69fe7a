"""Make a JPEG from a decoded frame: display shape, size, colours, orientation, all in YUV."""

from collections.abc import Callable
from fractions import Fraction

import av
import av.filter
import numpy as np
import numpy.typing as npt
import simplejpeg
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter

from longtake.pipeline.decode.color import color_of, hdr_detail
from longtake.pipeline.decode.geometry import Crop, Orientation, orientation_of, scaled_size
from longtake.pipeline.decode.results import FrameFault, SourceError
from longtake.pipeline.decode.source import OpenSource, check_picture
from longtake.pipeline.decode.stopwatch import Stopwatch
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason

# The exact flags cost a few tenths of a millisecond on a 1080p frame, and give every machine the same bytes.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT
#: From this reduction on, use means over areas: as accurate as bicubic, in a bit over half its time.
_AREA_FROM = 3
_HALF_CHROMA = ("yuv420p", "yuvj420p", "yuv420p10le")
#: BT.709 and absent signalling (Rec. ITU-T H.273): nothing to map.
_PLAIN = (1, 2)
#: Pixels by which a scaled picture may differ from the first one's shape: sizes are even numbers.
_OFF_SHAPE = 2


class Painter:
    """Turns the frames of one source video into JPEGs of one size. Holds the scaler, which is expensive to make."""

    def __init__(self, source: OpenSource, frames: Frames, limits: Limits, watch: Stopwatch) -> None:
        self._source, self._limits, self._watch = source, limits, watch
        self._context = source.stream.codec_context
        self._frames = frames
        self._reformat: Callable[..., VideoFrame] = VideoReformatter().reformat
        self._cropper = _Cropper(source.crop) if source.crop != Crop() else None
        self._size = self._scaled_size(self._context.width, self._context.height)  # before rotation
        self._aspect: Fraction | None = None
        self._kind: tuple[int, int, Orientation, Fraction | None] | None = None  # of the first picture
        self.orientation: Orientation | None = None  # of the first picture

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the JPEGs."""
        width, height = (self.orientation or Orientation()).size(*self._size)
        return height, width

    def _scaled_size(self, width: int, height: int, stretched: Fraction | int = 1) -> tuple[int, int]:
        left = self._source.crop.size(width, height)
        return scaled_size(*left, self._source.aspect * stretched, self._frames.short_side)

    def jpeg(self, frame: VideoFrame, orientation: Orientation | None = None) -> bytes | FrameFault:
        """The frame as JPEG (4:2:0, full-range BT.601); a fault if its shape differs from the first frame's.

        `orientation` is its orientation, if an earlier frame states it.

        Raises SourceError: LIMIT_EXCEEDED for a giant frame, UNREADABLE for pixels of an unknown kind, HDR if the settings drop
        HDR.
        """
        check_picture(frame.width, frame.height, self._source.aspect, self._limits)
        orientation = orientation or orientation_of(frame) or Orientation()
        fault = self._reshaped(frame, orientation)
        if fault is not None:
            return fault
        with self._watch.phase("scale"):
            scaled = self._scaled(self._cropper.crop(frame) if self._cropper else frame)
            planes = _planes(scaled)
            if scaled.format.name == "yuvj444p":
                planes[1:] = map(_halved, planes[1:])
            planes = [orientation.apply(plane) for plane in planes]
        with self._watch.phase("encode"):
            return bytes(simplejpeg.encode_jpeg_yuv_planes(*planes, quality=self._frames.quality))

    def _reshaped(self, frame: VideoFrame, orientation: Orientation) -> FrameFault | None:
        """Return a fault if the frame does not fit into the first frame's size."""
        aspect = self._context.sample_aspect_ratio
        kind = frame.width, frame.height, orientation, aspect
        if kind == self._kind:
            return None
        if self.orientation is None:
            self.orientation, self._aspect, self._kind = orientation, aspect, kind
            self._size = self._scaled_size(frame.width, frame.height)
            return None
        stretched = aspect / self._aspect if aspect and self._aspect else 1
        here = orientation.size(*self._scaled_size(frame.width, frame.height, stretched))
        first = self.orientation.size(*self._size)
        same_way = orientation.turns % 2 == self.orientation.turns % 2
        if same_way and all(abs(a - b) <= _OFF_SHAPE for a, b in zip(here, first, strict=True)):
            return None
        detail = f"its shape is {here[0]}x{here[1]} where that of the first picture is {first[0]}x{first[1]}"
        return FrameFault(Reason.SHAPE_CHANGED, f"the picture changes: {detail}")

    def _scaled(self, frame: VideoFrame) -> VideoFrame:
        width, height = self._size
        try:
            return self._reformat(
                frame,
                width=width,
                height=height,
                format=_layout(frame, self._size),
                interpolation=_EXACT | _interpolation(frame, width, height),
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.JPEG,
                threads=1,
                **self._tone_mapping(frame),
            )
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError) as error:
            raise SourceError(Reason.UNREADABLE, f"cannot convert {frame.format.name} pixels: {error}") from None

    def _tone_mapping(self, frame: VideoFrame) -> dict[str, int]:
        """The arguments that make libswscale map a picture to a standard display, if that is needed."""
        if frame.color_trc in _PLAIN and frame.color_primaries in _PLAIN:  # the common case
            return {}
        color = color_of(frame)
        if self._frames.hdr == "tonemap" and color.is_wide:
            return {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
        if self._frames.hdr == "drop" and color.is_hdr:
            raise SourceError(Reason.HDR, hdr_detail(color.transfer))
        return {}


class _Cropper:
    """Crops frames with libavfilter, which moves the pointers to their planes and copies nothing."""

    def __init__(self, crop: Crop) -> None:
        self._crop, self._graph = crop, av.filter.Graph()
        self._kind: tuple[int, int, str] | None = None

    def crop(self, frame: VideoFrame) -> VideoFrame:
        kind = frame.width, frame.height, frame.format.name
        if kind != self._kind:
            self._graph, self._kind = av.filter.Graph(), kind
            width, height = self._crop.size(frame.width, frame.height)
            nodes = [
                self._graph.add_buffer(
                    width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
                ),
                self._graph.add("crop", f"{width}:{height}:{self._crop.left}:{self._crop.top}:exact=1"),
                self._graph.add("buffersink"),
            ]
            self._graph.link_nodes(*nodes).configure()
        self._graph.push(frame)
        cut = self._graph.pull()
        assert isinstance(cut, VideoFrame)  # noqa: S101
        return cut


def _interpolation(frame: VideoFrame, width: int, height: int) -> Interpolation:
    if frame.width >= _AREA_FROM * width and frame.height >= _AREA_FROM * height:
        return Interpolation.AREA
    return Interpolation.BILINEAR if frame.width <= width and frame.height <= height else Interpolation.BICUBIC


def _layout(frame: VideoFrame, size: tuple[int, int]) -> str:
    """The pixel format to scale to. It has full chroma, which is halved here, unless the samples can stay unchanged."""
    stays = frame.format.name in _HALF_CHROMA and (frame.width, frame.height) == size
    return "yuvj420p" if stays else "yuvj444p"


def _planes(frame: VideoFrame) -> list[npt.NDArray[np.uint8]]:
    """Views of the planes, each (height, width), without the padding at the end of the lines."""
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]  # type: ignore[call-overload]
        for plane in frame.planes
    ]


def _halved(plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Means of 2x2 samples, for chroma. JPEG puts chroma samples in the middle of four pixels. swscale alone would put them on
    the left, as video does: half a pixel off."""
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = np.pad(plane, ((0, height % 2), (0, width % 2)), "edge")
    rows = np.add(plane[0::2], plane[1::2], dtype=np.uint16)
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)
