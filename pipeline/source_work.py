"""Work on one source video in a process slot: probe, cost, decode. What a source does to it becomes a SourceError."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from longtake.pipeline.decode import Probe, SourceError, decode_cost, decode_frames, probe
from longtake.pipeline.fragment import Marker, Wanted, write_fragment
from longtake.pipeline.slots import SlotCrashed, Slots, SlotTimeout
from longtake.schemas import storage
from longtake.schemas.config import Frames, Limits
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason

P = ParamSpec("P")
T = TypeVar("T")


def in_slot(slots: Slots, seconds: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`work` on one source, in a slot, within `seconds`.

    Raises SourceError for whatever the source did to it; any other OSError is that of the storage written to.
    """
    try:
        return slots.run(seconds, work, *args, **kwargs)
    except SlotTimeout as error:
        raise SourceError(Reason.TIMEOUT, str(error)) from None
    except SlotCrashed as error:
        raise SourceError(Reason.DECODER_CRASHED, str(error)) from None
    except MemoryError:
        raise SourceError(Reason.DECODER_CRASHED, "out of memory") from None


@contextmanager
def local_source(uri: str) -> Iterator[str]:
    """A local copy of the source; anything but a MemoryError that its reading raises is the source's fault."""
    try:
        with storage.as_local(uri) as path:
            yield path
    except (SourceError, MemoryError):
        raise
    except FileNotFoundError:
        raise SourceError(Reason.MISSING, "no such file") from None
    except Exception as error:
        raise SourceError(Reason.UNREADABLE, f"{type(error).__name__}: {error}"[:300]) from None


def probe_source(uri: str, limits: Limits, packets: bool) -> Probe:
    """The facts of a source: from its header, or from its packets."""
    with local_source(uri) as path:
        return probe(path, limits, packets=packets)


def source_cost(uri: str, times_ms: Sequence[int], frames: Frames, limits: Limits) -> int:
    """How many frames have to be decoded for the frames at `times_ms`."""
    with local_source(uri) as path:
        return decode_cost(path, times_ms, frames, limits)


def decode_source(
    uri: str,
    wanted: Sequence[Wanted],
    frames: Frames,
    limits: Limits,
    layout: Layout,
    digest: str,
    scored: bool = False,
) -> tuple[Marker, dict[str, float]]:
    """Decode the wanted samples of a source and write their fragment, with scores of the frames where `scored`.

    The second result is seconds by kind of work.

    Raises OSError where the fragment cannot be written.
    """
    with local_source(uri) as path:
        decoded = decode_frames(path, [t for w in wanted for t in w.frame_times_ms], frames, limits)
    return write_fragment(layout, digest, wanted, decoded, scored), dict(decoded.seconds)
