"""Whether a fetched file is a whole video, in a process slot like a decoder: the file is a stranger's."""

import hashlib
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import av

from longtake.pipeline.decode import SourceError, probe
from longtake.pipeline.decode.source import open_container
from longtake.pipeline.fetch.failure import FetchError
from longtake.pipeline.run.sources import blaming_the_source, within_memory
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason

_SITE = 2.0, 0.05  # seconds and share: by so much the duration of a site and of the file may differ
_PACKETS = 0.5, 0.02  # and by so much the file's header and its packets
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """A sound file: its facts, its container in ffmpeg's name, its size and SHA-256."""

    path: str
    container: str
    size: int
    sha256: str
    measured: dict[str, Any]


def check_files(paths: Sequence[str], duration_s: float | None, limits: Limits) -> Checked:
    """Check one file, or join the pictures of the first and the sound of the second, and check that.

    Args:
        paths: one or two local files.
        duration_s: by the site; None if unknown.
        limits: bounds against hostile files.

    Raises:
        FetchError: TRUNCATED, WRONG_DURATION, or the reason of the SourceError.
    """
    try:
        with within_memory(), blaming_the_source():
            path = paths[0] if len(paths) == 1 else _joined(*paths)
            facts = probe(path, limits)
            with open_container(path) as container:
                kind, end_s = container.format.name, _end_of(container)
    except SourceError as error:
        raise FetchError(error.reason, error.detail) from None
    source = facts.source
    found_s = source.duration_ms / 1000
    if end_s < found_s - _tolerance(found_s, *_PACKETS):
        raise FetchError(Reason.TRUNCATED, f"the file ends after {end_s:.1f} of {found_s:.1f} s")
    if duration_s is not None and abs(found_s - duration_s) > _tolerance(duration_s, *_SITE):
        reason = Reason.TRUNCATED if found_s < duration_s else Reason.WRONG_DURATION
        raise FetchError(reason, f"the file lasts {found_s:.1f} s, the site says {duration_s:.1f} s")
    size, digest = digest_of(path)
    measured = {
        "width": source.width,
        "height": source.height,
        "fps": round(source.fps, 3),
        "codec": source.codec,
        "container": kind,
        "duration_ms": source.duration_ms,
    }
    return Checked(path, kind, size, digest, measured)


def _end_of(container: Any) -> float:
    """Return the end of the last packet of any stream, in seconds from the start; infinity if PyAV cannot read all streams."""
    seconds = {stream.index: float(stream.time_base) for stream in container.streams if stream.time_base}
    end = 0.0
    with suppress(av.FFmpegError):  # what cannot be read is not there
        try:
            for packet in container.demux():
                if packet.pts is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * seconds[packet.stream_index])
        except (IndexError, KeyError):  # a stream that begins in the middle of the file
            return math.inf
    return end - (container.start_time or 0) / 1e6


def digest_of(path: str) -> tuple[int, str]:
    """Return the size of a file and its SHA-256."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while data := stream.read(_BLOCK):
            digest.update(data)
    return os.path.getsize(path), digest.hexdigest()


def _tolerance(seconds: float, least: float, share: float) -> float:
    return max(least, share * seconds)


def _joined(pictures: str, sound: str) -> str:
    """Copy the packets of both into one file beside them, and return its path. Raises SourceError."""
    stem, ending = os.path.splitext(pictures)
    path = f"{stem}-joined{ending if ending in ('.mp4', '.webm', '.mkv') else '.mkv'}"
    try:
        _copy(pictures, sound, path)
    except (av.FFmpegError, ValueError):  # the container does not take these codecs; Matroska takes all
        with suppress(FileNotFoundError):
            os.unlink(path)
        path = f"{stem}-joined.mkv"
        _copy(pictures, sound, path)
    return path


def _copy(pictures: str, sound: str, path: str) -> None:
    with open_container(pictures) as first, open_container(sound) as second, av.open(f"file:{path}", "w") as out:
        if not first.streams.video or not second.streams.audio:
            raise SourceError(Reason.NO_VIDEO_STREAM, "one of the two files has no pictures or no sound")
        sides: list[list[Any]] = []
        for container, stream in ((first, first.streams.video[0]), (second, second.streams.audio[0])):
            feed = (packet for packet in container.demux(stream) if packet.dts is not None)
            sides.append([feed, out.add_stream_from_template(stream), next(feed, None)])
        while ready := [side for side in sides if side[2] is not None]:
            side = min(ready, key=lambda one: one[2].dts * one[2].time_base)
            packet = side[2]
            side[2] = next(side[0], None)
            packet.stream = side[1]
            out.mux(packet)
