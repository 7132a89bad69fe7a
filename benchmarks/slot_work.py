"""What a process slot does for one decode task, as pipeline.fragments.work has it, but timed on the CPU clock.

Importable by name, because slots import what they run.
"""

import time
from collections.abc import Sequence

from longtake.pipeline.decode import decode_frames
from longtake.pipeline.fragments.fragment import Marker, WantedClip, write_fragment
from longtake.schemas.config import Frames, Limits
from longtake.schemas.layout import Layout

_started = False


def decode_source(
    path: str,
    wanted: Sequence[WantedClip],
    frames: Frames,
    limits: Limits,
    layout: Layout,
    digest: str,
    scored: bool = False,
    version: object = None,
) -> tuple[Marker, dict[str, float]]:
    """Decode and write the fragment; seconds are CPU seconds of this process. The first task also reports its start-up."""
    global _started
    start = time.process_time()
    times = [t for w in wanted for t in w.frame_times_ms]
    decoded = decode_frames(path, times, frames, limits, clock=time.process_time)
    seconds = dict(decoded.seconds)
    decoded_at = time.process_time()
    seconds["decode_other"] = decoded_at - start - sum(seconds.values())
    marker = write_fragment(layout, digest, wanted, decoded, scored)
    seconds["fragment"] = time.process_time() - decoded_at
    seconds["slot_start"] = 0.0 if _started else start
    _started = True
    return marker, seconds
