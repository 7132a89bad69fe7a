"""Running SQL that a person typed: in a database of its own that may read the cache and nothing else.

A connection is made for each query, so that none finds what another left. It opens the cache for reading, loses access to all
files (and with it extensions), gets its settings locked, and sees no variable of this process. What runs too long is stopped.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from longtake.pipeline.browse.cache import Cache
from longtake.pipeline.browse.store import Ids
from longtake.schemas.decision import Decision
from longtake.schemas.decisions import COLUMNS

MAX_SQL = 10_000  # characters
_MEMORY = "512MB"
_MAX_COLUMNS, _MAX_CELL, _MAX_MESSAGE = 200, 2000, 2000
_AT_ONCE = 2  # queries
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_NUMBERS = (*_INTEGERS, "FLOAT", "DOUBLE", "DECIMAL")  # types of columns that are aligned to the right
_STARTS = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(select|with|from|values|describe|summarize|show)\b", re.I | re.S
)


class QueryError(Exception):
    """A query cannot be run; the message is for whoever typed it."""


@dataclass(frozen=True, slots=True)
class Result:
    """A table of results, all as text, cut after `max_rows` (then `more` is True). `numeric` names columns to align right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    numeric: frozenset[str]
    more: bool


def is_query(typed: str) -> bool:
    """Whether SQL is a whole query, as against a condition."""
    return _STARTS.match(typed) is not None


class Sandbox:
    """Runs queries on `samples`, `ledger` and `decisions`. Safe for many threads."""

    def __init__(self, cache: Cache, seconds: float = 10, max_rows: int = 1000) -> None:
        self._cache, self._seconds, self._max_rows = cache, seconds, max_rows
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def run(self, typed: str, decisions: Sequence[Decision]) -> Result:
        """The result of a query. Raises QueryError."""
        query = _checked(typed)
        wrapped = f"SELECT left(CAST(COLUMNS(*) AS VARCHAR), {_MAX_CELL}) FROM (\n{query}\n) LIMIT {self._max_rows + 1}"  # noqa: S608
        with _Connection(self, self._cache, decisions) as connection:
            described = connection.execute(f"DESCRIBE FROM (\n{query}\n)").fetchall()
            if len(described) > _MAX_COLUMNS:
                raise QueryError(f"a result of {len(described):,} columns; at most {_MAX_COLUMNS} are shown")
            rows = connection.execute(wrapped).fetchall()
        numeric = frozenset(name for name, kind, *_ in described if kind.startswith(_NUMBERS))
        names = tuple(str(name) for name, *_ in described)
        return Result(names, tuple(rows[: self._max_rows]), numeric, len(rows) > self._max_rows)

    def rows_where(self, condition: str, decisions: Sequence[Decision]) -> Ids:
        """The rows of samples that fulfil a condition. Raises QueryError."""
        query = f"SELECT row_id FROM corpus.samples AS samples WHERE (\n{condition}\n)"  # noqa: S608
        _checked(query)
        with _Connection(self, self._cache, decisions) as connection:
            found = connection.execute(query).fetchnumpy()
        if list(found) != ["row_id"]:
            raise QueryError("not a condition")
        return np.asarray(found["row_id"], dtype=np.int32)


class _Connection:
    """A connection for one query, with errors made into messages."""

    def __init__(self, box: Sandbox, cache: Cache, decisions: Sequence[Decision]) -> None:
        self._box, self._cache, self._decisions = box, cache, decisions

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        if not self._box._places.acquire(timeout=self._box._seconds):
            raise QueryError("other queries are still running; try again")
        connection = None
        try:
            config: Any = {"memory_limit": _MEMORY, "temp_directory": "", "python_enable_replacements": False}
            self._connection = connection = duckdb.connect(":memory:", config=config)
            path = self._cache.tables.replace("'", "''")
            self._connection.execute(f"ATTACH '{path}' AS corpus (READ_ONLY)")
            for name in ("samples", "ledger"):
                self._connection.execute(f"CREATE VIEW {name} AS SELECT * FROM corpus.{name}")  # noqa: S608
            rows = [{name: getattr(one, name) for name in COLUMNS} for one in self._decisions]
            schema = pa.schema([(name, pa.string()) for name in COLUMNS])
            self._connection.register("given", pa.Table.from_pylist(rows, schema=schema))
            self._connection.execute("CREATE TABLE decisions AS FROM given")
            self._connection.unregister("given")
            for setting in ("enable_external_access = false", "lock_configuration = true"):
                self._connection.execute(f"SET {setting}")
            self._timer = threading.Timer(self._box._seconds, self._connection.interrupt)
            self._timer.start()
        except BaseException:
            if connection is not None:
                connection.close()
            self._box._places.release()
            raise
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        self._connection.close()
        self._box._places.release()
        if isinstance(error, duckdb.InterruptException):
            raise QueryError(f"stopped after {self._box._seconds:g} seconds") from None
        if isinstance(error, duckdb.Error | RuntimeError | ValueError | OverflowError):
            raise QueryError(str(error)[:_MAX_MESSAGE]) from None


def _checked(typed: str) -> str:
    """A query that is one statement and only reads, without a semicolon. Raises QueryError."""
    if len(typed) > MAX_SQL:
        raise QueryError(f"more than {MAX_SQL:,} characters")
    try:
        statements = duckdb.extract_statements(typed)
    except (duckdb.Error, ValueError) as error:
        raise QueryError(str(error)[:_MAX_MESSAGE]) from None
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements; write one")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("only a query that reads can be run here: SELECT, WITH, FROM, DESCRIBE or SUMMARIZE")
    return typed.strip().rstrip(";").rstrip()
