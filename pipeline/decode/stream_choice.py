"""Choose the video stream of a file as the ffmpeg command does, but never a cover, a preview or a single picture."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

#: Covers, pictures of chapters, stills: never video.
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
#: Most packets to read to see which streams have more than one picture.
_LOOKED_AT = 5000

Reopen = Callable[[], AbstractContextManager[InputContainer]]


def choose_stream(container: InputContainer, reopen: Reopen) -> VideoStream | None:
    """The default stream; of several the largest, and of these the first. None if there is no video.

    `reopen` opens the file again, to count the pictures of streams with no count in the header.
    """
    videos = [s for s in container.streams.video if not s.disposition & _PICTURES]
    if len(videos) > 1:
        moving = _moving(videos, reopen)
        videos = [s for s in videos if s.index in moving] or videos
    return max(videos, key=_rank, default=None)


def choice_note(container: InputContainer, chosen: VideoStream) -> str:
    """A text that names the chosen stream and all others; "" if there was no choice."""
    videos = container.streams.video
    if len(videos) < 2:
        return ""
    return f"{_described(chosen)} was taken of " + ", ".join(_described(s) for s in videos)


def _described(stream: VideoStream) -> str:
    context = stream.codec_context
    picture = " (a picture)" if stream.disposition & _PICTURES or stream.frames == 1 else ""
    size = f" {context.name} {context.width}x{context.height}" if context is not None else ""
    return f"stream {stream.index}{size}{picture}"


def _rank(stream: VideoStream) -> tuple[bool, bool, int, int]:
    context = stream.codec_context
    area = context.width * context.height if context is not None else 0
    return context is not None, bool(stream.disposition & Disposition.default), area, -stream.index


def _moving(videos: list[VideoStream], reopen: Reopen) -> set[int]:
    """The indices of streams with more than one picture."""
    if all(s.frames for s in videos):
        return {s.index for s in videos if s.frames > 1}
    wanted = {s.index for s in videos}
    seen: Counter[int] = Counter()
    with reopen() as container:
        try:
            for count, packet in enumerate(container.demux(*(container.streams[i] for i in sorted(wanted)))):
                seen[packet.stream_index] += bool(packet.size)
                if count >= _LOOKED_AT or all(seen[i] > 1 for i in wanted):
                    break
        except (av.FFmpegError, OSError, IndexError):
            pass
    return {i for i in wanted if seen[i] > 1}
