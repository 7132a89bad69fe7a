"""staging/job.json: the command that works, or worked last, on an output. Only people and `longtake status` read it."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace

from longtake.pipeline.run.events import redacted
from longtake.schemas import storage
from longtake.schemas.layout import Layout

NOTE = "job.json"
_ERROR_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class JobNote:
    """One run of a command. Times are in seconds since 1970. `ended` is None while it runs, and after a kill."""

    command: str
    host: str
    pid: int
    started: float
    ended: float | None = None
    error: str | None = None  # why it failed, if it failed
    left_to_runner: bool = False  # the command ended, and the runner goes on with the job
    progress: str | None = None  # its last line of progress while it runs
    told: float | None = None  # when it wrote that line


_running: list[tuple[Layout, JobNote]] = []  # the notes of the commands of this process, the innermost last


def _path(layout: Layout) -> str:
    return storage.join(layout.staging, NOTE)


@contextmanager
def noted(layout: Layout, command: str, left_to_runner: bool = False) -> Iterator[None]:
    """Write a note that `command` works on an output while the block runs, then how it ended."""
    note = JobNote(command, socket.gethostname(), os.getpid(), time.time())
    _write(layout, note)
    _running.append((layout, note))
    error: str | None = None
    try:
        yield
    except BaseException as failure:
        error = "stopped" if isinstance(failure, KeyboardInterrupt) else str(failure) or type(failure).__name__
        raise
    finally:
        _running.pop()
        with suppress(OSError):  # on a full disk, the first error matters, not this one
            text = None if error is None else redacted(error.partition("\n")[0])[:_ERROR_CHARACTERS]
            _write(
                layout, replace(note, ended=time.time(), error=text, left_to_runner=left_to_runner and error is None)
            )


def note_progress(line: str) -> None:
    """Add a line of progress to the note of the running command, if there is one."""
    for layout, note in _running[-1:]:
        with suppress(OSError):
            _write(layout, replace(note, progress=line, told=time.time()))


def _write(layout: Layout, note: JobNote) -> None:
    storage.write_bytes(_path(layout), json.dumps(asdict(note)).encode())


def read_note(layout: Layout) -> JobNote | None:
    """The last note; None if there is none, or if it cannot be read."""
    try:
        raw = json.loads(storage.read_bytes(_path(layout)))
        note = JobNote(**{field.name: raw[field.name] for field in fields(JobNote) if field.name in raw})
        sound = (
            isinstance(note.command, str)
            and isinstance(note.host, str)
            and type(note.pid) is int
            and isinstance(note.started, int | float)
            and isinstance(note.ended, int | float | None)
            and isinstance(note.error, str | None)
            and isinstance(note.progress, str | None)
            and isinstance(note.told, int | float | None)
        )
        return note if sound else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
