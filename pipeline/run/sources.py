"""Work on one source video in a process slot, and the failures that a source causes: they become SourceErrors."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar

from longtake.pipeline.decode import SourceError
from longtake.pipeline.run.copies import shared_copies
from longtake.pipeline.run.memory import start_measuring, was_close
from longtake.pipeline.run.slots import SlotCrashed, Slots, SlotTimeout
from longtake.schemas import storage
from longtake.schemas.config import Limits
from longtake.schemas.printable import masked
from longtake.schemas.reasons import Reason

P = ParamSpec("P")
T = TypeVar("T")
Version = tuple[int, str]  # size in bytes and tag, see storage.size_and_tag

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
