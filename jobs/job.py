"""What every command that runs a pipeline does alike: run it, show progress, and explain failures to people."""

import errno
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from longtake.pipeline.progress import PROGRESS
from longtake.pipeline.runner import is_local
from longtake.pipeline.slots import close_shared_slots
from longtake.schemas.manifest import CorpusError
from rich.console import Console

Render = Callable[[Counter[str], float], str]
_SECONDS_BETWEEN = 0.5
_SECONDS_BETWEEN_LINES = 15.0  # where the output is not a terminal


def run_pipeline(build: Callable[[Any], None], options: PipelineOptions, console: Console, render: Render) -> None:
    """Run the graph that `build` adds to a pipeline's root. Raises CorpusError with the cause of a failure."""
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    PROGRESS.reset()
    try:
        with _showing(console, render) if is_local(options) else _nothing():
            pipeline = beam.Pipeline(options=options)
            build(pipeline)
            pipeline.run().wait_until_finish()
    except Exception as error:
        raise _explained(error) from error
    finally:
        close_shared_slots()


def _explained(error: BaseException) -> CorpusError:
    """The cause that a person can act on. Beam wraps it, and remote runners hand it over as text."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, CorpusError):
            return CorpusError(str(cause).split(" [while running")[0])
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return CorpusError(
                f"The disk is full ({cause}). Free some space and run the same command again: it resumes."
            )
        if isinstance(cause, PermissionError):
            return CorpusError(f"Not allowed: {cause}. Check the permissions of the output and run again.")
        cause = cause.__cause__ or cause.__context__
    return CorpusError(f"{type(error).__name__}: {error}")


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _showing(console: Console, render: Render) -> Iterator[None]:
    """Show progress from a thread of its own: the runner blocks this one."""
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(console, render, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _show(console: Console, render: Render, done: threading.Event) -> None:
    start = time.monotonic()
    if not console.is_terminal:
        while not done.wait(_SECONDS_BETWEEN_LINES):
            console.print(render(PROGRESS.read(), time.monotonic() - start), markup=False, highlight=False)
        return
    with console.status("starting", spinner="dots") as status:
        while not done.wait(_SECONDS_BETWEEN):
            status.update(render(PROGRESS.read(), time.monotonic() - start))


@contextmanager
def locked(root: str) -> Iterator[None]:
    """Hold the lock of a local output, so that two builds do not meet in it. Raises CorpusError where another holds it.

    The lock dies with its process: a killed build leaves none behind.
    """
    import fcntl

    folder = os.path.join(root, "staging")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CorpusError(f"{root}: another longtake is at work on this corpus") from None
        yield


def human_bytes(number: float) -> str:
    """A size for people."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError("unreachable")
