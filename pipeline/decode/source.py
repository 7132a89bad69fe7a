"""Opening a source file that nobody vouches for: what may be opened, and what its header says."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from longtake.pipeline.decode.results import ContainerError, SourceError
from longtake.pipeline.decode.timeline import Timeline
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason
from longtake.schemas.remote import StorageError

if TYPE_CHECKING:
    from av.packet import Packet

#: Containers that hold their own media. Playlists, image sequences and device inputs name other files: never.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,ogg,flv,asf,mxf,ivf,obu,"
    "mpegvideo,m4v,h264,hevc"
)  # fmt: skip
#: The most elongated picture that is still taken for one.
WIDEST = 16


@dataclass(frozen=True)
class Source:
    """An opened file and its first real video stream.

    `codec` is the codec's canonical name. `width` and `height` are those on display but for rotation, which only
    frames tell: the pixel aspect is applied. `header_ms` is the duration that the header claims, 0 if none.
    """

    container: InputContainer
    stream: VideoStream
    timeline: Timeline
    codec: str
    width: int
    height: int
    aspect: Fraction
    fps: float
    header_ms: int


def check_file(path: str) -> int:
    """The size of `path` in bytes. Raises SourceError for what is not a regular file with something in it."""
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
def open_source(file: str | io.IOBase, limits: Limits) -> Iterator[Source]:
    """Open a path, or a seekable stream, for one pass, with single-threaded decoding, and close what was opened at the end.

    Raises SourceError: UNREADABLE (no container in FORMATS, or no decoder), NO_VIDEO_STREAM, LIMIT_EXCEEDED. What reading a
    stream raises, StorageError for one, comes through.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    if isinstance(file, str):
        check_file(file)
        opened: str | io.IOBase = f"file:{file}"
    else:
        opened, options["protocol_whitelist"] = file, "none"  # there is no such protocol: a stream leads nowhere else
        if not file.seek(0, os.SEEK_END):
            raise SourceError(Reason.EMPTY_FILE, "0 bytes")
        file.seek(0)
    try:
        container = av.open(opened, "r", options=options, metadata_errors="replace")
    except (MemoryError, StorageError):
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ContainerError(Reason.UNREADABLE, _first_line(error)) from None
    try:
        yield _examine(container, limits)
    finally:
        container.close()


def packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """The packets of one stream from where the container stands, then an empty one.

    A stream that only shows up in the middle of the file, as in MPEG-TS, is one that PyAV 18 does not expect: it raises an
    IndexError for the first packet of it, and goes on where it is asked again.
    """
    while True:
        try:
            yield from container.demux(stream)
            return
        except IndexError:
            continue


def _first_line(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0][:200]


def _examine(container: InputContainer, limits: Limits) -> Source:
    if len(container.streams) > limits.streams:
        raise SourceError(Reason.LIMIT_EXCEEDED, f"{len(container.streams)} streams; the limit is {limits.streams}")
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        raise SourceError(Reason.NO_VIDEO_STREAM, f"{len(container.streams)} streams, none of them video")
    stream = videos[0]
    context = stream.codec_context
    if context is None:
        raise SourceError(Reason.UNREADABLE, "no decoder for the video stream")
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all  # the demuxer need not even read it
    context.thread_count = 1
    context.thread_type = "NONE"
    base = stream.time_base or Fraction(1, 1000)
    timeline = Timeline(base.numerator, base.denominator, container.start_time or 0)
    aspect = _pixel_aspect(stream)
    check_picture(context.width, context.height, aspect, limits)
    header_ms = _header_duration(container, stream, timeline)
    check_duration(header_ms, limits)
    rate = stream.average_rate or stream.guessed_rate or Fraction(0)
    return Source(
        container=container,
        stream=stream,
        timeline=timeline,
        codec=context.codec.canonical_name,
        width=max(round(context.width * aspect), 1),
        height=context.height,
        aspect=aspect,
        fps=round(float(rate), 6),
        header_ms=header_ms,
    )


def _pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of a pixel over its height; absurd ones (broken headers) count as square."""
    found = stream.sample_aspect_ratio
    return found if found and Fraction(1, WIDEST) <= found <= WIDEST else Fraction(1)


def _header_duration(container: InputContainer, stream: VideoStream, timeline: Timeline) -> int:
    if stream.duration and stream.duration > 0:
        return max(timeline.to_ms((stream.start_time or 0) + stream.duration), 0)
    return max((container.duration or 0) // 1000, 0)


def check_picture(width: int, height: int, aspect: Fraction, limits: Limits) -> None:
    """Raise SourceError(LIMIT_EXCEEDED) for a picture of too many pixels or one that is a mere strip."""
    if width * height > limits.pixels:
        raise SourceError(Reason.LIMIT_EXCEEDED, f"{width}x{height} pixels; the limit is {limits.pixels}")
    if width and height:
        shape = width * aspect / height
        if not Fraction(1, WIDEST) <= shape <= WIDEST:
            raise SourceError(Reason.LIMIT_EXCEEDED, f"{width}x{height}: more than {WIDEST} to 1")


def check_duration(duration_ms: int, limits: Limits) -> None:
    """Raise SourceError(LIMIT_EXCEEDED) for a source that lasts too long."""
    if duration_ms > limits.duration_ms:
        raise SourceError(Reason.LIMIT_EXCEEDED, f"{duration_ms} ms long; the limit is {limits.duration_ms} ms")
