"""A process that runs one query typed by a person, and then ends. It is run as a script and imports nothing of longtake.

It prints "ready", reads a request (one line of JSON), and answers with a line of JSON and, for rows of samples, their numbers
as int32. The system limits its memory and time, because DuckDB's own limits do not cover everything.
"""

import json
import resource
import signal
import sys
from typing import Any

import duckdb
import numpy as np

_MAX_COLUMNS, _MAX_CELL, _MAX_MESSAGE = 200, 2000, 2000
_MAX_ANSWER = 16 << 20  # characters of all cells
_THREADS = 2
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_NUMBERS = (*_INTEGERS, "FLOAT", "DOUBLE", "DECIMAL")  # types of columns to align right


class QueryRefused(Exception):
    """The query cannot be run. The message is for the person who typed it."""


def main() -> None:
    """Answer one request."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        return
    request = json.loads(line)
    signal.setitimer(signal.ITIMER_REAL, request["seconds"] + 1)  # SIGALRM ends the process if the server has died
    for name in (resource.RLIMIT_DATA, resource.RLIMIT_CORE):
        wanted = request["process_bytes"] if name == resource.RLIMIT_DATA else 0
        resource.setrlimit(name, (wanted, wanted))
    body = b""
    try:
        answer, body = _answer(request)
    except QueryRefused as error:
        answer = {"error": str(error)}
    except (duckdb.Error, MemoryError, RuntimeError, ValueError, OverflowError) as error:
        answer = {"error": (str(error) or "out of memory")[:_MAX_MESSAGE]}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + body)
    sys.stdout.flush()


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    query, most = request["query"], request["rows"]
    checked = _checked(query)
    with _connection(request) as connection:
        if most is None:  # a condition
            found = connection.execute(query).fetchnumpy()
            if list(found) != ["row_id"]:
                raise QueryRefused("not a condition")
            return {}, np.asarray(found["row_id"], dtype="<i4").tobytes()
        described = connection.execute(f"DESCRIBE FROM (\n{checked}\n)").fetchall()
        if len(described) > _MAX_COLUMNS:
            raise QueryRefused(f"the result has {len(described):,} columns; at most {_MAX_COLUMNS} can be shown")
        wrapped = f"SELECT left(CAST(COLUMNS(*) AS VARCHAR), {_MAX_CELL}) FROM (\n{checked}\n) LIMIT {most + 1}"  # noqa: S608
        rows: list[Any] = []
        size, more = 0, False
        connection.execute(wrapped)
        while (row := connection.fetchone()) is not None:
            size += sum(len(cell or "") for cell in row)
            if len(rows) == most or size > _MAX_ANSWER:
                more = True
                break
            rows.append(row)
    numeric = [name for name, kind, *_ in described if kind.startswith(_NUMBERS)]
    names = [str(name) for name, *_ in described]
    return {"columns": names, "rows": rows, "numeric": numeric, "more": more}, b""


def _connection(request: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """A database that may read the search tables and nothing else. Its settings cannot be changed."""
    config: Any = {"memory_limit": request["memory"], "temp_directory": "", "threads": _THREADS}
    connection = duckdb.connect(":memory:", config=config | {"python_enable_replacements": False})
    path = request["tables"].replace("'", "''")
    connection.execute(f"ATTACH '{path}' AS corpus (READ_ONLY)")
    for name in ("samples", "ledger"):
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM corpus.{name}")  # noqa: S608
    columns = request["decisions"]
    lists = ", ".join(f"unnest(?::VARCHAR[]) AS {name}" for name in columns)
    connection.execute(f"CREATE TABLE decisions AS SELECT {lists}", list(columns.values()))
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        connection.execute(f"SET {setting}")
    return connection


def _checked(typed: str) -> str:
    """Check that a query is one statement and only reads. Return it without a semicolon."""
    statements = duckdb.extract_statements(typed)
    if len(statements) != 1:
        raise QueryRefused(f"{len(statements)} statements; write only one")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise QueryRefused("only a query that reads can be run here: SELECT, WITH, FROM, DESCRIBE or SUMMARIZE")
    return typed.strip().rstrip(";").rstrip()


if __name__ == "__main__":
    main()
