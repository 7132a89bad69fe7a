"""Run SQL that a person typed: each query runs in a separate process (query_process.py), which is killed at its limits. These
processes are forks of one that has imported what they need.

The process opens the search tables for reading, then loses access to all files (and so to extensions). Its settings are locked,
and it sees almost none of this process's environment. DuckDB's own limits of time and memory do not cover everything; the
limits of the system do.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from longtake.pipeline.browse.cache import Cache
from longtake.pipeline.browse.store import Ids
from longtake.schemas import scratch
from longtake.schemas.decision import Decision
from longtake.schemas.decisions import as_parquet

MAX_SQL = 10_000  # characters
_MEMORY = "512MB"  # for DuckDB
_PROCESS_BYTES = 1 << 30  # for the whole process, with the interpreter
_AT_ONCE = 2  # queries
_START_SECONDS = 60  # for a process to start on a busy machine
_KEPT_FILES = 4  # of decisions, beside those that are in use
_SCRIPT = Path(__file__).with_name("query_process.py")
_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG")  # what Python may need to start
_STARTS = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(select|with|from|values|describe|summarize|show)\b", re.I | re.S
)


# A query without any of these words has no use for the table `decisions`, nor does it ask which tables there are.
_MAY_ASK = re.compile(r"decisions|show|describe|summarize|tables|schema|columns|views|objects", re.I)


class QueryError(Exception):
    """The query cannot be run. The message is for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Result:
    """A table of results, all as text, cut after `max_rows` (then `more` is True). `numeric` names the columns to align right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    numeric: frozenset[str]
    more: bool


def is_query(typed: str) -> bool:
    """Whether `typed` is a whole query, and not a condition."""
    return _STARTS.match(typed) is not None


def may_ask_decisions(typed: str) -> bool:
    """Whether a query or condition may use the table `decisions`, so that its answer depends on them."""
    return _MAY_ASK.search(typed) is not None


class Sandbox:
    """Runs queries on `samples`, `ledger` and `decisions`. Safe for many threads."""

    def __init__(self, cache: Cache, seconds: float = 10, max_rows: int = 1000) -> None:
        self._cache, self._seconds, self._max_rows = cache, seconds, max_rows
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._forks: _Forks | None = None
        self._filing = threading.Lock()  # of its own: to write a file takes time
        self._files: list[_DecisionFile] = []  # the one used last is last

    def warm(self) -> None:
        """Start the process that forks the others, so that no query waits for it."""
        with self._lock:
            self._forks = self._forks or _Forks()

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            forks, self._forks = self._forks, None
        if forks is not None:
            forks.end()
        with self._filing:
            files, self._files = self._files, []
        for file in files:
            _remove(file.path)

    def run(self, typed: str, decisions: Sequence[Decision] | None) -> Result:
        """Run a query and return its result. Without decisions (None) there is no such table. Raises QueryError."""
        found, _ = self._ask(typed, self._max_rows, decisions)
        rows = tuple(tuple(row) for row in found["rows"])
        return Result(tuple(found["columns"]), rows, frozenset(found["numeric"]), found["more"])

    def rows_where(self, condition: str, decisions: Sequence[Decision] | None) -> Ids:
        """The rows of samples that match a condition. Without decisions (None) there is no such table. Raises QueryError."""
        query = f"SELECT row_id FROM corpus.samples AS samples WHERE (\n{condition}\n)"  # noqa: S608
        _, body = self._ask(query, None, decisions)
        return np.frombuffer(body, dtype="<i4").astype(np.int32)

    def _ask(self, query: str, rows: int | None, decisions: Sequence[Decision] | None) -> tuple[dict[str, Any], bytes]:
        if len(query) > MAX_SQL:
            raise QueryError(f"more than {MAX_SQL:,} characters")
        if any("\ud800" <= character <= "\udfff" for character in query):
            raise QueryError("not text: it has half a character (a surrogate)")
        if not self._places.acquire(timeout=self._seconds):
            raise QueryError("other queries are still running; try again")
        request = {
            "query": query,
            "rows": rows,
            "tables": self._cache.tables,
            "memory": _MEMORY,
            "process_bytes": _PROCESS_BYTES,
            "seconds": self._seconds,
        }
        try:
            with nullcontext("") if decisions is None else self._file(decisions) as path:
                process = self._start()
                try:
                    return process.ask(request | {"decisions": path}, self._seconds)
                finally:
                    process.end()
        finally:
            self._places.release()

    def _start(self) -> "_Process":
        with self._lock:
            if self._forks is None or not self._forks.is_alive:
                self._forks = _Forks()
            return self._forks.start()

    @contextmanager
    def _file(self, decisions: Sequence[Decision]) -> Iterator[str]:
        """A file with the decisions, for the time of a query.

        It is kept for the next one: as long as nobody decides, they are the same object.
        """
        with self._filing:
            file = next((one for one in self._files if one.decisions is decisions), None)
            if file is None:
                file = _written(decisions)
            else:
                self._files.remove(file)
            self._files.append(file)
            file.users += 1
            unused = [one for one in self._files if not one.users]
            for one in unused[: max(0, len(unused) - _KEPT_FILES)]:
                self._files.remove(one)
                _remove(one.path)
        try:
            yield file.path
        finally:
            with self._filing:
                file.users -= 1


@dataclass(eq=False)
class _DecisionFile:
    """A file with decisions, and how many queries use it now."""

    decisions: Sequence[Decision]
    path: str
    users: int = 0


def _written(decisions: Sequence[Decision]) -> _DecisionFile:
    folder = os.path.join(scratch.folder(), "queries")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{uuid.uuid4().hex}.parquet")
    Path(path).write_bytes(as_parquet(decisions))
    return _DecisionFile(decisions, path)


class _Forks:
    """The process that forks one for each query."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-P", str(_SCRIPT)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=variables | {"OPENBLAS_NUM_THREADS": "1"},  # a process with threads should not fork
            )
        self._control.settimeout(_START_SECONDS)
        self._lock = threading.Lock()

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def start(self) -> "_Process":
        """Start a process for a query. Raises QueryError."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [b"start"], [theirs.fileno()])
                pid = int(self._control.recv(64))
        except (OSError, ValueError):
            ours.close()
            self.end()
            raise QueryError("no process could be started for the query; try again") from None
        return _Process(self, pid, ours)

    def kill(self, pid: int) -> None:
        """Kill the process of a query, whatever it is doing."""
        with suppress(OSError), self._lock:  # it ends with the one that forked it
            self._control.sendall(b"end %d" % pid)
            self._control.recv(64)

    def end(self) -> None:
        """End this process, and with it all that it forked."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for an answer
        self._control.close()
        try:
            self._child.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class _Process:
    """The process of one query."""

    def __init__(self, forks: _Forks, pid: int, stream: socket.socket) -> None:
        self._forks, self._pid, self._stream = forks, pid, stream

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a request and return the answer: a line of JSON and the bytes after it. Raises QueryError."""
        end, parts = time.monotonic() + seconds, list[bytes]()
        try:
            self._stream.settimeout(seconds)
            self._stream.sendall(json.dumps(request).encode() + b"\n")
            while part := self._stream.recv(1 << 20):
                parts.append(part)
                self._stream.settimeout(max(0.001, end - time.monotonic()))
        except TimeoutError:
            raise QueryError(f"stopped after {seconds:g} seconds") from None
        except ConnectionError:  # it was killed: at its limit of memory, or by somebody
            parts.clear()
        line, is_whole, body = b"".join(parts).partition(b"\n")
        if not is_whole:
            raise QueryError(f"stopped: it needs more than {_PROCESS_BYTES >> 30} GB of memory")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise QueryError(answer["error"])
        return answer, body

    def end(self) -> None:
        """Kill the process, whatever it is doing."""
        self._stream.close()
        self._forks.kill(self._pid)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.remove(path)
