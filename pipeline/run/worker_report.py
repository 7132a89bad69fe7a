"""What a worker tells `longtake doctor` of itself: its host, versions, clock and disk, and whether it reaches the output."""

import json
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import apache_beam as beam

from longtake.schemas import storage
from longtake.schemas.versions import versions

_PIECES = 16


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker process. `time` is its clock in seconds since 1970, `free_bytes` the room in its temporary folder."""

    host: str
    pid: int
    versions: dict[str, str]
    time: float
    free_bytes: int
    cores: int
    sees_launcher: bool  # whether it reads the file that the launcher wrote into the output


class _Report(beam.DoFn):
    """Writes a report of its process into `folder`, once."""

    def __init__(self, folder: str, token: str) -> None:
        self._folder, self._token, self._done = folder, token, False

    def process(self, _: int) -> Iterator[None]:
        time.sleep(0.05)  # the others get some of the pieces
        if not self._done:
            self._done = True
            storage.write_bytes(
                storage.join(self._folder, f"{uuid.uuid4().hex}.json"), json.dumps(asdict(self._report())).encode()
            )
        yield from ()

    def _report(self) -> WorkerReport:
        try:
            sees = storage.read_bytes(storage.join(self._folder, "launcher")) == self._token.encode()
        except OSError:
            sees = False
        free = shutil.disk_usage(tempfile.gettempdir()).free
        return WorkerReport(socket.gethostname(), os.getpid(), versions(), time.time(), free, os.cpu_count() or 1, sees)


def add_reports(root: Any, folder: str, token: str) -> None:
    """Add a step to the pipeline `root` in which each worker process writes a report into `folder`."""
    _ = (
        root
        | "Pieces" >> beam.Create(range(_PIECES), reshuffle=False)
        | "Spread" >> beam.Reshuffle()
        | "Report" >> beam.ParDo(_Report(folder, token))
    )


def read_reports(folder: str) -> list[WorkerReport]:
    """The reports, one for each process, sorted by host."""
    raw = [json.loads(storage.read_bytes(path)) for path in storage.list_files(folder, ".json")]
    found = {(report.host, report.pid): report for report in (WorkerReport(**fields) for fields in raw)}
    return [found[key] for key in sorted(found)]
