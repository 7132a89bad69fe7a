"""Decisions of curators: the rows, what follows from several, and the file they are kept in."""

import csv
import itertools
import multiprocessing
import os
import random
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from longtake.schemas import amending, storage
from longtake.schemas.decision import steps
from longtake.schemas.decisions import (
    COLUMNS,
    Decision,
    append_decision,
    conflicts,
    current,
    merge_logs,
    read_decisions,
    read_log,
    settle,
    write_decisions,
)
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout

KEY, OTHER = "mammals-000000000-000060000", "mammals-000060000-000120000"
NOON = "2026-11-25T12:00:00Z"
FULL = Decision("sample", KEY, "reject", "misaligned", 'says "hello", twice', "Ann", NOON)
BARE = Decision("video", "last-man", "ok")


@pytest.fixture(params=["csv", "parquet"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / f"decisions.{request.param}")


def by(curator: str, decision: str, hour: int = 12, key: str = KEY, **other: str) -> Decision:
    return Decision("sample", key, decision, curator=curator, decided_at=f"2026-11-25T{hour:02d}:00:00Z", **other)


# -- the record --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"subject": "shard"}, "sample or video"),
        ({"subject_id": "../../etc/passwd"}, "not the key of a sample"),
        ({"subject_id": ""}, "not the key of a sample"),
        ({"subject": "video", "subject_id": " "}, "1 to 512 characters"),
        ({"subject": "video", "subject_id": "x" * 513}, "1 to 512 characters"),
        ({"subject": "video", "subject_id": "a\0b"}, "1 to 512 characters"),
        ({"subject": "video", "subject_id": "a\ud800"}, "1 to 512 characters"),
        ({"decision": "REJECT"}, "must be reject, flag, ok, or none"),
        ({"label": "Not a slug"}, "a-z, 0-9"),
        ({"label": "x" * 41}, "up to 40"),
        ({"label": "x\n"}, "up to 40"),
        ({"note": "two\nlines"}, "one line"),
        ({"note": "nul\0"}, "one line"),
        ({"note": "\x1b[31mred"}, "one line"),
        ({"note": "right to left \u202e"}, "one line"),
        ({"note": "x" * 1001}, "up to 1,000"),
        ({"curator": "x" * 101}, "up to 100"),
        ({"curator": "Ann\r"}, "one line"),
        ({"decided_at": "yesterday"}, "ISO 8601"),
        ({"decided_at": "0001-01-01T00:00:00+14:00"}, "ISO 8601"),
    ],
)
def test_what_is_no_decision(wrong: dict[str, str], said: str) -> None:
    row = {"subject": "sample", "subject_id": KEY, "decision": "ok"} | wrong
    with pytest.raises(ConfigError, match=said):
        Decision(**row)


def test_texts_of_all_scripts_are_fine() -> None:
    note = (
        "\u00e0 revoir\u00a0: \u30c6\u30b9\u30c8\u3000 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f600 =1+1"
    )
    assert Decision("sample", KEY, "flag", note=note).note == note


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-11-25T18:20:05Z", "2026-11-25T18:20:05Z"),
        ("2026-11-25 20:20:05.75+02:00", "2026-11-25T18:20:05Z"),
        ("20261125T182005", "2026-11-25T18:20:05Z"),
        ("2026-11-25", "2026-11-25T00:00:00Z"),
        ("", ""),
    ],
)
def test_times_are_kept_in_utc(written: str, kept: str) -> None:
    assert Decision("sample", KEY, "ok", decided_at=written).decided_at == kept


# -- what follows from several -----------------------------------------------------------------------------------------


def test_the_latest_row_of_a_curator_counts() -> None:
    rows = [by("Ann", "reject", 14), by("Ann", "ok", 13), by("Bob", "flag", 9), by("Bob", "none", 10)]
    assert current(rows) == {("sample", KEY): [by("Ann", "reject", 14)]}


def test_at_the_same_time_the_last_row_counts() -> None:
    assert current([by("Ann", "reject"), by("Ann", "none")]) == {}
    assert current([by("Ann", "none"), by("Ann", "reject")]) == {("sample", KEY): [by("Ann", "reject")]}


def test_conflicts_are_between_curators() -> None:
    rows = [by("Ann", "ok", 9), by("Ann", "reject", 10), by("Bob", "reject"), by("Ann", "ok", key=OTHER)]
    assert conflicts(rows) == []
    (found,) = conflicts([*rows, by("Cem", "flag")])
    assert (found.subject, found.subject_id) == ("sample", KEY)
    assert [(one.curator, one.decision) for one in found.decisions] == [
        ("Ann", "reject"),
        ("Bob", "reject"),
        ("Cem", "flag"),
    ]


def test_refusing_says_who_differs() -> None:
    with pytest.raises(ConfigError, match=rf"(?s)differ on 1 subject.*{KEY}: Ann: reject .*; Bob: ok"):
        settle([by("Ann", "reject"), by("Bob", "ok")], "refuse")
    keys = [f"v-{n:09d}-{n + 1:09d}" for n in range(30)]
    many = [by(name, said, key=key) for key in keys for name, said in (("a", "ok"), ("b", "flag"))]
    with pytest.raises(ConfigError, match=r"(?s)30 subjects.*and 10 more"):
        settle(many)


def test_policies() -> None:
    rows = [by("Ann", "reject", 9), by("Bob", "flag", 11), by("Cem", "ok", 10), by("Ann", "ok", key=OTHER)]
    assert settle(rows, "strictest") == [rows[0], rows[3]]
    assert settle(rows, "latest") == [rows[1], rows[3]]


@pytest.mark.parametrize("policy", ["strictest", "latest"])
def test_the_order_of_rows_does_not_matter(policy: str) -> None:
    rows = [by("Ann", "reject"), by("Bob", "ok"), by("Cem", "reject", note="x"), by("Bob", "flag", key=OTHER)]
    assert {tuple(settle(order, policy)) for order in itertools.permutations(rows)} == {tuple(settle(rows, policy))}


def test_merged_logs_say_what_their_rows_said() -> None:
    one = [by("Ann", "reject"), by("Ann", "ok"), by("Ann", "reject")]
    other = [by("Bob", "ok", 9), by("Ann", "reject"), Decision("sample", OTHER, "ok")]
    merged = merge_logs([one, other])
    assert current(merged) == current([*one, *other])
    assert merge_logs([merged, one]) == merged
    assert len(merged) == 4
    assert merged[0] == Decision("sample", OTHER, "ok"), "without a time: first"


# -- the file ----------------------------------------------------------------------------------------------------------


def test_it_lies_in_the_root_of_a_corpus() -> None:
    assert Layout("gs://b/corpus").decisions == "gs://b/corpus/decisions.csv"


def test_rows_come_back(log: str) -> None:
    rows = [FULL, BARE, Decision("video", 'a\r\nb,"c"', "flag"), Decision("video", "=HYPERLINK()", "none")]
    for row in rows:
        append_decision(log, row)
    assert read_decisions(log) == rows
    write_decisions(log, rows[:2])
    assert read_decisions(log) == rows[:2]


def test_on_an_object_store(log: str) -> None:
    path = f"memory://dec/{os.path.basename(log)}"
    storage.delete(path)
    append_decision(path, FULL)
    append_decision(path, BARE)
    assert read_decisions(path) == [FULL, BARE]


@given(
    st.lists(
        st.builds(
            Decision,
            st.just("video"),
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1).filter(str.strip),
            st.sampled_from(["reject", "flag", "ok", "none"]),
            st.sampled_from(["", "privacy"]),
            st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))),
            st.sampled_from(["", "Ann", 'B "b", c']),
            st.sampled_from(["", NOON]),
        ),
        max_size=5,
    )
)
@settings(derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_valid_comes_back(tmp_path: Path, rows: list[Decision]) -> None:
    for suffix in ("csv", "parquet"):
        if suffix == "parquet" and not rows:
            continue  # tests/end_to_end/test_empty_parts.py
        path = str(tmp_path / f"any.{suffix}")
        write_decisions(path, rows)
        assert read_decisions(path) == rows
        append_decision(path, FULL)
        assert read_decisions(path) == [*rows, FULL]


def test_a_file_of_another_tool(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(f"\ufeffdecision,who,subject,subject_id\r\nok,x,sample,{KEY}\r\n\r\nflag,,video,v".encode())
    assert read_decisions(str(path)) == [Decision("sample", KEY, "ok"), Decision("video", "v", "flag")]
    append_decision(str(path), Decision("video", "w", "ok"))
    assert path.read_bytes().endswith(b"flag,,video,v\r\nok,,video,w\r\n"), "its columns and line ends stay"
    append_decision(str(path), FULL)
    assert read_decisions(str(path))[-2:] == [Decision("video", "w", "ok"), FULL]
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["decision", "who", "subject", "subject_id", "label", "note", "curator", "decided_at"]
    assert rows[1][1] == "x", "a column that is not ours is kept where ours are added"


def test_a_parquet_file_of_another_tool(tmp_path: Path) -> None:
    path = str(tmp_path / "d.parquet")
    table = pa.table(
        {
            "extra": pa.array([7]),
            "subject": pa.array(["sample"]).dictionary_encode(),
            "subject_id": [KEY],
            "decision": ["ok"],
            "note": pa.array([None], pa.string()),
            "decided_at": pa.array([1_764_094_805_000_000_001], pa.timestamp("ns", "Europe/Paris")),
        }
    )
    pq.write_table(table, path)
    read = Decision("sample", KEY, "ok", decided_at=datetime.fromtimestamp(1_764_094_805, UTC).isoformat())
    assert read_decisions(path) == [read]
    append_decision(path, FULL)
    assert read_decisions(path) == [read, FULL]
    assert pq.read_table(path)["extra"].to_pylist() == [7, None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a;b\n", r"d.csv:1: no column subject, subject_id, decision"),
        (b"subject,subject_id,decision,note,note\n", "1: column note is given twice"),
        (b"subject,subject_id,decision\nsample,k\nsample,k,ok\n", r"d.csv:2: 2 fields, but 3 columns"),
        (b'subject,subject_id,decision\nvideo,"a\nb",ok\nvideo,v,maybe\nvideo,v,ok\n', r"d.csv:4: decision 'maybe'"),
        (b"subject,subject_id,decision\nvideo,\xff,ok\nvideo,v,ok\n", r"d.csv:2: not UTF-8"),
        (b'subject,subject_id,decision\nvideo,"v,ok\nvideo,w,ok\n', r"d.csv:3: not CSV: unexpected end"),
        # whatever else ran in this process may have raised csv.field_size_limit, which holds for all of it
        (
            b"subject,subject_id,decision,note\nvideo,v,ok," + b"x" * 200_000 + b"\n",
            r"d.csv:2: (not CSV: field larger|note 'x)",
        ),
        (b"subject,subject_id,decision,note\nvideo,v,ok,a\0b\n", r"d.csv:2: note "),
        (b"subject,subject_id,decision\nvideo,a\0b,ok\n", r"d.csv:2: subject_id "),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_of_it_is_lost(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_decisions(str(path))
    try:
        append_decision(str(path), BARE)
        assert path.read_bytes() == content + f"video,last-man,ok{',' * content.count(b',note')}\n".encode()
    except ConfigError as error:
        assert re.search(said, str(error))
        assert path.read_bytes() == content
    with pytest.raises(ConfigError, match=said):
        read_decisions(str(path))


def test_what_is_no_file_of_decisions(tmp_path: Path) -> None:
    (tmp_path / "d.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "folder.csv").mkdir()
    pq.write_table(
        pa.table({"subject": ["video"], "subject_id": [7], "decision": ["ok"]}), tmp_path / "numbers.parquet"
    )
    for name, said in (
        ("d.parquet", "not a Parquet file"),
        ("folder.csv", "a folder"),
        ("none.csv", "no such file"),
        ("d.txt", r"must end in \.csv or \.parquet"),
        ("numbers.parquet", "row 1: subject_id: must be text, not int"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_decisions(str(tmp_path / name))


def test_an_empty_file_holds_none(log: str) -> None:
    Path(log).write_bytes(b"")
    assert read_decisions(log) == []
    append_decision(log, FULL)
    assert read_decisions(log) == [FULL]


def test_a_row_after_one_that_a_crash_cut_off(tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    last = Decision("sample", OTHER, "reject", "privacy", 'a "face", \u00e9', "Zo\u00eb", NOON)
    write_decisions(str(whole), [FULL, last])
    data = whole.read_bytes()
    first = len(data) - len(data.splitlines(keepends=True)[-1])
    path = tmp_path / "cut.csv"
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        read, unfinished = read_log(str(path))
        if cut > first:
            assert read[0] == FULL
            assert (len(read) == 2) == (unfinished == 0), "what is not read is told"
            assert len(read) == 1 or (read[1].subject_id, read[1].decision) == (OTHER, "reject")
        append_decision(str(path), BARE)
        after = read_decisions(str(path))
        assert after == [*read, BARE]
        assert path.read_bytes().endswith(b"\n")


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.csv"
    append_decision(str(path), FULL)
    before, write = path.read_bytes(), os.write

    def full(descriptor: int, data: memoryview) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:-10])

    monkeypatch.setattr(amending.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        append_decision(str(path), BARE)
    assert path.read_bytes() == before


def _add(path: str, curator: str, rows: int) -> None:
    for number in range(rows):
        append_decision(path, Decision("sample", KEY, "flag", note=str(number), curator=curator))


def test_two_processes_lose_nothing(log: str) -> None:
    rows = 60 if log.endswith("csv") else 25
    curators = ["Ann", "Bob"]
    processes = [multiprocessing.Process(target=_add, args=(log, curator, rows)) for curator in curators]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = [(one.curator, one.note) for one in read_decisions(log)]
    assert sorted(found) == sorted((curator, str(number)) for curator in curators for number in range(rows))
    for curator in curators:
        assert [int(note) for name, note in found if name == curator] == list(range(rows)), "in their order"


def test_the_columns_are_those_that_are_documented() -> None:
    assert COLUMNS == ("subject", "subject_id", "decision", "label", "note", "curator", "decided_at", "basis", "change")


def test_rows_in_any_order_settle_alike(tmp_path: Path) -> None:
    path, rows = (
        str(tmp_path / "d.csv"),
        [by(name, said) for name, said in (("a", "ok"), ("b", "flag"), ("c", "reject"))],
    )
    shuffled = rows[:]
    random.Random(7).shuffle(shuffled)
    write_decisions(path, shuffled)
    assert settle(read_decisions(path), "strictest") == [rows[2]]


def test_steps_are_taken_back_one_by_one() -> None:
    about = ("sample", "k-000000000-000001000")

    def one(decision: str, label: str = "", curator: str = "Ann", at: int = 0) -> Decision:
        return Decision(*about, decision, label, "", curator, f"2026-11-25T18:00:{at:02d}Z")

    log = [one("reject", at=1), one("reject", "privacy", at=2), one("ok", curator="Bob", at=3), one("ok", at=4)]
    assert [s.verdict[:2] for s in steps(log, about, "Ann")] == [("reject", ""), ("reject", "privacy"), ("ok", "")]
    log.append(one("reject", "privacy", at=5))  # undone once
    assert [s.verdict[:2] for s in steps(log, about, "Ann")] == [("reject", ""), ("reject", "privacy")]
    log += [one("reject", at=6), one("none", at=7)]  # and twice more
    assert steps(log, about, "Ann") == [] and len(steps(log, about, "Bob")) == 1
    log += [one("ok", at=8), one("flag", at=9), one("none", at=10)]  # withdrawn by another tool: a step like others
    assert [s.decision for s in steps(log, about, "Ann")] == ["ok", "flag", "none"]
