"""`longtake queues` and `longtake curators`: what they print, write and refuse."""

import json
import shutil
from pathlib import Path

import browsing
import corpora
import pytest
from browsing import ALPHA, ALPHA_2
from typer.testing import CliRunner, Result

from longtake.jobs.cli import app
from longtake.pipeline.audit.queues import read_queues
from longtake.schemas.curators import find_curator, read_curators, session_of
from longtake.schemas.decisions import Decision, write_decisions
from longtake.schemas.errors import ConfigError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(browsing.build(tmp_path_factory.mktemp("team") / "corpus").root)


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "corpus"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), obj=[])


def test_samples_are_dealt_out_and_counted(corpus: Path) -> None:
    assert "No queue" in run("queues", corpus).output
    done = run("queues", corpus, "--to", "Ann", "--to", "Bob", "--size", "8", "--double", "0.25", "--by", "split")
    assert done.exit_code == 0, done.output
    rows = read_queues(str(corpus / "queues.csv")).rows
    assert len(rows) == 10 and len({one.key for one in rows}) == 8
    assert {one.stratum for one in rows} == {"split train", "split val"}
    ann = next(one for one in rows if one.curator == "Ann")
    write_decisions(str(corpus / "decisions.csv"), [Decision("sample", ann.key, "ok", curator="Ann")])
    told = json.loads(run("queues", corpus, "--json").stdout)["queues"]
    assert [(one["curator"], one["decided"], one["twice"]) for one in told] == [("Ann", 1, 2), ("Bob", 0, 2)]
    assert run("queues", corpus, "--to", "Eve", "--size", "3", "--name", "more").exit_code == 0
    assert len(read_queues(str(corpus / "queues.csv")).rows) == 13


def test_the_reason_that_the_ledger_notes_is_a_stratum(corpus: Path) -> None:
    part = min((corpus / "ledger").iterdir())

    def note(rows: list[dict[str, object]]) -> None:
        for subject_id in (ALPHA, "delta"):  # of a sample, of a video
            row = {"video_id": "alpha", "subject": "note", "subject_id": subject_id, "stage": "decode"}
            rows.append(row | {"reason": "times_repaired", "detail": ""})

    corpora.edit_table(part, note)
    assert run("queues", corpus, "--to", "Ann", "--size", "11", "--by", "reason").exit_code == 0
    rows = read_queues(str(corpus / "queues.csv")).rows
    noted = {one.key for one in rows if one.stratum == "reason times_repaired"}
    assert noted == {ALPHA, "delta-000001000-000021502", "delta-000090500-000111002"}
    assert len(rows) == 11


def test_the_least_agreed_are_for_those_who_have_not_judged_them(corpus: Path) -> None:
    refused = run("queues", corpus, "--to", "Eve", "--by", "least-agreed")
    assert isinstance(refused.exception, ConfigError) and "nothing to deal out" in str(refused.exception)
    verdicts = (("Ann", ALPHA, "ok"), ("Bob", ALPHA, "ok"), ("Ann", ALPHA_2, "ok"), ("Bob", ALPHA_2, "reject"))
    gone = ("Ann", "gone-000001000-000021502", "ok")
    rows = [Decision("sample", key, decision, curator=name) for name, key, decision in (*verdicts, gone)]
    write_decisions(str(corpus / "decisions.csv"), rows)
    assert run("queues", corpus, "--to", "Eve", "--by", "least-agreed").exit_code == 0
    dealt = read_queues(str(corpus / "queues.csv")).rows
    assert [(one.key, one.stratum) for one in dealt] == [(ALPHA_2, "50% agree"), (ALPHA, "100% agree")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "Ann", "--by", "nope"), "no column 'nope'"),
        (("--to", "Ann", "--double", "0.1"), "two curators"),
        (("--to", "Ann", "--name", "conflicts"), "not conflicts"),
        (("--size", "3"), "name curators with --to"),
    ],
)
def test_what_cannot_be_dealt_out(corpus: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = run("queues", corpus, *arguments)
    assert isinstance(refused.exception, ConfigError) and said in str(refused.exception)
    assert not (corpus / "queues.csv").exists()


def test_a_token_is_printed_once_and_revoked(corpus: Path) -> None:
    path = corpus / "curators.json"
    assert "no curator has a token yet" in run("curators", corpus).output
    token = run("curators", corpus, "--add", "Ann", "--adjudicates").output.splitlines()[1]
    found = find_curator(read_curators(str(path)), session_of(token))
    assert found is not None and (found.name, found.adjudicates) == ("Ann", True)
    listed = run("curators", corpus).output
    assert "Ann" in listed and "yes" in listed and token not in listed
    assert run("curators", corpus, "--revoke", "Ann").exit_code == 0
    assert find_curator(read_curators(str(path)), session_of(token)) is None
    for wrong in (("--revoke", "Ann"), ("--adjudicates",), ("--add", " ")):
        assert isinstance(run("curators", corpus, *wrong).exception, ConfigError)
