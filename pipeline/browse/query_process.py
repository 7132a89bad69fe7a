"""Runs queries typed by a person, each in a process of its own. It is run as a script and imports nothing of longtake.

The script imports what queries need, and then forks a process for each one: to start and import anew takes ten times as long as
most queries. It sees no query itself. Its standard input is a socket; each message is a command, and gets one answer:

    start, with a socket      the number of a process, which answers the request that comes through that socket
    end NUMBER                "ended", when that process has been killed

The process of a query reads a request (one line of JSON), and answers with a line of JSON and, for rows of samples, their numbers
as int32. The system limits its memory and time, because DuckDB's own limits do not cover everything.
"""

import json
import os
import resource
import signal
import socket
from io import BufferedRWPair
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
    """Start and end processes until the server hangs up, which also ends those that are left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches this too; the server says when to end
    control, running = socket.socket(fileno=0), set[int]()
    while message := (received := socket.recv_fds(control, 64, 1))[0]:
        command, _, number = message.decode().partition(" ")
        if command == "start":
            asked = socket.socket(fileno=received[1][0])
            if not (pid := os.fork()):
                control.close()
                _run(asked)
            asked.close()
            running.add(pid)
            control.sendall(b"%d" % pid)
        elif int(number) in running:  # not waited for until now, so the number is still its own
            _end(int(number))
            running.remove(int(number))
            control.sendall(b"ended")
    for pid in running:
        _end(pid)


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _run(asked: socket.socket) -> None:
    """Answer one request, and end this process."""
    try:
        with asked, asked.makefile("rwb") as stream:
            _serve(stream)
    finally:
        os._exit(0)


def _serve(stream: BufferedRWPair) -> None:
    line = stream.readline()
    if not line:
        return
    request = json.loads(line)
    signal.setitimer(signal.ITIMER_REAL, request["seconds"] + 1)  # SIGALRM ends the process if nobody else does
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
    stream.write(json.dumps(answer).encode() + b"\n" + body)
    stream.flush()


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    query, most = request["query"], request["rows"]
    checked = _checked(query)
    with _connection(request) as connection:
        if most is None:  # a condition
            found = connection.execute(query).fetchnumpy()
            ((number,),) = connection.execute("SELECT count(*) FROM corpus.samples").fetchall()
            ids = found.get("row_id")
            if len(found) != 1 or ids is None or np.ma.is_masked(ids) or not np.isin(ids, np.arange(number)).all():
                raise QueryRefused("not a condition")  # but one that adds rows of its own
            return {}, np.asarray(ids, dtype="<i4").tobytes()
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
    if request["decisions"]:
        decisions = request["decisions"].replace("'", "''")
        connection.execute(f"CREATE TABLE decisions AS FROM read_parquet('{decisions}')")
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
