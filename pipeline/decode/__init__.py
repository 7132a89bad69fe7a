"""Decode the frames of one source video at wanted times, exactly and with the least work.

    decoded = decode_frames("talk.mp4", [0, 1675, 3350], Frames(), Limits())

This package treats its file as hostile, and needs no Beam.
"""

from collections.abc import Sequence

from longtake.pipeline.decode.backend import backend
from longtake.pipeline.decode.color import hdr_detail, is_hdr
from longtake.pipeline.decode.inspect import decode_cost, probe, probe_header
from longtake.pipeline.decode.repair import with_repair
from longtake.pipeline.decode.results import Decoded, Frame, FrameFault, Probe, SourceError, SourceNote
from longtake.pipeline.decode.stopwatch import Clock, Stopwatch
from longtake.schemas.config import Frames, Limits

__all__ = [
    "Decoded",
    "Frame",
    "FrameFault",
    "Probe",
    "SourceError",
    "SourceNote",
    "decode_cost",
    "decode_frames",
    "hdr_detail",
    "is_hdr",
    "probe",
    "probe_header",
    "versions",
]


def decode_frames(
    path: str, times_ms: Sequence[int], frames: Frames, limits: Limits, *, clock: Clock | None = None
) -> Decoded:
    """Decode the frame on screen at each wanted time: the last frame shown at or before it, or the first of all.

    Args:
        path: a local file.
        times_ms: times in ms from the start of the source, in any order, repeats allowed.
        frames: size and coding of the frames. With `tolerance_ms`, a frame within it may be used if it is cheaper to reach.
        limits: bounds against hostile files.
        clock: measures `Decoded.seconds`; None: the wall clock. Pass time.process_time for CPU seconds.

    Returns:
        A Frame or a FrameFault for each time.

    Raises:
        SourceError: nothing of the file can be used.
    """
    chosen = backend(frames.decoder)
    watch = Stopwatch(clock)
    return with_repair(path, limits, lambda usable: chosen.decode(usable, times_ms, frames, limits, watch))


def versions(decoder: str = "pyav") -> dict[str, str]:
    """The versions of everything that decides the pixels, by name."""
    return backend(decoder).versions()
