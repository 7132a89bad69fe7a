"""Frames of single video files, evenly over their length or over windows, with the guards of a build.

Only process slots open and decode files, within the limits on size, length and time; a file that hangs or crashes the decoder
costs one child process. The result of a call is bounded, so a file of many hours is decoded in pieces.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from longtake.pipeline.decode import FrameFault, SourceError, decode_frames
from longtake.pipeline.decode.geometry import Orientation
from longtake.pipeline.decode.pyav_backend import measured_info
from longtake.pipeline.decode.repair import with_repair
from longtake.pipeline.decode.results import ContainerError
from longtake.pipeline.decode.source import check_duration, open_source
from longtake.pipeline.decode.table import read_table
from longtake.pipeline.run.slots import Slots
from longtake.pipeline.run.sources import blaming_the_source, in_slot, local_source
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason

SHORT_SIDE = 240  # of decoded frames in pixels, the default of corpora
_QUALITY = 95  # of the JPEGs in which frames come from their slot
_CALL_WINDOWS = 32  # most windows decoded in one call
_CALL_MS = 600_000  # longest stretch decoded in one call, unless one window is longer
_FPS = 25  # for a file with neither times nor a rate

Times = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """A stretch of a video with its frames as JPEG, or why there are none. Times in ms from the start of the file."""

    start_ms: int
    end_ms: int
    jpegs: tuple[bytes, ...] = ()
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True)
class Sampling:
    """How a video becomes windows and a window frames."""

    frames: int  # of each window
    window_ms: int | None = None  # None: one window, the whole video
    short_side: int = SHORT_SIDE
    limits: Limits = field(default_factory=Limits)


def video_windows(uri: str, sampling: Sampling, slots: Slots) -> Iterator[Window]:
    """Yield the windows of a video file, local or remote. Raises SourceError if nothing of the file can be used.

    Of the T frames in a window it takes the n frames at floor(linspace(0, T - 1, n)), like the released code in its retrieval
    tasks (facts 2). If a frame of a window cannot be decoded, the window has no frames, but the reason.
    """
    settings = Frames(short_side=sampling.short_side, quality=_QUALITY)
    seconds = sampling.limits.decode_seconds
    with blaming_the_source(), local_source(uri, sampling.limits) as path:
        times, end_ms = in_slot(slots, seconds, frame_times, path, sampling.limits)
        for group in _calls(cut(int(end_ms), sampling.window_ms)):
            wanted = [sample(times, start, end, sampling.frames) for start, end in group]
            flat = [int(time) for window in wanted for time in window]
            decoded = in_slot(slots, seconds, decode_frames, path, flat, settings, sampling.limits)
            for number, (start, end) in enumerate(group):
                taken = decoded.frames[number * sampling.frames : (number + 1) * sampling.frames]
                fault = next((frame for frame in taken if isinstance(frame, FrameFault)), None)
                if fault is not None:
                    yield Window(start, end, reason=fault.reason, detail=fault.detail)
                else:
                    yield Window(start, end, tuple(frame.jpeg for frame in taken if not isinstance(frame, FrameFault)))


def read_video(path: str, frames: int, short_side: int = SHORT_SIDE) -> NDArray[np.uint8]:
    """Read frames of a video file, evenly over its length: RGB (frames, height, width, 3), for `Embedder.frames`.

    A child process decodes them. It imports the script that calls this, so the main part of the script needs the usual
    `if __name__ == "__main__":`. Raises SourceError if the file cannot be used or a frame cannot be decoded.
    """
    from longtake.model.data.samples import decode

    with Slots(1) as slots:
        window = next(iter(video_windows(path, Sampling(frames, short_side=short_side), slots)))
    if window.reason is not None:
        raise SourceError(window.reason, window.detail)
    found: NDArray[np.uint8] = decode(window.jpegs).numpy()
    return found


def frame_times(path: str, limits: Limits) -> tuple[Times, int]:
    """Return when each frame goes on screen, and when the video ends, in ms. Runs in a slot. Raises SourceError."""
    return with_repair(path, limits, lambda usable: _frame_times(usable, limits))


def _frame_times(path: str, limits: Limits) -> tuple[Times, int]:
    with open_source(path, limits) as source:
        table = read_table(source, limits)
        if not len(table):
            raise ContainerError(Reason.NO_FRAMES, table.error or "the video stream is empty")
        facts = measured_info(source, table, Orientation())
        if table.is_plannable:
            times = np.array([source.timeline.to_ms(int(pts)) for pts in table.shown_pts], np.int64)
        else:  # some packets have no time: spread times evenly by the rate; decoding finds the real frames
            times = np.arange(0, max(facts.duration_ms, 1), 1000 / (facts.fps or _FPS)).astype(np.int64)
    end = max(facts.duration_ms, int(times[-1]) + 1)
    check_duration(end, limits)
    return times, end


def cut(end_ms: int, window_ms: int | None) -> list[tuple[int, int]]:
    """Return start and end of the consecutive windows of a video. Less than half a window at the end joins the one before."""
    if window_ms is None or end_ms < 1.5 * window_ms:
        return [(0, end_ms)]
    bounds = list(range(0, end_ms, window_ms))
    if end_ms - bounds[-1] < window_ms / 2:
        bounds.pop()
    return list(zip(bounds, [*bounds[1:], end_ms], strict=True))


def sample(times: Times, start_ms: int, end_ms: int, wanted: int) -> Times:
    """Return times of `wanted` frames that go on screen in [start, end). If none does, use the frame on screen at that time."""
    first, last = (int(i) for i in np.searchsorted(times, [start_ms, end_ms]))
    if last <= first:
        first, last = max(first - 1, 0), max(first, 1)
    return times[np.linspace(first, last - 1, wanted).astype(np.int64)]


def _calls(windows: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield groups of windows that are decoded together."""
    group: list[tuple[int, int]] = []
    for window in windows:
        if group and (len(group) == _CALL_WINDOWS or window[1] - group[0][0] > _CALL_MS):
            yield group
            group = []
        group.append(window)
    if group:
        yield group


__all__ = [
    "SHORT_SIDE",
    "Sampling",
    "SourceError",
    "Window",
    "cut",
    "frame_times",
    "read_video",
    "sample",
    "video_windows",
]
