"""`longtake embed` and examples/embed.py, with a tiny model of random weights."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sources import LAST_MAN, MAMMALS, REPOSITORY, leftovers, longtake_here
from typer.testing import CliRunner, Result

from longtake.jobs import cli
from longtake.jobs.retrieve import inputs as embed_inputs, table as embed_table
from longtake.jobs.retrieve.inputs import Failure, TextItem, VideoItem, text_items
from longtake.jobs.retrieve.video_frames import read_video
from longtake.model.network.sizes import TINY
from longtake.model.retrieval.embedding import Embedder
from longtake.model.weights.checkpoint import ModelCard, save_model
from tests.media import encode, make, truncated

SIZE = replace(TINY, clips=2, frames_per_clip=2)  # the corpora of tests/corpora.py have 2 frames for each sentence


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    card = ModelCard(SIZE)
    save_model(str(folder / "model.safetensors"), card.make(), card)
    return folder


@pytest.fixture(scope="module")
def embedder(run_folder: Path) -> Embedder:
    return Embedder.load(str(run_folder), "cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus") / "out"
    corpora.build(root)
    return root


def run(*arguments: object) -> Result:
    words = ["embed", *map(str, arguments), "--workers=1", "--device=cpu"]
    return CliRunner().invoke(cli.app, words, catch_exceptions=True)


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command line in this process; the result is its exit code."""
    monkeypatch.setattr(sys, "argv", ["longtake", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def cosine(row: dict[str, Any], vector: torch.Tensor) -> float:
    return float(np.dot(row["embedding"], vector.numpy()))


def test_videos_and_texts(run_folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Bears swim. They eat seals!\n\nA man walks.\n")
    output = tmp_path / "out.parquet"
    result = run(run_folder, MAMMALS, LAST_MAN, tmp_path / "notes.txt", "-o", output)
    assert result.exit_code == 0, result.output
    found = rows(output)
    assert [(r["kind"], r["id"], r["source"], r["start_ms"]) for r in found] == [
        ("video", "mammals", str(MAMMALS), 0),
        ("video", "last-man", str(LAST_MAN), 0),
        ("text", "notes.txt:1", str(tmp_path / "notes.txt"), None),
        ("text", "notes.txt:3", str(tmp_path / "notes.txt"), None),
    ]
    assert found[0]["end_ms"] == 95_333 and found[2]["end_ms"] is None
    assert cosine(found[0], embedder.frames(read_video(str(MAMMALS), embedder.frame_count))) == pytest.approx(
        1, abs=1e-4
    )
    assert cosine(found[2], embedder.text(["Bears swim.", "They eat seals!"])) == pytest.approx(1, abs=1e-5)
    assert cosine(found[2], embedder.text(["A man walks."])) < 0.9999
    assert [np.linalg.norm(r["embedding"]) for r in found] == pytest.approx([1] * 4)
    assert "2 videos and 2 texts embedded, 0 not. 128 numbers each" in result.output
    field = pq.read_schema(output).field("embedding").type
    assert str(field.value_type) == "float" and field.list_size == 128


def test_windows_and_parts(run_folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    (tmp_path / "t.jsonl").write_text(
        '{"id": "a", "sentences": ["one", "two", "three"]}\n{"id": "b", "text": "One."}\n'
    )
    result = run(run_folder, LAST_MAN, tmp_path / "t.jsonl", "-o", output, "--window=5", "--clips", "--batch-size=2")
    assert result.exit_code == 0, result.output
    found = rows(output)
    times = [(r["start_ms"], r["end_ms"]) for r in found if r["kind"] == "video"]
    assert times == [(0, 5000), (5000, 10_000), (10_000, 14_081)]
    assert [len(r["parts"]) for r in found if r["kind"] == "video"] == [2, 2, 2]
    texts = {r["id"]: r for r in found if r["kind"] == "text"}
    assert len(texts["a"]["parts"]) == 2 and len(texts["b"]["parts"]) == 1  # three sentences were merged to two
    expected = embedder.texts([["one two", "three"]]).sentences[0]
    np.testing.assert_allclose(texts["a"]["parts"], expected, atol=1e-5)


def test_a_corpus_is_embedded_whole(run_folder: Path, embedder: Embedder, corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    assert run(run_folder, corpus, "-o", output, "--split=val").exit_code == 0
    found = rows(output)
    videos, texts = ([r for r in found if r["kind"] == kind] for kind in ("video", "text"))
    # Two samples of three sentences, in windows of two: the second window ends with the sample.
    assert [(r["id"], r["start_ms"], r["end_ms"]) for r in videos] == [
        ("delta-000001000-000021502", 1000, 14_501),
        ("delta-000001000-000021502", 8001, 21_502),
        ("delta-000090500-000111002", 90_500, 104_001),
        ("delta-000090500-000111002", 97_501, 111_002),
    ]
    assert [(r["id"], r["start_ms"], r["end_ms"]) for r in texts] == [
        (r["id"], r["start_ms"], r["end_ms"]) for r in videos
    ]
    entry = pq.read_table(corpus / "index" / "val-000000.parquet").to_pylist()[0]
    said = [sentence["text"] for sentence in entry["sentences"]]
    assert cosine(texts[1], embedder.text(said[1:])) == pytest.approx(1, abs=1e-5)
    assert run(run_folder, corpus, "-o", output).exit_code == 0
    assert len(rows(output)) == 9 * 2 * 2


def test_what_fails_is_listed_and_the_rest_is_written(run_folder: Path, tmp_path: Path) -> None:
    broken = truncated(LAST_MAN, 0.3)
    silent = make("sound.mp4", ["-f", "lavfi", "-i", "sine=duration=1"])
    short = encode("one.mp4", duration=0.04)
    (tmp_path / "[bold]\x1b[31m.mp4").write_bytes(b"no video")
    (tmp_path / "t.txt").write_bytes(b"fine\n\xff\xfe\n")
    output, report = tmp_path / "out.parquet", tmp_path / "report.jsonl"
    inputs = [broken, silent, tmp_path / "[bold]\x1b[31m.mp4", short, tmp_path / "t.txt"]
    result = run(run_folder, *inputs, "-o", output, "--report", report)
    assert result.exit_code == 0, result.output
    assert [(r["kind"], r["id"]) for r in rows(output)] == [("video", "one"), ("text", "t.txt:1")]
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(t["source"], t["id"], t["reason"]) for t in told] == [
        (str(broken), "", "unreadable"),
        (str(silent), "", "no_video_stream"),
        (str(inputs[2]), "", "unreadable"),
        (str(inputs[4]), "t.txt:2", "malformed"),
    ]
    assert (
        "Not used: 4" in result.output
        and "no_video_stream" in result.output
        and "1 video and 1 text embedded" in result.output
    )
    assert "\x1b[31m" not in result.output and r"[bold]\x1b[31m" in result.output


def test_nothing_embedded_is_exit_1_and_no_file(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    done = longtake_here(
        "embed", str(run_folder), str(tmp_path / "bad.mp4"), "-o", str(tmp_path / "out" / "e.parquet"), "--workers=1"
    )
    assert done.returncode == 1
    assert "unreadable" in done.stdout and "nothing could be embedded" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "e.parquet").exists() and not leftovers(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["{run}", "{tmp}/gone.mp4", "-o", "x.parquet"],
            1,
            "not a file, a finished corpus, or a folder with files",
        ),
        (["{run}", "{tmp}", "-o", "x.parquet"], 1, "not a file, a finished corpus, or a folder with files"),
        (["{tmp}/gone", "x.txt", "-o", "x.parquet"], 2, "no such file or folder"),
        (["{run}", "x.txt", "-o", "x.parquet", "--device=tpu"], 2, "--device tpu: must be cpu or cuda"),
        (["{run}", "x.txt", "-o", "x.parquet", "--precision=int8"], 2, "--precision int8: must be float32 or bfloat16"),
        (["{run}", "x.txt"], 2, "Missing option '--output'"),
    ],
)
def test_usage(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(monkeypatch, "embed", *(a.format(run=run_folder, tmp=tmp_path) for a in arguments)) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_leaves_nothing(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("text\n")
    (tmp_path / "file").touch()
    result = run(run_folder, tmp_path / "t.txt", "-o", tmp_path / "file" / "out.parquet")
    assert isinstance(result.exception, OSError) and not leftovers(tmp_path)


def test_a_folder_stands_for_the_files_in_it(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.mp4").symlink_to(LAST_MAN)
    (folder / "a.txt").write_text("text\n")
    (folder / "README.md").write_text("text\n")
    assert run(run_folder, folder, "-o", tmp_path / "out.parquet").exit_code == 0
    assert [r["id"] for r in rows(tmp_path / "out.parquet")] == ["b", "a.txt:1"]


# -- texts -------------------------------------------------------------------------------------------------------------


def test_forms_of_text(tmp_path: Path) -> None:
    lines = [
        '{"id": "a", "sentences": ["One. Two", " ", "three"]}',
        '{"id": 7, "text": "One. Two"}',
        '{"text": "x"}',
        "",
        '{"id": "c", "text": " "}',
        '{"id": "d"}',
        '{"id": "e", "text": ["a"]}',
        '{"id": "f", "sentences": "a"}',
        '{"id": "g", "sentences": ["a", 3]}',
        '{"id": ["h"], "text": "a"}',
        '{"id": "i", "text": "\\ud800"}',
        '{"id": "j", "text": "a", "sentences": ["a"]}',
        "[1]",
        "{",
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    found = list(text_items(str(tmp_path / "t.jsonl")))
    assert [(f.id, f.sentences) for f in found if isinstance(f, TextItem)] == [
        ("a", ["One. Two", "three"]),
        ("7", ["One.", "Two"]),
        ("t.jsonl:3", ["x"]),
        ("e", ["a"]),
    ]
    failed = [(f.id, f.reason) for f in found if isinstance(f, Failure)]
    assert failed == [("t.jsonl:5", "no_text")] + [(f"t.jsonl:{n}", "malformed") for n in (6, *range(8, 15))]


@pytest.mark.parametrize("length", [99, 100, 101, 200, 201, 1000])
def test_a_line_without_end_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(embed_inputs, "_LINE_BYTES", 100)
    (tmp_path / "t.txt").write_text("first\n" + "x" * length + "\nlast\n")
    found = list(text_items(str(tmp_path / "t.txt")))
    assert [f.id for f in found] == ["t.txt:1", "t.txt:2", "t.txt:3"]
    assert isinstance(found[1], TextItem if length <= 100 else Failure) and isinstance(found[2], TextItem)


# -- memory ------------------------------------------------------------------------------------------------------------


def test_rows_are_written_as_they_come(embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group for every so many rows; of the items no more than a batch of each kind waits."""
    monkeypatch.setattr(embed_table, "_GROUP", 8)
    path = tmp_path / "t.parquet"
    with embed_table.EmbeddingTable(str(path), embedder, parts=False, batch_size=4, about={"run": "r"}) as table:
        for number in range(30):
            table.add(TextItem(f"{number}", "s", ["one two"]))
            assert len(table._texts) < 4 and len(table._rows) < 8
        frames = torch.zeros(4, SIZE.height, SIZE.width, 3, dtype=torch.uint8)
        for number in range(3):
            table.add(VideoItem(f"v{number}", "s", 0, 1, frames))
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [8, 8, 8, 9]
    assert sorted(file.read().column("id").to_pylist()) == sorted([*map(str, range(30)), "v0", "v1", "v2"])
    assert file.schema_arrow.metadata[b"longtake.run"] == b"r"


def test_an_error_half_way_writes_no_more(embedder: Embedder, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(KeyError), embed_table.EmbeddingTable(str(path), embedder, False, 4, {}) as table:
        table.add(TextItem("a", "s", ["one"]))
        raise KeyError
    assert pq.read_table(path).num_rows == 0


# -- the example -------------------------------------------------------------------------------------------------------


def test_the_example_of_the_readme_runs(run_folder: Path, embedder: Embedder) -> None:
    text = "A man walks. He is alone."
    command = [sys.executable, "examples/embed.py", str(run_folder), str(LAST_MAN), text]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    video = embedder.frames(read_video(str(LAST_MAN), embedder.frame_count))
    assert float(done.stdout.removeprefix("cosine ")) == pytest.approx(float(video @ embedder.text(text)), abs=1e-3)
