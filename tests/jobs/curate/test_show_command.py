"""`longtake show` at the command line."""

from pathlib import Path

import corpora
import pytest
import typer
from corpora import edit_manifest, edit_shard, edit_table
from PIL import Image
from typer.testing import CliRunner, Result

from longtake.jobs.curate.show import show

app = typer.Typer()
app.command()(show)
SECOND = "gamma-000090500-000111002"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    corpora.build(root)
    return root


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    corpora.build(tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_lists_samples(sound: Path) -> None:
    result = run(sound)
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0].split() == ["key", "split", "shard", "duration", "sentences", "words"]
    assert [line.split() for line in lines if line.startswith(SECOND)] == [
        [SECOND, "train", "train-000001", "20.5", "s", "3", "15"]
    ]
    assert len(lines) == 11
    assert lines[-1] == "9 of 9 samples"


def test_lists_a_split_and_no_more_than_asked(sound: Path) -> None:
    result = run(sound, "--split", "val", "--limit", "1")
    assert [line.split()[1] for line in result.output.splitlines()[1:-1]] == ["val"]
    assert result.output.splitlines()[-1] == "1 of 2 samples of split val"
    assert run(sound, "--limit", "4").output.splitlines()[-1] == "4 of 9 samples"


def test_a_split_that_does_not_exist(sound: Path) -> None:
    result = run(sound, "--split", "test")
    assert result.exit_code == 1
    assert "has no split 'test'; it has train, val" in result.output


def test_shows_a_sample_and_writes_its_sheet(sound: Path, tmp_path: Path) -> None:
    result = run(sound, SECOND, "--output", tmp_path / "sheet.png")
    assert result.exit_code == 0
    for part in (
        f"{SECOND}\n",
        "url      https://example.org/gamma",
        "license  CC BY 4.0",
        "place    train-000001.tar, position 3, split train",
        "time     01:30.500 to 01:51.002, 20.5 s",
        "source   640x480, 25 fps, h264, 200.0 s",
        'meta     {"channel":"ours"}',
        "  1  01:30.500 to 01:37.000  ours polaires mangent des\n",
        "     wanted  01:30.500  01:33.750\n     actual  01:30.480  01:33.720\n",
        f"Contact sheet: {tmp_path / 'sheet.png'}",
    ):
        assert part in result.output, part
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.format == "PNG"
    assert "do not match the index" not in result.output


def test_the_sheet_is_named_after_the_key(sound: Path, tmp_path: Path) -> None:
    assert run(sound, "alpha-0000010").exit_code == 0
    assert (tmp_path / "alpha-000001000-000021502.png").is_file()


def test_a_video_stands_for_its_first_sample(sound: Path) -> None:
    result = run(sound, "gamma")
    assert result.output.startswith("gamma has 2 samples; this is the first.\ngamma-000001000-000021502\n")
    assert "a_b__-h" in run(sound, "a b/ç").output


def test_a_start_that_fits_several_is_refused(corpus: Path) -> None:
    result = run(corpus, "al")
    assert result.exit_code == 1
    assert "2 samples have keys that start with 'al': alpha-000001000-000021502, alpha-0000905" in result.output


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "beta-000090500-000111002",
            "beta-000090500-000111002: long clip dropped at stage decode: frames_damaged (at 90500 ms)",
        ),
        ("beta-00009", "beta-000090500-000111002: long clip dropped at stage decode: frames_damaged"),
        ("epsilon", "epsilon: video dropped at stage decode: unreadable (moov atom not found)"),
        ("alpha.alone", "alpha.alone: sentence dropped at stage merge: run_too_short (run of 1 sentence)"),
        ("nobody", "nobody: no such sample in this corpus, and no ledger row with this id"),
    ],
)
def test_says_why_there_is_no_such_sample(sound: Path, name: str, said: str) -> None:
    result = run(sound, name)
    assert result.exit_code == 1
    assert said in result.output


def test_nothing_from_the_corpus_acts_on_the_terminal(corpus: Path) -> None:
    def hostile(rows: list[dict[str, object]]) -> None:
        rows[0]["url"] = "[bold red]x[/] \x1b[31m\r"
        rows[0]["sentences"][0]["text"] = "\x1b]0;title\x07 [link=file:///etc]y[/link]\u202e"  # type: ignore[index]

    edit_table(corpus / "index" / "val-000000.parquet", hostile)
    result = run(corpus, "delta")
    assert result.exit_code == 0
    assert r"[bold red]x[/] \x1b[31m\r" in result.output
    assert r"\x1b]0;title\x07 [link=file:///etc]y[/link]\u202e" in result.output
    assert all(c.isprintable() or c == "\n" for c in result.output)


def test_a_hostile_name_is_shown_as_text(corpus: Path) -> None:
    result = run(corpus, "\x1b[31m[bold]")
    assert result.exit_code == 1
    assert result.output.startswith(r"\x1b[31m[bold]: no such sample")


def test_a_damaged_sample_is_shown_as_far_as_it_goes(corpus: Path, tmp_path: Path) -> None:
    edit_shard(corpus, "val-000000", lambda m: m.__setitem__(2, (m[2][0], b"x" * len(m[2][1]))), index=False)
    result = run(corpus, "delta")
    assert result.exit_code == 0
    assert "The files of this sample do not match the index" in result.output
    assert (tmp_path / "delta-000001000-000021502.png").is_file()


def test_an_unfinished_corpus(corpus: Path) -> None:
    (corpus / "corpus.json").unlink()
    result = run(corpus)
    assert result.exit_code == 1
    assert "not a finished corpus: it has no corpus.json. Finish it with: longtake build" in result.output


@pytest.mark.parametrize("arguments", [(), ("delta",)])
def test_damaged_tables_are_told_in_one_line(corpus: Path, arguments: tuple[str, ...]) -> None:
    (corpus / "index" / "val-000000.parquet").write_bytes(b"PAR1")
    result = run(corpus, *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "val-000000.parquet" in result.output


def test_a_manifest_of_another_version(corpus: Path) -> None:
    edit_manifest(corpus, lambda raw: raw.update(format=99))
    assert "format 99" in run(corpus).output


def test_no_key_of_a_corpus_names_a_file_elsewhere(corpus: Path, tmp_path: Path) -> None:
    hostile = "../../evil-000000001-000000002"
    edit_table(corpus / "index" / "val-000000.parquet", lambda rows: rows[0].update(key=hostile))
    result = run(corpus, "delta")
    assert result.exit_code == 1
    assert "is not the key of a sample" in result.output
    assert not list(tmp_path.parent.glob("evil*"))
    assert not list(tmp_path.rglob("*.png"))


def test_no_row_of_an_index_names_another_shard(corpus: Path) -> None:
    edit_table(corpus / "index" / "val-000000.parquet", lambda rows: rows[0].update(shard="../../../secret"))
    result = run(corpus, "delta")
    assert result.exit_code == 1
    assert "a row is damaged" in result.output
