"""Run SQL that a person typed: each query runs in a separate process (query_process.py), which is killed at its limits.

The process opens the search tables for reading, then loses access to all files (and so to extensions). Its settings are locked,
and it sees almost none of this process's environment. DuckDB's own limits of time and memory do not cover everything; the
limits of the system do.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from longtake.pipeline.browse.cache import Cache
from longtake.pipeline.browse.store import Ids
from longtake.schemas.decision import Decision
from longtake.schemas.decisions import COLUMNS

MAX_SQL = 10_000  # characters
_MEMORY = "512MB"  # for DuckDB
_PROCESS_BYTES = 1 << 30  # for the whole process, with the interpreter
_AT_ONCE = 2  # queries
_START_SECONDS = 60  # for a process to start on a busy machine
_SCRIPT = Path(__file__).with_name("query_process.py")
_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG")  # what Python may need to start
_STARTS = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(select|with|from|values|describe|summarize|show)\b", re.I | re.S
)


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


class Sandbox:
    """Runs queries on `samples`, `ledger` and `decisions`. Safe for many threads."""

    def __init__(self, cache: Cache, seconds: float = 10, max_rows: int = 1000) -> None:
        self._cache, self._seconds, self._max_rows = cache, seconds, max_rows
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._spare: _Process | None = None
        self._is_warm = False

    def warm(self) -> None:
        """Keep a process ready from now on, so that no query waits for a start."""
        with self._lock:
            self._is_warm = True
            self._spare = self._spare or _Process()

    def close(self) -> None:
        """End the process that waits for a query."""
        with self._lock:
            spare, self._spare, self._is_warm = self._spare, None, False
        if spare is not None:
            spare.end()

    def run(self, typed: str, decisions: Sequence[Decision]) -> Result:
        """Run a query and return its result. Raises QueryError."""
        found, _ = self._ask(typed, self._max_rows, decisions)
        rows = tuple(tuple(row) for row in found["rows"])
        return Result(tuple(found["columns"]), rows, frozenset(found["numeric"]), found["more"])

    def rows_where(self, condition: str, decisions: Sequence[Decision]) -> Ids:
        """The rows of samples that match a condition. Raises QueryError."""
        query = f"SELECT row_id FROM corpus.samples AS samples WHERE (\n{condition}\n)"  # noqa: S608
        _, body = self._ask(query, None, decisions)
        return np.frombuffer(body, dtype="<i4").astype(np.int32)

    def _ask(self, query: str, rows: int | None, decisions: Sequence[Decision]) -> tuple[dict[str, Any], bytes]:
        if len(query) > MAX_SQL:
            raise QueryError(f"more than {MAX_SQL:,} characters")
        request = {
            "query": query,
            "rows": rows,
            "tables": self._cache.tables,
            "memory": _MEMORY,
            "process_bytes": _PROCESS_BYTES,
            "seconds": self._seconds,
            "decisions": {name: [getattr(one, name) for one in decisions] for name in COLUMNS},
        }
        if not self._places.acquire(timeout=self._seconds):
            raise QueryError("other queries are still running; try again")
        try:
            process = self._process()
            try:
                return process.ask(request, self._seconds)
            finally:
                process.end()
        finally:
            self._places.release()
            with self._lock:
                if self._is_warm and self._spare is None:
                    self._spare = _Process()

    def _process(self) -> "_Process":
        with self._lock:
            spare, self._spare = self._spare, None
        return spare if spare is not None and spare.is_alive else _Process()


class _Process:
    """A process for one query."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        )

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a request and return the answer: a line of JSON and the bytes after it. Raises QueryError."""
        starting = threading.Timer(_START_SECONDS, self._child.kill)
        starting.start()
        ready = self._child.stdout.readline() if self._child.stdout else b""
        starting.cancel()
        if ready != b"ready\n":
            raise QueryError("no process could be started for the query; try again")
        try:
            out, _ = self._child.communicate(json.dumps(request).encode() + b"\n", timeout=seconds)
        except subprocess.TimeoutExpired:
            raise QueryError(f"stopped after {seconds:g} seconds") from None
        line, is_whole, body = out.partition(b"\n")
        if not is_whole:
            raise QueryError(f"stopped: it needs more than {_PROCESS_BYTES >> 30} GB of memory")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise QueryError(answer["error"])
        return answer, body

    def end(self) -> None:
        """Kill the process, whatever it is doing."""
        self._child.kill()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._child.wait()
