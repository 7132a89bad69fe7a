"""Open an untrusted source file: which files may be opened, and the facts in the header."""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from longtake.pipeline.decode.clock import NO_TIME, PacketClock
from longtake.pipeline.decode.color import Color, color_of
from longtake.pipeline.decode.geometry import Crop, Orientation, crop_of
from longtake.pipeline.decode.results import ContainerError, SourceError
from longtake.pipeline.decode.stream_choice import Reopen, choice_note, choose_stream
from longtake.pipeline.decode.timeline import Timeline
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason
from longtake.schemas.records import SourceInfo
from longtake.schemas.remote import StorageError

if TYPE_CHECKING:
    from av.packet import Packet

#: Containers that hold their own media. Playlists, image sequences and device inputs are never opened: they name other files.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,ogg,flv,asf,mxf,ivf,obu,"
    "mpegvideo,m4v,h264,hevc"
)  # fmt: skip
#: The longest shape (long side over short side) that still counts as a picture.
WIDEST = 16
_NO_TIMESTAMPS, DISCONTINUOUS = 0x80, 0x200  # AVFMT_NOTIMESTAMPS and AVFMT_TS_DISCONT of libavformat
_CROPPING = {"mov", "mp4", "matroska", "webm"}  # containers that can crop
_ENDS = {"matroska", "webm"}  # containers with a duration that may be the time of their end
_LATE_US = 1_000_000


@dataclass(frozen=True)
class OpenSource:
    """An opened file and its chosen video stream.

    `codec` is the codec's canonical name. `width` and `height` are for display, with cropping and pixel aspect applied, but
    before rotation, which only frames show. `fps` is 0 if unknown, `header_ms` the duration in the header, 0 if none. `color`
    says how to read the pixels. `chosen` says which of several streams was taken, "" if there is only one.
    """

    container: InputContainer
    stream: VideoStream
    timeline: Timeline
    codec: str
    width: int
    height: int
    aspect: Fraction
    crop: Crop
    fps: float
    header_ms: int
    color: Color
    chosen: str

    @property
    def frame_step(self) -> int:
        """The duration of one frame by the frame rate, in units of the time base; 0 if unknown."""
        return round(self.timeline.den / (self.timeline.num * self.fps)) if self.fps else 0

    @property
    def has_times(self) -> bool:
        """Whether the container states display times, and not only the decoding order."""
        form = self.container.format
        return not (form.flags & _NO_TIMESTAMPS or "avi" in form.name.split(","))

    def packets(self) -> "PacketFeed":
        """The packets of the stream from its start. The source must be at its start."""
        form = self.container.format
        clock = PacketClock(Fraction(self.timeline.num, self.timeline.den), self.frame_step)
        return PacketFeed(self.container, self.stream, clock if form.flags & DISCONTINUOUS else None)


class PacketFeed:
    """Iterates over the packets of a stream, then an empty one. `joins` are the times where its clock restarted or jumped so
    far."""

    def __init__(self, container: InputContainer, stream: VideoStream, clock: PacketClock | None = None) -> None:
        self._packets, self._clock = _demuxed(container, stream), clock

    @property
    def joins(self) -> list[int]:
        return self._clock.joins if self._clock else []

    def __iter__(self) -> "Iterator[Packet[VideoStream]]":
        return self

    def __next__(self) -> "Packet[VideoStream]":
        packet = next(self._packets)
        if self._clock is not None and packet.size:
            pts, dts = (NO_TIME if stamp is None else stamp for stamp in (packet.pts, packet.dts))
            pts, dts = self._clock.placed(pts, dts, packet.duration or 0)
            packet.pts = None if pts == NO_TIME else pts
            packet.dts = None if dts == NO_TIME else dts
        return packet


def check_file(path: str) -> int:
    """The size of `path` in bytes. Raises SourceError unless it is a regular file that is not empty."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(Reason.MISSING, "no such file") from None
    except (OSError, ValueError) as error:
        raise SourceError(Reason.UNREADABLE, getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(Reason.UNREADABLE, "not a regular file")
    if not found.st_size:
        raise SourceError(Reason.EMPTY_FILE, "0 bytes")
    return found.st_size


@contextmanager
def open_source(file: str | io.IOBase, limits: Limits) -> Iterator[OpenSource]:
    """Open a path, or a seekable stream, for one pass with single-threaded decoding. Close it at the end.

    Raises SourceError: UNREADABLE (no container in FORMATS, or no decoder), NO_VIDEO_STREAM, LIMIT_EXCEEDED. Errors of reading
    a stream, such as StorageError, pass through.
    """
    if isinstance(file, str):
        check_file(file)
    else:
        if not file.seek(0, os.SEEK_END):
            raise SourceError(Reason.EMPTY_FILE, "0 bytes")
        file.seek(0)
    with ExitStack() as stack:
        yield _examine(stack.enter_context(open_container(file)), lambda: open_container(file), limits)


@contextmanager
def open_container(file: str | io.IOBase) -> Iterator[InputContainer]:
    """Open a path, or a seekable stream, with the allowed protocols and containers. Raises ContainerError."""
    # No protocol is called "none", so a stream cannot open anything else.
    opened, protocols = (f"file:{file}", "file") if isinstance(file, str) else (file, "none")
    if not isinstance(file, str):
        file.seek(0)
    try:
        container = av.open(
            opened,
            "r",
            options={"protocol_whitelist": protocols, "format_whitelist": FORMATS},
            metadata_errors="replace",
        )
    except (MemoryError, StorageError):
        raise
    except ValueError as error:
        raise ContainerError(Reason.UNREADABLE, _first_line(error)) from None
    except (av.FFmpegError, OSError) as error:
        why = "none of the containers that are read" if error.errno == errno.EINVAL else _first_line(error)
        raise ContainerError(Reason.UNREADABLE, why) from None
    try:
        yield container
    finally:
        container.close()


def _demuxed(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """Yield the packets of one stream from the container's position, then an empty one.

    PyAV 18 does not expect a stream that first appears in the middle of the file, as in MPEG-TS: it raises an IndexError for
    the stream's first packet, and continues when asked again.
    """
    while True:
        try:
            yield from container.demux(stream)
            return
        except IndexError:
            continue


def _first_line(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0][:200]


def _examine(container: InputContainer, reopen: Reopen, limits: Limits) -> OpenSource:
    if len(container.streams) > limits.streams:
        raise SourceError(Reason.LIMIT_EXCEEDED, f"{len(container.streams)} streams; the limit is {limits.streams}")
    stream = choose_stream(container, reopen)
    if stream is None:
        raise SourceError(Reason.NO_VIDEO_STREAM, f"{len(container.streams)} streams, none of them video")
    context = stream.codec_context
    if context is None:
        raise SourceError(Reason.UNREADABLE, "no decoder for the video stream")
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all  # the demuxer need not read it
    context.thread_count = 1
    context.thread_type = "NONE"
    context.copy_opaque = True  # links each frame to its packet
    base = stream.time_base or Fraction(1, 1000)
    timeline = Timeline(base.numerator, base.denominator, container.start_time or 0)
    aspect = _pixel_aspect(stream)
    crop = crop_of(container, stream.index) if _CROPPING & set(container.format.name.split(",")) else Crop()
    width, height = crop.size(context.width, context.height)
    if context.width and context.height and min(width, height) < 1:
        raise SourceError(Reason.UNREADABLE, f"cropped to {width}x{height} of {context.width}x{context.height} pixels")
    check_picture(context.width, context.height, aspect, limits)
    check_picture(width, height, aspect, limits)
    header_ms = _header_duration(container, stream, timeline)
    if header_ms > limits.duration_ms:
        header_ms = 0  # it may be wrong: the packets will show it
    rate = stream.average_rate or stream.guessed_rate or Fraction(0)
    return OpenSource(
        container=container,
        stream=stream,
        timeline=timeline,
        codec=context.codec.canonical_name,
        width=max(round(width * aspect), 1),
        height=height,
        aspect=aspect,
        crop=crop,
        fps=round(float(rate), 6),
        header_ms=header_ms,
        color=color_of(context),
        chosen=choice_note(container, stream),
    )


def _pixel_aspect(stream: VideoStream) -> Fraction:
    """The width of a pixel over its height. Absurd values (broken headers) count as square."""
    found = stream.sample_aspect_ratio
    return found if found and Fraction(1, WIDEST) <= found <= WIDEST else Fraction(1)


def _header_duration(container: InputContainer, stream: VideoStream, timeline: Timeline) -> int:
    if stream.duration and stream.duration > 0:
        return max(timeline.to_ms((stream.start_time or 0) + stream.duration), 0)
    if _ENDS & set(container.format.name.split(",")) and abs(timeline.start_us) > _LATE_US:
        return 0  # some writers count from the start of the pictures, some from 0:00
    return max((container.duration or 0) // 1000, 0)


def source_info(source: OpenSource, orientation: Orientation, duration_ms: int) -> SourceInfo:
    """The facts of a source video after `orientation`."""
    width, height = orientation.size(source.width, source.height)
    color = source.color
    return SourceInfo(
        width,
        height,
        source.fps,
        source.codec,
        duration_ms,
        primaries=color.primaries,
        transfer=color.transfer,
        matrix=color.matrix,
        range=color.range,
    )


def check_picture(width: int, height: int, aspect: Fraction, limits: Limits) -> None:
    """Raise SourceError(LIMIT_EXCEEDED) for a picture with too many pixels or with an extreme shape."""
    if width * height > limits.pixels:
        raise SourceError(Reason.LIMIT_EXCEEDED, f"{width}x{height} pixels; the limit is {limits.pixels}")
    if width and height:
        shape = width * aspect / height
        if not Fraction(1, WIDEST) <= shape <= WIDEST:
            raise SourceError(Reason.LIMIT_EXCEEDED, f"{width}x{height}: more than {WIDEST} to 1")


def check_duration(duration_ms: int, limits: Limits) -> None:
    """Raise SourceError(LIMIT_EXCEEDED) for a source video that is too long."""
    if duration_ms > limits.duration_ms:
        raise SourceError(Reason.LIMIT_EXCEEDED, f"{duration_ms} ms long; the limit is {limits.duration_ms} ms")
