"""`longtake verify` at the command line."""

from pathlib import Path

import corpora
import pytest
import typer
from corpora import edit_manifest, edit_shard
from typer.testing import CliRunner, Result

from longtake.jobs.curate.verify import verify
from longtake.schemas.errors import NoCorpusError

app = typer.Typer()
app.command()(verify)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    corpora.build(tmp_path)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--workers", "1"])


def test_a_sound_corpus(corpus: Path) -> None:
    result = run(corpus)
    assert (result.exit_code, result.output) == (0, "small: 3 shards, 9 samples, 54 frames; every check passed\n")


def test_one_line_per_fault_and_a_count(corpus: Path) -> None:
    edit_shard(corpus, "val-000000", lambda m: m.__setitem__(1, (m[1][0], b"\x1b[31m[red]")), index=False)
    result = run(corpus)
    lines = result.output.splitlines()
    where = "shards/val-000000.tar delta-000001000-000021502"
    assert result.exit_code == 1
    assert f"{where}: .txt is not the sentences joined by one space" in lines
    assert f"{where}: the data does not have the sha256 of the index" in lines
    assert lines[-1] == f"small: 3 shards, 9 samples, 54 frames; {len(lines) - 1} faults"


def test_a_long_fault_is_one_line(corpus: Path) -> None:
    edit_manifest(corpus, lambda raw: raw.update({f"unknown{n}\n": n for n in range(50)}))
    assert len(run(corpus).output.splitlines()) == 2


def test_one_fault_is_not_faults(corpus: Path) -> None:
    (corpus / "shards" / "more.tar").write_bytes(b"")
    assert run(corpus).output.splitlines() == [
        "shards/more.tar: not listed in corpus.json",
        "small: 3 shards, 9 samples, 54 frames; 1 fault",
    ]


def test_a_sample_says_what_was_not_checked(corpus: Path) -> None:
    result = run(corpus, "--sample", "3", "--seed", "5")
    assert result.exit_code == 0
    assert result.output == (
        "small: 3 shards, 9 samples, 54 frames; every check passed. Checked: corpus.json, plan, ledger, index, sizes of "
        "shards, and the contents of 3 samples (seed 5). Not checked: the sha256 of shards and the contents of other samples\n"
    )


def test_an_unfinished_corpus(corpus: Path) -> None:
    (corpus / "corpus.json").unlink()
    result = run(corpus)
    assert (result.exit_code, result.output) == (
        1,
        f"{corpus}: not a finished corpus: it has no corpus.json. Finish it with: longtake build\n",
    )


def test_a_corpus_that_is_not_there(tmp_path: Path) -> None:
    result = run(tmp_path / "nothing")
    assert isinstance(result.exception, NoCorpusError) and result.exception.exit_code == 2
    assert str(result.exception) == f"{tmp_path}/nothing: no such folder. Name the `output` of a configuration."


def test_an_unusable_manifest(corpus: Path) -> None:
    (corpus / "corpus.json").write_text("{")
    result = run(corpus)
    assert result.exit_code == 1
    assert result.output.splitlines()[0].startswith("corpus.json: not a readable corpus.json")
    assert result.output.splitlines()[1:] == ["1 fault; nothing else was checked, since corpus.json could not be used"]


def test_tables_that_could_not_be_compared(corpus: Path) -> None:
    (corpus / "index" / "val-000000.parquet").unlink()
    assert run(corpus).output.splitlines() == [
        "index/val-000000.parquet: missing",
        "small: 3 shards, 9 samples, 54 frames; 1 fault; plan, index and ledger were not compared, since not all of them "
        "could be read",
    ]


def test_sources_are_looked_at_only_when_asked(corpus: Path) -> None:
    result = run(corpus, "--config", "corpus.yaml")
    assert result.exit_code == 1
    assert str(result.exception) == "--config is for --sources: give both, or neither"


def test_sources_that_are_not_there(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "videos.jsonl").touch()
    (folder / "corpus.yaml").write_text(
        "name: small\noutput: out\nsource: {videos: videos.jsonl, uri: '{video_id}.mp4'}\n"
    )
    result = run(corpus, "--sources", "--config", folder / "corpus.yaml")
    *lines, last = result.output.splitlines()[1:]
    assert result.exit_code == 0
    assert "not judged: alpha: its source cannot be read: missing: no such file" in lines
    assert (
        last
        == "Against the sources: 9 samples, 5 sources, 0 frames; everything compared matches the sources; 10 not judged"
    )


def test_sources_of_relative_paths_without_a_configuration(corpus: Path) -> None:
    result = run(corpus, "--sources")
    assert "name the configuration that it was built with in --config" in str(result.exception)


def test_sources_of_a_corpus_that_cannot_be_read(corpus: Path) -> None:
    (corpus / "index" / "val-000000.parquet").write_bytes(b"PAR1")
    result = run(corpus, "--sources")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "The sources were not compared, since not all of the corpus could be read"
