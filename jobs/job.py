"""Common work of all commands with a pipeline: run it, show progress, and explain failures to people."""

import errno
import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from rich.console import Console

from longtake.pipeline.run.batches import clear_batches
from longtake.pipeline.run.copies import clear_shared_copies
from longtake.pipeline.run.dataflow import console_url, is_dataflow
from longtake.pipeline.run.events import event
from longtake.pipeline.run.metrics import totals
from longtake.pipeline.run.note import note_progress
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import is_local
from longtake.pipeline.run.slots import close_shared_slots
from longtake.schemas.errors import ConfigError, CorpusError, MissingExtraError

T = TypeVar("T")
Render = Callable[[Counter[str], float], str]
#: What LocalRunner, Prism and Beam's job servers say of a worker process that died.
_DIED = ("Channel closed prematurely", "SDK worker disconnected", "StatusRuntimeException: CANCELLED: client cancelled")
_SECONDS_BETWEEN = 0.5
_SECONDS_BETWEEN_LINES = 15.0  # if the output is not a terminal
_SECONDS_BETWEEN_NOTES = 10.0  # for `longtake status`: each is a file that is written
_JAVA_FRAME = re.compile(r"\s*(at |\.\.\. \d+ more|([\w.$]+/)?[\w.$]+\.[\w$<>]+\([\w$ ]+(\.(java|scala):\d+)?\)\s*$)")


def written(found: T | None, where: str, what: str) -> T:
    """Return the result of a job that has ended well. Raises CorpusError if there is none."""
    if found is None:
        raise CorpusError(f"{where}: the runner ended without {what}; see its log")
    return found


def run_pipeline(
    build: Callable[[Any], None], options: PipelineOptions, console: Console, render: Render, wait: bool = True
) -> None:
    """Run the graph that `build` adds to a pipeline's root. Raises CorpusError with the cause of a failure.

    Without `wait`, give it to the runner and return: only the runner knows how it ends.
    """
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # the cause of a failure is printed once, below
    logging.getLogger().addFilter(_is_not_beams)
    threading.excepthook = _say_other_faults
    PROGRESS.reset()
    try:
        with _showing(console, render) if is_local(options) else nullcontext():
            pipeline = beam.Pipeline(options=options)
            build(pipeline)
            event(logging.INFO, "job_started", runner=str(options.view_as(StandardOptions).runner))
            result = pipeline.run()
            if is_dataflow(options) and getattr(result, "has_job", False):  # a template has no job: others start it
                console.print(f"Job: {console_url(options, result.job_id())}", highlight=False, soft_wrap=True)
            if wait:
                result.wait_until_finish()
                event(logging.INFO, "job_done", **totals(result))
    except KeyboardInterrupt:
        raise  # do not wait for the slots: they end with this process
    except Exception as error:
        if _last_line(str(error)) == "KeyboardInterrupt":  # Beam wraps one that came while a step was at work
            raise KeyboardInterrupt from error
        _tidy()
        told = _explained(error)
        event(logging.ERROR, "job_failed", error=str(told).partition("\n")[0])
        raise told from error
    _tidy()


def _tidy() -> None:
    """Give back what the job held."""
    close_shared_slots(more_to_come=True)
    clear_shared_copies()
    clear_batches()


def _is_not_beams(record: logging.LogRecord) -> bool:
    """Whether a message of the root logger is no runner's in Java: Beam repeats those there, with all frames."""
    return "apache_beam" not in record.pathname


def _say_other_faults(told: Any) -> None:
    """Print why a thread ended, but for Beam's threads that read from a worker or server that is gone: the job says so once."""
    if not isinstance(told.exc_value, grpc.RpcError) and "Channel closed!" not in str(told.exc_value):
        threading.__excepthook__(told)


def _explained(error: BaseException) -> CorpusError | ConfigError:
    """Return the cause that a person can act on. Runners give it as the text of a traceback, wrapped more than once."""
    text = str(error)
    if isinstance(error, ConfigError):
        return type(error)(text.partition(" [while running")[0])
    if absent := re.search(r"MissingExtraError: (.*?)(?: \[while running|\n|$)", text):
        return MissingExtraError(absent[1])
    ours = re.search(
        r"(?:Corpus|Config|Storage|Unreachable|Credentials|Access|Bucket)Error: (.*?)(?: \[while running|\n|$)", text
    )
    if isinstance(error, CorpusError) or ours:
        return CorpusError(ours[1] if ours else text)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if f"[Errno {number}]" in text:
            return CorpusError(
                f"Writing failed: {os.strerror(number).lower()}. Make room, then run the same command again: it resumes."
            )
    if any(words in text for words in _DIED):
        return CorpusError("A worker process died. Run the same command again: it goes on where it was.")
    if "Service failed to start up" in text:
        return CorpusError(
            f"The runner's job server did not start ({_last_line(text)}). See what `java -jar` says of its jar."
        )
    if isinstance(error, grpc.RpcError):
        details = getattr(error, "details", None)
        return CorpusError(
            f"The runner's server does not answer any more ({details() if details else 'no reason given'}). See its log, start "
            "it again, then run the same command again: it goes on where it was."
        )
    if "java.net.ConnectException" in text:
        return CorpusError(
            f"The cluster does not answer its job server any more ({_last_line(text)}). See its log, start it again, then run "
            "the same command again: it goes on where it was."
        )
    if f"[Errno {errno.EACCES}]" in text:
        return CorpusError(
            f"Not allowed to write: {_last_line(text)}. Check the permissions of the output and run again."
        )
    whole = f"\nThe whole message:\n{text}" if "\n" in text.strip() else ""
    return CorpusError(f"The pipeline failed: {_last_line(text)}{whole}")


def _last_line(text: str) -> str:
    """What a traceback says at its end. Runners in Java say it first, after the state of the job; then come their own frames."""
    if "Traceback (most recent call last)" not in text and (java := re.search(r"failed in state FAILED: (.+)", text)):
        return java[1]
    lines = [line for line in text.splitlines() if line.strip() and not _JAVA_FRAME.match(line)]
    return lines[-1].split(" [while running")[0] if lines else "no message"


@contextmanager
def _showing(console: Console, render: Render) -> Iterator[None]:
    """Show progress from another thread: the runner blocks this one."""
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(console, render, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _show(console: Console, render: Render, done: threading.Event) -> None:
    start = noted = time.monotonic()
    with console.status("starting", spinner="dots") if console.is_terminal else nullcontext() as status:
        while not done.wait(_SECONDS_BETWEEN_LINES if status is None else _SECONDS_BETWEEN):
            now = time.monotonic()
            line = render(PROGRESS.read(), now - start)
            if status is None:
                console.print(line, markup=False, highlight=False)
            else:
                status.update(line)
            if now - noted >= _SECONDS_BETWEEN_NOTES:
                note_progress(line)
                noted = now
