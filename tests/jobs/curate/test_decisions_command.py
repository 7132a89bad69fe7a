"""`longtake decisions`: who decided what, where curators differ, and their files as one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from longtake.jobs.cli import app
from longtake.jobs.decision_files import rejects_of
from longtake.schemas.decisions import Decision, OnConflict, append_decision, read_decisions, write_decisions
from longtake.schemas.errors import ConfigError

KEY = "mammals-000000033-000051064"
ANN = [
    Decision("sample", KEY, "reject", "misaligned", "late by [red]3 s[/red]", "Ann", "2026-11-25T18:20:05Z"),
    Decision("video", "last-man", "flag", "", "", "Ann", "2026-11-25T18:21:00Z"),
    Decision("video", "polar", "ok", "", "", "Ann", "2026-11-25T18:22:00Z"),
    Decision("video", "polar", "none", "", "", "Ann", "2026-11-25T18:23:00Z"),
]
BOB = [
    Decision("sample", KEY, "ok", curator="B\u00f6b", decided_at="2026-11-26"),
    Decision("video", "x\x1b[2J\ny", "ok"),
]


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["decisions", *map(str, arguments)], obj=[], env={"COLUMNS": "160"})


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / "ann.csv"), str(tmp_path / "bob.parquet")]
    for path, rows in zip(paths, (ANN, BOB), strict=True):
        write_decisions(path, rows)
    return paths


def test_one_curator_agrees_with_herself(files: list[str]) -> None:
    result = run(files[0])
    assert result.exit_code == 0
    (row,) = [line for line in result.output.splitlines() if "Ann" in line]
    assert row.replace("\u2502", "").split() == ["Ann", "1", "1", "0", "1", "2026-11-25T18:23:00Z"]
    assert "In all: 1 sample reject, 1 video flag." in result.output
    assert "Conflicts" not in result.output


def test_conflicts_are_listed_with_who_said_what_and_when(files: list[str]) -> None:
    result = run(*files)
    assert result.exit_code == 1
    assert "Conflicts: 1" in result.output and "--on-conflict strictest or latest" in result.output
    lines = result.output.splitlines()
    ann = [line for line in lines if f"sample {KEY}" in line]
    assert len(ann) == 1 and "reject" in ann[0] and "misaligned: late by [red]3 s[/red]" in ann[0]
    assert any("B\u00f6b" in line and "ok" in line and "2026-11-26T00:00:00Z" in line for line in lines)


@pytest.mark.parametrize(
    ("policy", "said"), [("strictest", "1 sample reject, 1 video flag"), ("latest", "1 video flag, 1 sample ok")]
)
def test_a_policy_settles_them(files: list[str], policy: str, said: str) -> None:
    result = run(*files, "--on-conflict", policy)
    assert result.exit_code == 0
    assert f"In all (where they differ, the {policy} counts): {said}, 1 video ok." in result.output
    assert "Conflicts: 1" in result.output, "they are still told"


def test_ids_and_names_do_nothing_to_a_terminal(files: list[str], tmp_path: Path) -> None:
    hostile = str(tmp_path / "c.csv")
    write_decisions(hostile, [Decision("video", "x\x1b[2J\ny", "reject", curator="[bold]C")])
    result = run(files[1], hostile)
    assert "\x1b" not in result.output
    assert "x\\x1b[2J\\ny" in result.output and "[bold]C" in result.output


def test_json_has_all_of_it(files: list[str]) -> None:
    result = run(*files, "--json")
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert found["rows"] == 6 and found["settled"] is None
    assert found["curators"][1] == {
        "curator": "Ann", "reject": 1, "flag": 1, "ok": 0, "none": 1, "last": "2026-11-25T18:23:00Z",
    }  # fmt: skip
    (conflict,) = found["conflicts"]
    assert conflict["subject_id"] == KEY and [one["decision"] for one in conflict["decisions"]] == ["reject", "ok"]
    settled = json.loads(run(*files, "--json", "--on-conflict", "latest").output)["settled"]
    assert [(one["subject_id"], one["decision"]) for one in settled] == [
        (KEY, "ok"),
        ("last-man", "flag"),
        (BOB[1].subject_id, "ok"),
    ]


@pytest.mark.parametrize("name", ["both.csv", "both.parquet"])
def test_the_merged_log_holds_every_row_in_conflict_too(files: list[str], tmp_path: Path, name: str) -> None:
    both = str(tmp_path / name)
    assert run(*files, "--output", both).exit_code == 1
    rows = read_decisions(both)
    assert sorted(map(repr, rows)) == sorted(map(repr, [*ANN, *BOB]))
    assert [row.decided_at for row in rows] == sorted(row.decided_at for row in rows)
    result = run(*files, "--output", both)
    assert isinstance(result.exception, ConfigError) and "already exists" in str(result.exception)
    assert read_decisions(both) == rows


def test_a_file_takes_in_the_others(files: list[str]) -> None:
    assert run(*files, "--output", files[0]).exit_code == 1
    rows = read_decisions(files[0])
    assert len(rows) == 6
    run(*files, "--output", files[0])
    assert read_decisions(files[0]) == rows, "and only once"
    append_decision(files[0], ANN[0])
    assert len(read_decisions(files[0])) == 7


def test_an_unfinished_last_line_is_told(files: list[str]) -> None:
    size = os.path.getsize(files[0])
    with open(files[0], "rb+") as stream:
        stream.truncate(size - 30)
    result = run(files[0])
    assert result.exit_code == 0 and "its last line is not finished" in result.stderr
    assert "2026-11-25T18:22:00Z" in result.output


def test_what_cannot_be_read_is_an_error(tmp_path: Path, files: list[str]) -> None:
    result = run(files[0], tmp_path / "none.csv")
    assert isinstance(result.exception, ConfigError) and "none.csv: no such file" in str(result.exception)
    (tmp_path / "bad.csv").write_text("subject,subject_id,decision\nvideo,v,perhaps\n")
    result = run(tmp_path / "bad.csv", "--output", tmp_path / "out.csv")
    assert "bad.csv:2: decision 'perhaps'" in str(result.exception)
    assert not (tmp_path / "out.csv").exists()


def test_rejects_for_the_commands_that_apply_them(files: list[str]) -> None:
    assert rejects_of(None, OnConflict.REFUSE) is None and rejects_of([], OnConflict.REFUSE) is None
    assert list(rejects_of(files[:1], OnConflict.REFUSE).samples) == [KEY]  # type: ignore[union-attr]
    found = rejects_of(files, OnConflict.LATEST)
    assert found is not None and len(found) == 0
    with pytest.raises(ConfigError, match="differ on 1 subject"):
        rejects_of(files, OnConflict.REFUSE)
