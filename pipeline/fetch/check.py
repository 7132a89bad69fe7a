"""Whether a fetched file is a whole video, in a process slot like a decoder: the file is a stranger's."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import av

from longtake.pipeline.decode import SourceError, probe
from longtake.pipeline.decode.source import open_container
from longtake.pipeline.fetch.failure import FetchError
from longtake.pipeline.fragments.work import blaming_the_source, within_memory
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason

_APART_S, _APART_SHARE = 2.0, 0.05  # by so much the duration of a site and of the file may differ
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """A sound file: its facts, its container in ffmpeg's name, its size and SHA-256."""

    path: str
    container: str
    size: int
    sha256: str
    measured: dict[str, Any]


def check_files(paths: Sequence[str], duration_s: float | None, is_whole: bool, limits: Limits) -> Checked:
    """Check one file, or join the pictures of the first and the sound of the second, and check that.

    Args:
        paths: one or two local files.
        duration_s: by the site; None if unknown.
        is_whole: whether the length in bytes is known to be right. If not, the packets are counted too.
        limits: bounds against hostile files.

    Raises:
        FetchError: TRUNCATED, WRONG_DURATION, or the reason of the SourceError.
    """
    path = paths[0] if len(paths) == 1 else _joined(*paths)
    try:
        with within_memory(), blaming_the_source():
            with open_container(path) as container:
                kind = container.format.name
            facts = probe(path, limits)
            header_ms = facts.source.duration_ms
            if not is_whole and not facts.exact:
                facts = probe(path, limits, packets=True)
    except SourceError as error:
        raise FetchError(error.reason, error.detail) from None
    found_s = facts.source.duration_ms / 1000
    if _apart(found_s, header_ms / 1000):
        raise FetchError(Reason.TRUNCATED, f"the file ends after {found_s:.1f} of {header_ms / 1000:.1f} s")
    if duration_s is not None and _apart(found_s, duration_s):
        reason = Reason.TRUNCATED if found_s < duration_s else Reason.WRONG_DURATION
        raise FetchError(reason, f"the file lasts {found_s:.1f} s, the site says {duration_s:.1f} s")
    size, digest = digest_of(path)
    source = facts.source
    measured = {
        "width": source.width,
        "height": source.height,
        "fps": round(source.fps, 3),
        "codec": source.codec,
        "container": kind,
        "duration_ms": source.duration_ms,
    }
    return Checked(path, kind, size, digest, measured)


def digest_of(path: str) -> tuple[int, str]:
    """Return the size of a file and its SHA-256."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while data := stream.read(_BLOCK):
            digest.update(data)
    return os.path.getsize(path), digest.hexdigest()


def _apart(one: float, other: float) -> bool:
    return abs(one - other) > max(_APART_S, _APART_SHARE * other)


def _joined(pictures: str, sound: str) -> str:
    """Copy the packets of both into one file beside them, and return its path. Raises FetchError."""
    stem, ending = os.path.splitext(pictures)
    path = f"{stem}-joined{ending if ending in ('.mp4', '.webm', '.mkv') else '.mkv'}"
    try:
        with blaming_the_source(), open_container(pictures) as first, open_container(sound) as second:
            try:
                _copy(first, second, path)
            except (av.FFmpegError, ValueError):  # the container does not take these codecs; Matroska takes all
                with suppress(FileNotFoundError):
                    os.unlink(path)
                first.seek(0)
                second.seek(0)
                path = f"{stem}-joined.mkv"
                _copy(first, second, path)
    except SourceError as error:
        raise FetchError(error.reason, error.detail) from None
    return path


def _copy(first: Any, second: Any, path: str) -> None:
    if not first.streams.video or not second.streams.audio:
        raise SourceError(Reason.NO_VIDEO_STREAM, "one of the two files has no pictures or no sound")
    with av.open(f"file:{path}", "w", options={"protocol_whitelist": "file"}) as out:
        sides = []
        for container, stream in ((first, first.streams.video[0]), (second, second.streams.audio[0])):
            feed = (packet for packet in container.demux(stream) if packet.dts is not None)
            sides.append([feed, out.add_stream_from_template(stream), next(feed, None)])
        while ready := [side for side in sides if side[2] is not None]:
            side = min(ready, key=lambda one: one[2].dts * one[2].time_base)
            packet = side[2]
            side[2] = next(side[0], None)
            packet.stream = side[1]
            out.mux(packet)
