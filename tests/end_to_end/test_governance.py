"""A corpus that somebody answers for: policy, sign-off, data sheet, removal requests, and a search for a subject."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow.parquet as pq
import pytest
from sources import LAST_MAN, ONE_THREAD, SourceSet, Video, build, ledger, manifest, rows_of, source_set, spoken
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.jobs.versions import takedown as takedown_module
from longtake.pipeline.publish.attestation import SIGNATURE
from longtake.pipeline.publish.public_files import public_files
from longtake.pipeline.verify import verify
from longtake.schemas.decisions import Decision, write_decisions
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest
from longtake.schemas.removals import Removal, append_removal, read_removals

SAME = spoken(4, says="these words are said twice, in sentence")
VIDEOS = [
    Video("one", SAME, LAST_MAN),
    Video("two", SAME, LAST_MAN),
    Video("jane", spoken(8, says="Señora Jané  Doe speaks"), LAST_MAN),
    Video("other", spoken(4, says="nobody"), LAST_MAN),
]
SETTINGS = {"frames": {"short_side": 16, "per_sentence": 1}, "duplicates": {"paragraphs": "flag"}, "max_failed": 0.9}
POLICY = "name: house-2026\nthresholds:\n  sentences: {min: 4}\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("governed"), VIDEOS, **SETTINGS)
    build(sources, workers=1)
    return sources


@pytest.fixture
def corpus(built: SourceSet, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built.output, tmp_path / "corpus"))


def run(*arguments: str | Path, code: int = 0, input: str | None = None) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)], obj=list(ONE_THREAD), input=input, env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def policy(folder: Path, text: str = POLICY) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


def audited(corpus: Path, *more: str | Path) -> dict[str, Any]:
    CliRunner().invoke(
        app, ["audit", str(corpus), "--verify", "none", "--frames", "0", *map(str, more)], obj=list(ONE_THREAD)
    )
    found: dict[str, Any] = json.loads((corpus / "audit" / "audit.json").read_text())
    return found


def keys(corpus: Path) -> set[str]:
    return {row["key"] for row in rows_of(corpus, "index")}


# -- a policy makes a version --------------------------------------------------------------------------------------------


def test_curate_keeps_what_the_policy_allows_and_says_why(corpus: Path, tmp_path: Path) -> None:
    rules = policy(tmp_path, "name: house-2026\nthresholds:\n  words: {min: 30}\n")
    verdict = audited(corpus, "--policy", rules)["policy"]
    before = {row["key"]: row["n_words"] for row in rows_of(corpus, "index")}
    wanted = {key for key, words in before.items() if words >= 30}
    assert not verdict["passed"] and 0 < verdict["kept_samples"] == len(wanted) < verdict["samples"] == len(before)
    assert "Nothing was changed" in run("curate", corpus, "--policy", rules, "--dry-run")
    assert keys(corpus) == before.keys()
    printed = run("curate", corpus, "--policy", rules)
    assert keys(corpus) == wanted
    rejected = [row for row in ledger(corpus) if row["reason"] == "rejected" and row["subject"] == "clip"]
    assert {row["subject_id"] for row in rejected} == before.keys() - wanted
    title = f"policy house-2026 ({verdict['sha256'][:12]})"
    for row in rejected:
        assert row["detail"] == f"{title}: thresholds.words.min at least 30: {before[row['subject_id']]}"
    [entry] = manifest(corpus)["history"]
    assert entry["rules"] == {"thresholds.words.min": len(rejected)} and entry["command"] == "curate"
    assert "dropped by policy house-2026" in " ".join(printed.split()) and not verify(str(corpus), workers=1).faults
    assert not (corpus / "audit").exists()  # nothing stays of what was dropped
    assert audited(corpus, "--policy", rules)["policy"]["passed"]
    assert "nothing to do" in run("curate", corpus, "--policy", rules)


def test_what_a_policy_cannot_choose_changes_nothing(corpus: Path, tmp_path: Path) -> None:
    before = (corpus / "corpus.json").read_bytes()
    for text, said in (
        ("name: x\nthresholds:\n  relevance: {min: 0.2}\n", "missing: drop or keep"),
        ("name: x\nthresholds:\n  words: {min: 100000}\n", "would keep none of its"),
    ):
        with pytest.raises(CorpusError, match=said):
            run("curate", corpus, "--policy", policy(tmp_path, text))
    with pytest.raises(ConfigError, match="no column 'nope'"):
        run("curate", corpus, "--policy", policy(tmp_path, "name: x\nquotas:\n  - {by: nope, samples: 1}\n"))
    assert (corpus / "corpus.json").read_bytes() == before


# -- the sign-off ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key of OpenSSH, and the list of signers that names Ann for it."""
    folder, program = tmp_path_factory.mktemp("key"), shutil.which("ssh-keygen")
    if program is None:
        pytest.skip("ssh-keygen is not installed")
    subprocess.run([program, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    (folder / "signers").write_text(f"ann@example.org {(folder / 'key.pub').read_text()}")
    return folder


@pytest.fixture(scope="module")
def signed_once(built: SourceSet, keyed: Path) -> Path:
    """A corpus whose samples were all reviewed, which passes a policy, and which Ann signed."""
    made = Path(shutil.copytree(built.output, keyed / "signed"))
    rules = policy(keyed, POLICY + "review: {samples: 2, accept: 0.5}\n")
    audited(made, "--sample", "9")
    rows = (made / "audit" / "sample.csv").read_text().splitlines()[1:]
    verdicts = [Decision("sample", row.partition(",")[0], "ok", curator="Ann") for row in rows]
    write_decisions(str(made / "decisions.csv"), verdicts)
    assert audited(made, "--policy", rules)["policy"]["passed"]
    run("attest", made, "--who", "ann@example.org", "--key", keyed / "key", "--note", "for <b>release</b> 1")
    return made


@pytest.fixture
def signed(signed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed_once, tmp_path / "signed"))


def test_a_sign_off_is_in_the_card_and_verifies(signed: Path, keyed: Path) -> None:
    corpus, signers = signed, keyed / "signers"
    told = run("attest", corpus, "--verify", "--signers", signers)
    assert 'Good "longtake-attestation" signature for ann@example.org' in told
    statement = json.loads((corpus / "attestation.json").read_text())
    audit = json.loads((corpus / "audit" / "audit.json").read_text())
    assert statement["policy"]["sha256"] == audit["policy"]["sha256"]
    assert statement["corpus"]["fingerprint"] == manifest(corpus)["fingerprint"]
    assert statement["review"]["text"] == audit["estimates"][0]["text"] and statement["review"]["reviewed"] == len(
        keys(corpus)
    )
    card = (corpus / "README.md").read_text()
    assert "ann\\@example.org signed this version off" in card and "<b>" not in card
    files = {file.path for file in public_files(Layout(str(corpus)), finished_manifest(Layout(str(corpus))))}
    assert {"attestation.json", SIGNATURE} <= files
    audited(corpus)  # writes the card again
    assert "signed this version off" in (corpus / "README.md").read_text()


@pytest.mark.parametrize("fault", ["statement", "corpus", "signer", "signature", "shape"])
def test_a_forged_sign_off_is_refused(signed: Path, keyed: Path, tmp_path: Path, fault: str) -> None:
    corpus, statement = signed, signed / "attestation.json"
    signers = Path(shutil.copy(keyed / "signers", tmp_path / "signers"))
    said = "is not good"
    if fault == "statement":
        statement.write_text(statement.read_text().replace("house-2026", "house-2027"))
    elif fault == "corpus":
        path = corpus / "corpus.json"
        path.write_text(path.read_text() + "\n")
        said = "this corpus.json is another"
    elif fault == "signer":
        signers.write_text(signers.read_text().replace("ann@", "bob@"))
    elif fault == "shape":
        statement.write_text(json.dumps(json.loads(statement.read_text()) | {"audit": {"checks": 7}}))
        said = "not an attestation that this version"
    else:
        (corpus / SIGNATURE).write_text("nothing\n")
    with pytest.raises(CorpusError, match=said):
        run("attest", corpus, "--verify", "--signers", signers)


def test_a_new_version_is_not_signed_off_and_keeps_its_answers(signed: Path, keyed: Path) -> None:
    (signed / "datasheet.yaml").write_text("biases: Mostly English.\n")
    run("takedown", signed, "--videos", "-", input="other\n")
    card, layout = (signed / "README.md").read_text(), Layout(str(signed))
    assert "Nobody has signed this version off" in card and "Mostly English." in card
    assert "attestation.json" not in {file.path for file in public_files(layout, finished_manifest(layout))}
    with pytest.raises(CorpusError, match="this version was not audited"):
        run("attest", signed, "--who", "ann@example.org", "--key", keyed / "key")


def test_what_cannot_be_signed(signed: Path, keyed: Path, tmp_path: Path) -> None:
    key, path = keyed / "key", signed / "audit" / "audit.json"
    (signed / "attestation.json").unlink()
    audit = json.loads(path.read_text())
    line = {"rule": "thresholds.words.min", "passed": False}
    for change, said in (
        ({"policy": None}, "had no policy"),
        ({"policy": audit["policy"] | {"passed": False, "lines": [line]}}, "nothing was signed: thresholds.words.min"),
        ({"corpus_sha256": "of another version"}, "was not audited"),
        ({"checks": None}, "a part is missing"),
    ):
        path.write_text(json.dumps(audit | change))
        with pytest.raises(CorpusError, match=said):
            run("attest", signed, "--who", "ann@example.org", "--key", key)
    path.write_text(json.dumps(audit))
    for arguments, said in (
        (("--who", "-oops", "--key", key), "--who"),
        (("--who", "ann@example.org", "--key", tmp_path / "none"), "no such file"),
        (("--who", "ann@example.org", "--key", keyed / "signers"), "did not sign"),
        (("--verify",), "needs --signers"),
        ((), "give --who"),
    ):
        with pytest.raises(ConfigError, match=said):
            run("attest", signed, *arguments)
    assert not (signed / "attestation.json").exists()


# -- the data sheet --------------------------------------------------------------------------------------------------------


def test_answers_are_in_the_card_and_in_croissant_and_stay(corpus: Path) -> None:
    told = run("card", corpus, "--edit")  # no terminal: makes the file
    assert "12 questions unanswered" in told
    path = corpus / "datasheet.yaml"
    text = path.read_text()
    assert "12 questions unanswered" in run("card", corpus)
    answers = {
        "purpose": "To <script>learn</script> long clips.", "biases": "Mostly English.", "uses_to_avoid": "No surveillance.",
        "social_impact": "Unknown.", "people": "Teachers.",
    }  # fmt: skip
    for name, answer in answers.items():
        text = text.replace(f'{name}: ""', f"{name}: {answer}")
    path.write_text(text.replace("collected: []", "collected: [2024-01-01, 2026-10-31]"))
    unanswered = json.loads(run("card", corpus, "--json"))["unanswered"]
    assert len(unanswered) == 6 and not set(answers) & set(unanswered)
    card = (corpus / "README.md").read_text()
    assert "Mostly English." in card and "<script>" not in card and "- Funding: Who made it" in card
    found = json.loads((corpus / "croissant.json").read_text())
    assert found["rai:dataBiases"] == ["Mostly English."] and found["rai:dataSocialImpact"] == "Unknown."
    assert found["rai:dataLimitations"] == ["No surveillance."]
    assert found["rai:dataCollectionTimeFrame"] == ["2024-01-01", "2026-10-31"]
    assert len(found["rai:personalSensitiveInformation"]) == 2
    metadata = mlcroissant.Dataset(jsonld=str(corpus / "croissant.json")).metadata
    assert not metadata.ctx.issues.errors
    assert metadata.data_biases == ["Mostly English."] and len(metadata.data_collection_timeframe) == 2


def test_a_wrong_answer_is_told_before_any_work(corpus: Path) -> None:
    (corpus / "datasheet.yaml").write_text("purpose: x\ncollected: [2026-10-31, 2024-01-01]\n")
    before = (corpus / "corpus.json").read_bytes()
    for arguments in (("card",), ("takedown", "--videos", "-")):
        with pytest.raises(ConfigError, match=r"datasheet.yaml:2: collected: give the first and the last day"):
            run(arguments[0], corpus, *arguments[1:], input="other\n")
    assert (corpus / "corpus.json").read_bytes() == before


# -- removals and the search for a subject -----------------------------------------------------------------------------------


def test_a_subject_is_found_without_case_accents_and_spaces(corpus: Path) -> None:
    told = json.loads(run("search", "senora jane doe", corpus, "--json"))
    [found] = told["corpora"]
    assert {(one["table"], one["field"], one["video_id"]) for one in found["findings"]} == {("index", "text", "jane")}
    assert "senora jane doe speaks" in found["findings"][0]["excerpt"]
    run("search", "ora Jane", corpus, code=1)
    assert "jane" in run("search", "ora Jane", corpus, "--in-words")
    assert run("search", "JANE", corpus, "--videos").split() == ["jane"]
    assert "nothing" in run("search", "John Doe", corpus, code=1)
    with pytest.raises(ConfigError, match="to search for"):
        run("search", "  ", corpus)


def test_a_request_is_recorded_and_proved(corpus: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(corpus, tmp_path / "version-1"))
    hashes = {row["key"]: row["sha256"] for row in rows_of(corpus, "index") if row["video_id"] == "jane"}
    held = {f"{row['shard']}.tar" for row in rows_of(corpus, "index") if row["video_id"] == "jane"}
    shards = {shard["name"]: shard["sha256"] for shard in manifest(corpus)["shards"] if shard["name"] in held}
    ids = run("search", "jane doe", corpus, "--videos")
    run(
        "takedown",
        corpus,
        "--videos",
        "-",
        "--request",
        "2031",
        "--received",
        "2026-11-20",
        "--note",
        "by law",
        input=ids,
    )
    [record] = read_removals(Layout(str(corpus)))
    assert record.samples == hashes and record.videos == ("jane",) and record.note == "by law"
    assert (record.before["version"], record.after["version"]) == (1, 2)
    assert record.after["corpus_json_sha256"] != record.before["corpus_json_sha256"]
    assert record.shards_gone == shards
    assert "gone" in run("removals", corpus)
    told = run("removals", corpus, old, code=1)
    assert all(f"2031: still in {old}: sample {key}" in told for key in hashes)
    renamed = Path(shutil.copytree(corpus, tmp_path / "renamed"))
    part = min((renamed / "index").glob("*.parquet"))
    table = pq.read_table(part)
    at = table.schema.get_field_index("sha256")
    pq.write_table(table.set_column(at, "sha256", [list(hashes.values())[:1] * table.num_rows]), part)
    assert "which has the same files" in run("removals", corpus, renamed, code=1)
    run("search", "jane doe", corpus, code=1)
    assert "speaks" not in (corpus / "removals.jsonl").read_text()


def test_copies_that_stay_are_no_proof(corpus: Path) -> None:
    run("takedown", corpus, "--videos", "-", "--request", "7", input="one\n")
    [record] = read_removals(Layout(str(corpus)))
    assert len(record.copies_by_text) == 1 and record.copies_by_text[0].startswith("two-")
    assert "they stay" in run("removals", corpus, code=1)
    path = corpus / "removals.jsonl"
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    append_removal(Layout(str(corpus)), replace(record, request="8"))
    assert [one.request for one in read_removals(Layout(str(corpus)))] == ["7", "8"]


def test_an_interrupted_request_is_not_done_until_it_is_run_again(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    finish: Callable[..., None] = takedown_module._finish_record
    monkeypatch.setattr(takedown_module, "_finish_record", killed)
    CliRunner().invoke(
        app, ["takedown", str(corpus), "--videos", "-", "--request", "9"], obj=list(ONE_THREAD), input="other\n"
    )
    assert "not done" in run("removals", corpus, code=1)
    monkeypatch.setattr(takedown_module, "_finish_record", finish)
    assert "nothing to do" in run("takedown", corpus, "--videos", "-", "--request", "9", input="other\n")
    [record] = read_removals(Layout(str(corpus)))
    assert record.done and record.after["version"] == 2
    assert "gone" in run("removals", corpus)


def test_a_damaged_record_is_told_with_its_line(corpus: Path) -> None:
    assert "No removal is recorded" in run("removals", corpus)
    path, layout = corpus / "removals.jsonl", Layout(str(corpus))
    record = Removal(request="9", videos=("gone",))
    append_removal(layout, record)
    with path.open("a") as file:
        file.write('{"request": "unfinished')  # a crash
    append_removal(layout, replace(record, request="10"))
    assert [one.request for one in read_removals(layout)] == ["9", "10"]
    path.write_text(path.read_text() + '{"request": 7, "format": 1}\n')
    with pytest.raises(ConfigError, match=r"removals.jsonl:3: not the record of a removal"):
        run("removals", corpus)
    for wrong in (("--request", " "), ("--request", "1", "--received", "yesterday"), ("--received", "2026-11-20")):
        with pytest.raises(ConfigError):
            run("takedown", corpus, "--videos", "-", *wrong, input="one\n")
