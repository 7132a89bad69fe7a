"""What a process slot does for one source video: probe, cost, decode."""

import time
from collections.abc import Sequence

from longtake.pipeline.decode import FrameFault, Probe, decode_cost, decode_frames, probe, probe_header
from longtake.pipeline.fragments.fragment import Marker, WantedClip, write_fragment
from longtake.pipeline.run.memory import was_close
from longtake.pipeline.run.slots import Slots
from longtake.pipeline.run.sources import (
    Version,
    blaming_the_source,
    check_version,
    in_slot,
    local_source,
    within_memory,
)
from longtake.schemas import storage
from longtake.schemas.config import Frames, Limits
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason


def look_at(slots: Slots, uri: str, limits: Limits, packets: bool) -> Probe:
    """The facts of a source from its header or its packets. For the header of a remote source, only the header is fetched."""
    seconds = limits.decode_seconds
    if storage.is_remote(uri) and not packets:
        facts = in_slot(slots, seconds, probe_remote, uri, limits)
        if facts is not None:
            return facts
    with local_source(uri, limits) as path:
        return in_slot(slots, seconds, probe_source, path, limits, packets)


def probe_remote(uri: str, limits: Limits) -> Probe | None:
    """The facts in the header of a remote source; None if they need the whole file."""
    with within_memory(), blaming_the_source(), storage.open_ranges(uri) as stream:
        return probe_header(stream, limits)


def probe_source(path: str, limits: Limits, packets: bool) -> Probe:
    """The facts of a local file from its header or its packets."""
    with within_memory(), blaming_the_source():
        return probe(path, limits, packets=packets)


def source_cost(path: str, times_ms: Sequence[int], frames: Frames, limits: Limits) -> int:
    """The number of frames of a local file to decode for the frames at `times_ms`."""
    with within_memory(), blaming_the_source():
        return decode_cost(path, times_ms, frames, limits)


def decode_source(
    path: str,
    wanted: Sequence[WantedClip],
    frames: Frames,
    limits: Limits,
    layout: Layout,
    digest: str,
    scored: bool = False,
    version: Version | None = None,
) -> tuple[Marker, dict[str, float]]:
    """Decode the wanted samples of a local file and write their fragment; with `scored`, also scores of the frames.

    The second result is CPU seconds of this process by kind of work. If the file no longer matches `version` after decoding,
    nothing is written.

    Raises OSError if the fragment cannot be written.
    """
    times = [t for w in wanted for t in w.frame_times_ms]
    with within_memory(), blaming_the_source():
        # A slot works on one source at a time, so the time of its process is the time of this source, decord's threads included.
        decoded = decode_frames(path, times, frames, limits, clock=time.process_time)
        check_version(path, version)
        damage = [f for f in decoded.frames if isinstance(f, FrameFault) and f.reason is Reason.FRAMES_DAMAGED]
        if damage and was_close():
            raise MemoryError(damage[0].detail)
    return write_fragment(layout, digest, wanted, decoded, scored), dict(decoded.seconds)
