"""SQL that a person types: what it can ask, and that it reaches nothing else."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from longtake.pipeline.browse import sandbox
from longtake.pipeline.browse.sandbox import QueryError, Sandbox, is_query, may_ask_decisions
from longtake.pipeline.browse.server import Server
from longtake.schemas.decision import Decision


@pytest.fixture(scope="module")
def box(server: Server) -> Sandbox:
    return server.site.sandbox


def test_samples_ledger_and_decisions_can_be_asked(box: Sandbox) -> None:
    result = box.run("SELECT split, count(*) AS n FROM samples GROUP BY ALL ORDER BY split;", ())
    assert result.columns == ("split", "n")
    assert result.rows == (("train", "9"), ("val", "2"))
    assert (result.numeric, result.more) == (frozenset({"n"}), False)
    assert box.run("FROM ledger", ()).rows
    marks = [Decision("sample", "a-000000001-000000002", "reject", curator="Ann")]
    assert box.run("SELECT curator FROM decisions", marks).rows == (("Ann",),)
    assert box.run("DESCRIBE samples", ()).rows[0][0] == "row_id"
    assert box.run("SELECT 1 AS a, 2 AS a -- a comment", ()).rows == (("1", "2"),)


def test_a_condition_gives_rows(box: Sandbox, server: Server) -> None:
    rows = box.rows_where("n_words > 15 AND split = 'train' -- long", ())
    assert len(rows) == 4
    assert len(box.rows_where("key IN (SELECT subject_id FROM decisions)", ())) == 0


@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        ("SELECT 1", True),
        ("  -- why\n(select 1)", True),
        ("/* x */ WITH a AS (SELECT 1) FROM a", True),
        ("from samples", True),
        ("SUMMARIZE samples", True),
        ("n_words > 3", False),
        ("selected = 1", False),
        ("(n_words > 3) OR split = 'val'", False),
    ],
)
def test_a_query_is_told_from_a_condition(typed: str, whole: bool) -> None:
    assert is_query(typed) is whole


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_blob('{file}')",
        "SELECT * FROM read_json('{file}')",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM parquet_metadata('{file}')",
        "SELECT * FROM sniff_csv('{file}')",
        "SELECT * FROM glob('{folder}/*')",
        "FROM '{file}'",
        "SELECT * FROM query_table('{file}')",
        "SELECT * FROM query('FROM read_text(''{file}'')')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/out.csv''')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY samples FROM '{file}'",
        "EXPORT DATABASE '{folder}/out'",
        "IMPORT DATABASE '{folder}'",
        "ATTACH '{folder}/other.db'",
        "DETACH corpus",
        "USE corpus",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{file}'",
        "PRAGMA database_list",
        "SET memory_limit = '100GB'",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "CREATE TABLE t AS SELECT 1",
        "CREATE SECRET s (TYPE s3)",
        "DROP VIEW samples",
        "DELETE FROM corpus.samples",
        "INSERT INTO ledger SELECT * FROM ledger",
        "UPDATE samples SET key = 'x'",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE SELECT 1",
        "CHECKPOINT",
        "VACUUM",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "SELECT 1) ; COPY (SELECT 1) TO '{folder}/out.csv",
        "SELECT getenv('HOME')",
        "SELECT * FROM secret_variable",
        "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
        "",
        "SELECT",
        "nonsense",
    ],
)
def test_nothing_else_can_be_reached(box: Sandbox, tmp_path: Path, query: str) -> None:
    secret_variable = {"a": [1]}  # which DuckDB would find by its name
    file = tmp_path / "secret.csv"
    file.write_text("a,b\nsecret,1\n")
    with pytest.raises(QueryError) as refused:
        box.run(query.format(file=file, folder=tmp_path), ())
    assert "secret,1" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv"]
    assert secret_variable


@pytest.mark.parametrize(
    "condition",
    [
        "1 = 1) UNION SELECT 1 --",
        "true); COPY (SELECT 1) TO '{folder}/out.csv' --",
        "paragraph = (SELECT content FROM read_text('{file}'))",
        "nope > 1",
        "1 +",
    ],
)
def test_a_condition_reaches_nothing_either(box: Sandbox, tmp_path: Path, condition: str) -> None:
    file = tmp_path / "secret.txt"
    file.write_text("secret")
    with pytest.raises(QueryError):
        box.rows_where(condition.format(file=file, folder=tmp_path), ())
    assert [path.name for path in tmp_path.iterdir()] == ["secret.txt"]


def test_what_takes_too_long_is_stopped(server: Server) -> None:
    box = Sandbox(server.site.store.cache, seconds=1)
    begun = time.monotonic()
    with pytest.raises(QueryError, match=r"stopped after 1 seconds"):
        box.run("SELECT max(hash(range)) FROM range(1000000000000)", ())
    assert time.monotonic() - begun < 5
    assert box.run("SELECT 1", ()).rows == (("1",),)  # and its place is free again


@pytest.mark.parametrize(
    "query",
    [
        "SELECT sum(length(repeat('x', 900000000 + range::INT))) FROM range(64)",
        "SELECT max(length(repeat(range::VARCHAR, 400000000))) FROM range(8)",
        "SELECT " + "abs(" * 2000 + "1" + ")" * 2000,
    ],
)
def test_limits_hold_for_what_duckdb_does_not_limit(server: Server, query: str) -> None:
    """Texts of a gigabyte are outside its own limit of memory, and it looks at its own limit of time between chunks only."""
    box = Sandbox(server.site.store.cache, seconds=2)
    box.warm()
    begun = time.monotonic()
    peak = 0
    thread = threading.Thread(target=lambda: _quietly(box, query))
    thread.start()
    while thread.is_alive():
        peak = max([peak, *(resident(pid) for pid in children())])
        time.sleep(0.02)
    assert time.monotonic() - begun < 20
    assert peak < 1.3 * (1 << 30)
    box.close()


def _quietly(box: Sandbox, query: str) -> None:
    with contextlib.suppress(QueryError):
        box.run(query, ())


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def resident(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def test_a_query_ends_with_whoever_asked(server: Server) -> None:
    """A server that is killed leaves no query behind: the process has a timer of its own."""
    request = {
        "query": "SELECT max(hash(range)) FROM range(1000000000000)",
        "rows": 1, "tables": server.site.store.cache.tables, "memory": "512MB", "process_bytes": 1 << 30, "seconds": 0.5,
        "decisions": "",
    }  # fmt: skip
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = subprocess.Popen([sys.executable, "-P", str(sandbox._SCRIPT)], stdin=theirs)
    theirs.close()
    asked, stream = socket.socketpair()
    socket.send_fds(control, [b"start"], [stream.fileno()])
    stream.close()
    query = psutil.Process(int(control.recv(64)))
    asked.sendall(json.dumps(request).encode() + b"\n")
    asked.settimeout(20)
    assert asked.recv(1) == b""  # the timer ended it, and no command did
    while query.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.02)
    control.close()
    assert child.wait(20) == 0
    assert not query.is_running()
    asked.close()


def test_all_queries_end_with_the_server(server: Server) -> None:
    box = Sandbox(server.site.store.cache, seconds=60)
    thread = threading.Thread(target=_quietly, args=(box, "SELECT max(hash(range)) FROM range(1000000000000)"))
    before = children()
    thread.start()
    while len(children() - before) < 2:  # the one that forks, and its fork
        time.sleep(0.02)
    started = children() - before
    box.close()
    thread.join(20)
    assert not thread.is_alive()
    assert not started & children()


def test_a_server_goes_on_when_the_process_that_forks_was_killed(server: Server) -> None:
    box = Sandbox(server.site.store.cache)
    before = children()
    assert box.run("SELECT 1", ()).rows == (("1",),)
    for pid in children() - before:
        psutil.Process(pid).kill()
    with contextlib.suppress(QueryError):  # whoever asks at that moment
        box.run("SELECT 2", ())
    assert box.run("SELECT 3", ()).rows == (("3",),)
    box.close()


def test_decisions_are_there_only_for_who_may_ask_for_them(box: Sandbox) -> None:
    for typed in (
        "FROM decisions",
        'FROM "DECISIONS"',
        "SHOW TABLES",
        "FROM duckdb_tables()",
        "FROM information_schema.tables",
    ):
        assert may_ask_decisions(typed)
    assert not may_ask_decisions("n_words > 3 AND split = 'train'")
    with pytest.raises(QueryError, match="decisions"):  # never an empty table in their place
        box.run("FROM query_table('deci' || 'sions')", None)


def test_decisions_that_changed_are_asked_anew(box: Sandbox) -> None:
    for number in range(8):
        marks = [Decision("sample", f"a-00000000{n}-000000009", "ok", curator="Ann") for n in range(number)]
        assert box.run("SELECT count(*) FROM decisions", marks).rows == ((str(number),),)
        assert box.run("SELECT count(*) FROM decisions", marks).rows == ((str(number),),)


def test_what_takes_too_much_memory_is_refused(box: Sandbox) -> None:
    with pytest.raises(QueryError, match=r"(?i)memory"):
        box.run("SELECT list(range) AS l FROM range(200000000)", ())


def test_results_are_cut(box: Sandbox) -> None:
    result = box.run("SELECT range, repeat('x', 100000) AS long FROM range(5000)", ())
    assert (len(result.rows), result.more) == (1000, True)
    assert max(len(value or "") for row in result.rows for value in row) == 2000
    with pytest.raises(QueryError, match="columns"):
        box.run("SELECT " + ", ".join(f"{n} AS c{n}" for n in range(300)), ())
    with pytest.raises(QueryError, match="characters"):
        box.run("SELECT " + "1 + " * 5000 + "1", ())


def test_queries_wait_for_each_other(server: Server) -> None:
    box = Sandbox(server.site.store.cache)
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(box.run("SELECT 7", ()).rows[0][0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["7"] * 6


@pytest.mark.parametrize("rows", ["SELECT 999999", "SELECT -1", "SELECT NULL::INTEGER", "SELECT 0.5", "SELECT 'a'"])
def test_a_condition_cannot_name_rows_that_are_not_there(box: Sandbox, rows: str) -> None:
    with pytest.raises(QueryError):
        box.rows_where(f"true) UNION ALL {rows} AS row_id WHERE (true", [])


def test_half_a_character_is_refused(box: Sandbox) -> None:
    with pytest.raises(QueryError, match="not text"):
        box.run("SELECT '\ud800'", [])


def test_no_query_loses_its_decisions_to_those_of_others(server: Server) -> None:
    box = Sandbox(server.site.store.cache)
    logs = [[Decision("sample", f"a-{n:09d}-{n + 1:09d}", "ok", curator="Ann")] * n for n in range(1, 9)]
    try:
        with box._file(logs[0]) as path:
            for log in logs[1:]:
                assert box.run("SELECT count(*) FROM decisions", log).rows == ((str(len(log)),),)
            assert Path(path).exists()
            assert box.run("SELECT count(*) FROM decisions", logs[0]).rows == (("1",),)
        assert len(list(Path(path).parent.glob("*.parquet"))) >= len(box._files)
        assert len(box._files) <= 5
    finally:
        box.close()
    assert not Path(path).exists()
