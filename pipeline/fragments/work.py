"""Work on one source video in a process slot: probe, cost, decode. Failures that a source causes become SourceErrors."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar

from longtake.pipeline.decode import FrameFault, Probe, SourceError, decode_cost, decode_frames, probe, probe_header
from longtake.pipeline.fragments.fragment import Marker, WantedClip, write_fragment
from longtake.pipeline.fragments.seen import Version
from longtake.pipeline.run.copies import shared_copies
from longtake.pipeline.run.memory import start_measuring, was_close
from longtake.pipeline.run.slots import SlotCrashed, Slots, SlotTimeout
from longtake.schemas import storage
from longtake.schemas.config import Frames, Limits
from longtake.schemas.layout import Layout
from longtake.schemas.printable import masked
from longtake.schemas.reasons import Reason

P = ParamSpec("P")
T = TypeVar("T")

_DAMAGE = (Reason.UNREADABLE, Reason.NO_FRAMES)  # a decoder reports these when it gets no memory


def in_slot(slots: Slots, seconds: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do `work` on one source in a slot, within `seconds`.

    Raises SourceError for any failure that the source causes. Any other OSError comes from the storage of the output.
    """
    try:
        return slots.run(seconds, work, *args, **kwargs)
    except SlotTimeout as error:
        raise SourceError(Reason.TIMEOUT, str(error)) from None
    except SlotCrashed as error:
        if error.signal == signal.SIGKILL:  # as a system out of memory does
            raise SourceError(Reason.OUT_OF_MEMORY, str(error)) from None
        raise SourceError(Reason.DECODER_CRASHED, str(error)) from None
    except MemoryError as error:
        raise SourceError(Reason.OUT_OF_MEMORY, f"it takes more than limits.memory_bytes ({error})") from None


@contextmanager
def within_memory() -> Iterator[None]:
    """Turn errors raised inside into a MemoryError if lack of memory is the likely cause."""
    start_measuring()
    try:
        yield
    except MemoryError:
        raise MemoryError("an allocation was refused") from None  # a plain one: PyAV's cannot leave the process
    except SourceError as error:
        if error.reason in _DAMAGE and was_close():
            raise MemoryError(str(error)) from None
        raise


@contextmanager
def blaming_the_source() -> Iterator[None]:
    """Turn errors raised inside into a SourceError, except MemoryErrors and missing credentials, which are the user's fault."""
    try:
        yield
    except (SourceError, MemoryError, storage.CredentialsError):
        raise
    except storage.UnreachableError as error:
        raise SourceError(Reason.UNREACHABLE, str(error)) from None
    except storage.BucketError as error:
        raise SourceError(Reason.MISSING, str(error)) from None
    except FileNotFoundError:
        raise SourceError(Reason.MISSING, "no such file") from None
    except Exception as error:
        raise SourceError(Reason.UNREADABLE, f"{type(error).__name__}: {error}"[:300]) from None


def detail_of(error: SourceError, uri: str) -> str:
    """The ledger detail of a source that could not be used; for a missing source, with its URI."""
    return f"{error.detail}: {masked(uri)}" if error.reason is Reason.MISSING else error.detail


@contextmanager
def local_source(uri: str, limits: Limits, version: Version | None = None) -> Iterator[str]:
    """Yield a local path of a source: its own path, or a temporary copy of a remote file.

    Raises SourceError, also if the remote file no longer matches `version`, and CredentialsError.
    """
    with ExitStack() as stack:
        path = storage.local_path(uri)
        if storage.is_remote(uri):
            with blaming_the_source():
                path = stack.enter_context(shared_copies(limits.scratch_bytes).of(uri))
                check_version(uri, version)
        yield path


def check_version(uri: str, version: Version | None) -> None:
    """Raise SourceError if a source no longer matches `version`: otherwise a fragment would get a wrong name."""
    now = storage.size_and_tag(uri)
    if version is not None and now != version:
        detail = f"{version[0]} bytes (tag {version[1]}) before it was decoded, {now[0]} bytes (tag {now[1]}) after"
        raise SourceError(Reason.SOURCE_CHANGED, detail)


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
