"""`longtake audit` on small corpora: what it finds, what it writes, and what it refuses."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import browsing
import corpora
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from html_tree import Element, parse
from sources import ONE_THREAD
from typer.testing import CliRunner, Result

from longtake.jobs.cli import app
from longtake.pipeline.audit.checks import content
from longtake.pipeline.audit.database import Database
from longtake.schemas import storage
from longtake.schemas.decisions import Decision, write_decisions
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.keys import hash64
from longtake.schemas.layout import Layout
from longtake.schemas.policy import CHECKS
from longtake.schemas.records import LongClip
from longtake.schemas.tables import LEDGER

QUICK = ("--verify", "none", "--frames", "0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile corpus of the tests of browse, with other words in each long clip."""
    changed = browsing._changed

    def own_words(clip: LongClip) -> LongClip:
        clip = changed(clip)
        words = [
            f"{hash64(f'{clip.key} {n}'):x}".translate(str.maketrans("0123456789", "ghijklmnop")) for n in range(3)
        ]
        sentences = tuple(replace(s, text=f"{s.text} {word}") for s, word in zip(clip.sentences, words, strict=True))
        return replace(clip, sentences=sentences)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(browsing, "_changed", own_words)
        return Path(browsing.build(tmp_path_factory.mktemp("audit") / "corpus").root)


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "corpus"))


def audit(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], obj=list(ONE_THREAD))


def found(corpus: Path) -> dict[str, Any]:
    whole = json.loads((corpus / "audit" / "audit.json").read_text())
    return {check["name"]: check for check in whole["checks"]} | {"whole": whole}


def test_a_sound_corpus(corpus: Path) -> None:
    (corpus / "queues.csv").write_text("no queues")
    assert "queues.csv:1: not a file of queues" in str(audit(corpus).exception)
    assert not (corpus / "audit" / "frames").exists()  # told before any work
    (corpus / "queues.csv").unlink()
    result = audit(corpus)
    assert result.exit_code == 0, result.output
    checks = found(corpus)
    assert checks.keys() - {"whole"} <= set(CHECKS)  # what a policy may require
    assert checks["integrity"]["status"] == checks["accounting"]["status"] == checks["frames_read"]["status"] == "pass"
    assert checks["licences"]["status"] == "warn" and checks["licences"]["found"] == "1 sample has no licence."
    frames = pq.read_table(corpus / "audit" / "frames").to_pylist()
    assert len(frames) == checks["whole"]["numbers"]["samples"] == 11
    assert all(row["fault"] is None and 0 < row["brightness"] < 255 and row["motion"] > 0 for row in frames)
    assert (corpus / "croissant.json").exists() and "licence" in (corpus / "README.md").read_text()


def test_what_strangers_wrote_is_text(corpus: Path) -> None:
    assert audit(corpus, *QUICK).exit_code == 0
    page = parse((corpus / "audit" / "report.html").read_text())
    assert {script.attributes.get("type", "ours") for script in page.all("script")} <= {"ours", "application/json"}
    assert not any("alert" in image.attributes["src"] or "onerror" in image.attributes for image in page.all("img"))
    assert all(a.attributes["href"].startswith(("#", "https://")) for a in page.all("a"))
    assert any(browsing.SCRIPT in div.text for div in page.one("section", id="kept").all("div", "p"))


def test_a_damaged_shard_fails_it(corpus: Path) -> None:
    shard = corpus / "shards" / "train-000000.tar"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(bytes(data))
    assert audit(corpus).exit_code == 1
    checks = found(corpus)
    assert checks["integrity"]["status"] == "fail" and checks["whole"]["verdict"] == "fail"
    assert checks["frames_read"]["status"] == "fail" and "1 could not be read" in checks["frames_read"]["found"]


def rewrite(path: Path, **columns: Any) -> None:
    """Write an index again with other values: `columns` are functions of a row."""
    table = pq.read_table(path)
    rows = [row | {name: change(row) for name, change in columns.items()} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def test_leaks_and_repeats_fail_it(corpus: Path) -> None:
    same = pq.read_table(corpus / "index" / "train-000000.parquet").to_pylist()[0]
    repeated = {name: (lambda row, name=name: same[name]) for name in ("paragraph", "sentences", "n_sentences")}
    rewrite(corpus / "index" / "val-000000.parquet", **repeated, video_id=lambda row: same["video_id"])
    assert audit(corpus, *QUICK).exit_code == 1
    checks = found(corpus)
    assert checks["split_videos"]["found"] == "1 video is in several splits."
    assert checks["split_texts"]["status"] == checks["split_videos"]["status"] == "fail"
    assert checks["exact_duplicates"]["found"].startswith("2 long clips repeat")
    assert checks["accounting"]["status"] == checks["plan_lost"]["status"] or checks["accounting"]["status"] == "fail"


def test_personal_data_is_found(corpus: Path) -> None:
    said = "write to jane.doe@example.org or call +1 (212) 555-0123 today"
    rewrite(corpus / "index" / "val-000000.parquet", paragraph=lambda row: f"{row['key']} {said}".partition(" ")[2])
    audit(corpus, *QUICK)
    assert found(corpus)["personal_data"]["found"].startswith("2 samples seem to hold some.")


def test_evaluation_sets(corpus: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("alpha\nnobody\n")
    assert audit(corpus, *QUICK, "--evaluation", f"bench={ids}").exit_code == 1
    assert found(corpus)["contamination"]["found"] == "2 samples meet bench."
    ids.write_text("nobody\n")
    assert audit(corpus, *QUICK, "--evaluation", f"bench={ids}").exit_code == 0
    assert found(corpus)["contamination"]["status"] == "pass"


def test_sample_review_and_acceptance(corpus: Path) -> None:
    assert audit(corpus, *QUICK, "--sample", "6", "--seed", "7").exit_code == 0
    drawn = (corpus / "audit" / "sample.csv").read_text()
    keys = [line.split(",")[0] for line in drawn.splitlines()[1:]]
    assert len(keys) == 6
    at = "2026-11-25T10:00:00Z"
    marks = [Decision("sample", key, "ok", "", "", "Ann", at) for key in keys[1:]]
    marks.append(Decision("sample", keys[0], "reject", "misaligned", "speaks before the picture", "Ann", at))
    write_decisions(str(corpus / "decisions.csv"), marks)
    assert audit(corpus, *QUICK, "--accept", "0.02").exit_code == 1  # one of six is far above
    whole = found(corpus)["whole"]
    assert whole["estimates"][0]["reviewed"] == 6 and whole["estimates"][0]["low"] > 0.02
    assert any(e["label"] == "misaligned" and "at 95" in e["text"] for e in whole["estimates"])
    assert found(corpus)["acceptance"]["status"] == "fail"
    assert "1 reject, 1 not applied yet" in found(corpus)["decisions"]["found"]
    page = parse((corpus / "audit" / "report.html").read_text())
    assert ["Ann", "1", "0", "5", at, at] in page.table("By curator")
    again = audit(corpus, *QUICK, "--sample", "6", "--seed", "7")
    assert again.exit_code == 0 and (corpus / "audit" / "sample.csv").read_text() == drawn


def test_compare(corpus: Path, tmp_path: Path) -> None:
    other = Path(corpora.build(tmp_path / "other").root)
    assert audit(corpus, *QUICK, "--compare", other).exit_code == 0
    page = parse((corpus / "audit" / "compare.html").read_text())
    rows = page.one("section", id="numbers").one("tbody").all("tr")
    cells = [[cell.text for cell in row.children if isinstance(cell, Element)] for row in rows]
    numbers = {row[0]: row[1:3] for row in cells}
    assert numbers["long clips"] == ["11", "9"] and numbers["videos"] == ["6", "5"]
    assert not (other / "audit").exists()


def test_output_leaves_the_corpus_alone(corpus: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in corpus.rglob("*") if path.is_file()}
    assert audit(corpus, "--output", tmp_path / "elsewhere").exit_code == 0
    assert before == {path: path.read_bytes() for path in corpus.rglob("*") if path.is_file()}
    page = parse((tmp_path / "elsewhere" / "report.html").read_text())
    assert any(f"'{tmp_path}/elsewhere/frames/*.parquet'" in code.raw for code in page.all("code"))


def test_a_corpus_on_another_storage(made: Path) -> None:
    root = "memory://audit-test/corpus"
    for path in made.rglob("*"):
        if path.is_file():
            storage.write_bytes(f"{root}/{path.relative_to(made)}", path.read_bytes())
    assert audit(root, "--frames", "4", "--verify", "none").exit_code == 0
    assert b"Where everything went" in storage.read_bytes(f"{root}/audit/report.html")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frames", "few"], "--frames few"),
        (["--evaluation", "bench"], "--evaluation bench"),
        (["--sample", "3", "--strata", "nonsense"], "nonsense"),
        (["--sample", "3", "--output", "elsewhere"], "--output"),
        (["--decisions", "nowhere.csv"], "nowhere.csv"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_options_stop_it_before_it_works(corpus: Path, arguments: list[str], said: str) -> None:
    result = audit(corpus, *arguments)
    assert isinstance(result.exception, ConfigError) and said in str(result.exception)
    assert not (corpus / "audit").exists()


def test_an_unfinished_corpus(tmp_path: Path) -> None:
    assert isinstance(audit(tmp_path).exception, CorpusError)


def test_a_corpus_from_which_nothing_was_left_out_has_no_ledger(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(corpus / "ledger")
    database = Database(Layout(str(corpus)))
    number = database.number("n", "n", "SELECT count(*) AS value FROM 'ledger/*.parquet' WHERE subject = 'clip'")
    assert number.value == 0
    monkeypatch.chdir(corpus)
    assert duckdb.execute(number.sql).fetchall() == [(0,)], "as it is printed"
    database.close()
    assert audit(corpus, *QUICK).exit_code == 1  # this one had left something out
    assert found(corpus)["accounting"]["status"] == "fail"


@pytest.mark.parametrize(
    ("texts", "allowed", "status", "said"),
    [
        (["CC BY 4.0", "CC0"], "", "pass", "restricts"),
        (["CC BY 4.0", "CC BY-NC-SA 3.0"], "", "warn", "non-commercial (NC)"),
        (["CC BY-NC-ND 2.5"], "", "warn", "non-commercial (NC) and no derivatives (ND)"),
        (["Standard YouTube License"], "", "warn", "not known here"),
        (["creativeCommon"], "", "warn", "not stated which"),
        (["CC BY 4.0", "cc-by-4.0"], "cc-by-4.0,cc0-1.0", "pass", "on it"),
        (["CC BY 4.0", "CC BY-SA 4.0"], "cc-by-4.0", "fail", "not on the list"),
        (["CC BY-NC 2.5", "CC BY 1.0"], "CC BY 1.0", "fail", "not on the list"),  # the hub calls both "cc"
        (["CC BY 4.0", ""], "cc-by-4.0", "fail", "not on the list"),
        (["Ours, by contract"], "ours, by contract", "fail", "not on the list"),  # two names
    ],
)
def test_licences_are_judged(corpus: Path, texts: list[str], allowed: str, status: str, said: str) -> None:
    for path in sorted((corpus / "index").iterdir()):
        rewrite(path, license=lambda row: texts[hash64(row["key"]) % len(texts)])
    names = tuple(name.strip() for name in allowed.split(",") if name)
    database = Database(Layout(str(corpus)))
    check = next(c for c in content.licences(database, names) if c.name == "licence_terms")
    database.close()
    assert (check.status, said in check.found) == (status, True), check.found
    assert bool(check.examples) == (status != "pass")


def test_a_reason_that_took_much_is_told(corpus: Path) -> None:
    assert audit(corpus, *QUICK).exit_code == 0
    check = found(corpus)["left_out"]
    assert check["status"] == "pass"
    edit = Counter(row["reason"] for row in pq.read_table(corpus / "ledger" / "part-build-00000.parquet").to_pylist())
    assert edit["unreadable"]
    manifest = json.loads((corpus / "corpus.json").read_text())
    rows = pq.read_table(corpus / "ledger" / "part-plan-00000.parquet").to_pylist()
    lost = next(row for row in rows if row["subject"] == "sentence")
    rows += [{**lost, "subject_id": f"more{n}", "reason": "run_too_short"} for n in range(100)]
    pq.write_table(pa.Table.from_pylist(rows, LEDGER), corpus / "ledger" / "part-plan-00000.parquet")
    manifest["counts"]["sentences"]["in"] += 100
    manifest["counts"]["sentences"]["dropped"] += 100
    (corpus / "corpus.json").write_text(json.dumps(manifest))
    printed = " ".join(audit(corpus, *QUICK).output.split())
    total = manifest["counts"]["sentences"]["in"]
    assert found(corpus)["left_out"]["status"] == "warn"
    assert f"run_too_short (stage merge) took 101 of {total} sentences" in found(corpus)["left_out"]["found"]
    assert f"33 of {total} sentences" in printed and "All long clips that could be made" not in printed


def test_credentials_in_addresses_are_struck_out(corpus: Path) -> None:
    url = "https://ann:hunter2@host.example/a?x=1&X-Amz-Signature=c0ffee"
    for path in sorted((corpus / "index").iterdir()):
        rewrite(path, url=lambda row: url, license=lambda row: "")
    assert audit(corpus, *QUICK).exit_code == 0
    texts = [
        path.read_text() for path in (corpus / "audit" / "report.html", corpus / "README.md", corpus / "croissant.json")
    ]
    assert "https://***@host.example/a?x=1&amp;X-Amz-Signature=***" in texts[0]
    assert not any(secret in text for text in texts for secret in ("hunter2", "c0ffee"))
    key = pq.read_table(next((corpus / "index").iterdir()))["key"][0].as_py()
    shown = CliRunner().invoke(app, ["show", str(corpus), key, "-o", str(corpus / "a.png")]).output
    assert "***@host.example" in shown and "hunter2" not in shown and "c0ffee" not in shown
