"""`longtake evaluate` on corpora and on annotation files, with a tiny model of random weights."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import pytest
import torch
from corpora import edit_shard
from sources import LAST_MAN, MAMMALS, POLAR_MAMMALS, longtake, longtake_here
from typer.testing import CliRunner, Result

from longtake.jobs import cli
from longtake.jobs.retrieve.video_frames import read_video
from longtake.model.network.sizes import TINY
from longtake.model.retrieval.embedding import Embedder
from longtake.model.retrieval.metrics import retrieval_metrics
from longtake.model.weights.checkpoint import ModelCard, save_model
from tests.media import make

SIZE = replace(TINY, clips=2, frames_per_clip=2)


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


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    corpora.build(tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, file in (("v_a.mp4", MAMMALS), ("v_b.webm", POLAR_MAMMALS), ("v_c.mp4", LAST_MAN)):
        (folder / name).symlink_to(file)
    (folder / "v_broken.mp4").write_bytes(b"no video")
    (folder / "v_sound.mp4").symlink_to(make("sound.mp4", ["-f", "lavfi", "-i", "sine=duration=1"]))
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["evaluate", *map(str, arguments), "--workers=1", "--device=cpu"])


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command line in this process; the result is its exit code."""
    monkeypatch.setattr(sys, "argv", ["longtake", "evaluate", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def metrics(path: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads(path.read_text())["metrics"]
    return found


# -- corpora -----------------------------------------------------------------------------------------------------------


def test_a_corpus(run_folder: Path, corpus: Path, tmp_path: Path) -> None:
    result = run(run_folder, corpus, "--json", tmp_path / "m.json", "--batch-size=1")
    assert result.exit_code == 0, result.output
    found = metrics(tmp_path / "m.json")
    assert found["samples"] == 2 and found["paragraph_to_video/chance_r1"] == 0.5
    assert "2 of 2 samples: 0 damaged, 0 with too few sentences" in result.output
    for line in ("R@1", "R@10", "median rank", "clip to sentence", "50.00 %"):
        assert line in result.output
    assert run(run_folder, corpus, "--split=train", "--json", tmp_path / "m.json").exit_code == 0
    assert metrics(tmp_path / "m.json")["samples"] == 7


def test_damage_is_named_and_counted(run_folder: Path, corpus: Path) -> None:
    edit_shard(corpus, "val-000000", lambda m: m.__setitem__(2, (m[2][0], b"x" * len(m[2][1]))), index=False)
    done = longtake("evaluate", str(run_folder), str(corpus), "--workers=1", "--device=cpu")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 samples: 1 damaged" in done.stdout
    assert "longtake: val-000000: sample delta-000001000-000021502 skipped: jpeg" in done.stderr


def test_a_corpus_with_nothing_to_evaluate(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = ModelCard(replace(SIZE, clips=4))
    save_model(str(tmp_path / "four" / "model.safetensors"), card.make(), card)
    assert main(monkeypatch, str(tmp_path / "four"), str(corpus), "--workers=1") == 1
    told = capsys.readouterr()
    assert "nothing could be evaluated" in told.err
    assert "0 of 2 samples: 0 damaged, 2 with too few sentences" in told.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{run}"], 2, "name either a corpus or --annotations FILE"),
        (["{run}", "x", "--annotations=y"], 2, "name either a corpus or --annotations FILE"),
        (["{run}", "x", "--report=y"], 2, "need --annotations FILE"),
        (["{run}", "--annotations=y"], 2, "--annotations needs --format and --videos"),
        (["{run}", "{tmp}/gone"], 2, "no such folder"),
        (["{run}", "{tmp}"], 1, "not a finished corpus"),
        (["{tmp}/gone", "{tmp}"], 2, "no such file or folder"),
        (["{tmp}", "{tmp}"], 1, "holds no checkpoint"),
        (
            ["{run}", "--annotations=y", "--format=msrvtt", "--videos=."],
            2,
            "no format 'msrvtt'; use one of activitynet",
        ),
        (["{run}", "--annotations={tmp}/gone", "--format=didemo", "--videos=."], 2, "no such file"),
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
    assert main(monkeypatch, *(a.format(run=run_folder, tmp=tmp_path) for a in arguments)) == code
    assert said in capsys.readouterr().err


def test_a_split_or_a_number_of_frames_that_is_not_there(run_folder: Path, corpus: Path, tmp_path: Path) -> None:
    result = run(run_folder, corpus, "--split=test")
    assert type(result.exception).__name__ == "ConfigError" and "no split 'test'" in str(result.exception)
    card = ModelCard(TINY)
    save_model(str(tmp_path / "eight" / "model.safetensors"), card.make(), card)
    result = run(tmp_path / "eight", corpus)
    assert type(result.exception).__name__ == "ConfigError" and "the corpus has 2" in str(result.exception)


# -- annotations -------------------------------------------------------------------------------------------------------

ANNOTATIONS: dict[str, Any] = {
    "v_a": {"sentences": ["A bear.", "It swims.", "It eats."]},
    "v_b": {"sentences": ["Ice."]},
    "v_c": {"sentences": ["A man walks.", "Alone."]},
    "v_broken": {"sentences": ["x"]},
    "v_sound": {"sentences": ["x"]},
    "v_gone": {"sentences": ["x"]},
    "v_../../a": {"sentences": ["x"]},
    "v_silent": {"sentences": []},
}


def test_annotations(run_folder: Path, videos: Path, tmp_path: Path) -> None:
    (tmp_path / "val_1.json").write_text(json.dumps(ANNOTATIONS))
    report, found = tmp_path / "report.jsonl", tmp_path / "m.json"
    options = ["--format=activitynet", "--videos", videos, "--json", found, "--report", report, "--batch-size=2"]
    result = run(run_folder, "--annotations", tmp_path / "val_1.json", *options)
    assert result.exit_code == 0, result.output
    told = {row["id"]: (row["reason"], row["detail"]) for row in map(json.loads, report.read_text().splitlines())}
    assert {name: reason for name, (reason, _) in told.items()} == {
        "v_../../a": "unsafe_id",
        "v_silent": "no_text",
        "v_broken": "video",
        "v_sound": "video",
        "v_gone": "missing",
    }
    assert told["v_broken"][1].startswith("unreadable") and told["v_sound"][1].startswith("no_video_stream")
    assert "Not used: 5" in result.output and "3 of 8 paragraphs, 3 videos." in result.output
    assert "clip to sentence" not in result.output
    embedder = Embedder.load(str(run_folder), "cpu")
    vectors = [embedder.frames(read_video(str(p), embedder.frame_count)) for p in (MAMMALS, POLAR_MAMMALS, LAST_MAN)]
    texts = [embedder.text(ANNOTATIONS[name]["sentences"]) for name in ("v_a", "v_b", "v_c")]
    expected = retrieval_metrics(torch.stack(texts), torch.stack(vectors))
    assert metrics(found) == pytest.approx(expected | {"records": 8, "paragraphs": 3, "videos": 3})


def test_several_captions_and_a_template_and_a_list(run_folder: Path, videos: Path, tmp_path: Path) -> None:
    lines = [
        {"clip_id": name, "text": text}
        for name, text in (("a", "one"), ("c", ["two", "three"]), ("a", "four"), ("b", "x"))
    ]
    (tmp_path / "val.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "list.txt").write_text("a\nc\n")
    options = [
        "--format=jsonl",
        "--videos",
        videos / "v_{id}.mp4",
        "--only",
        tmp_path / "list.txt",
        "--json",
        tmp_path / "m.json",
    ]
    result = run(run_folder, "--annotations", tmp_path / "val.jsonl", *options)
    assert result.exit_code == 0, result.output
    found = metrics(tmp_path / "m.json")
    assert (found["records"], found["paragraphs"], found["videos"]) == (3, 3, 2)
    assert found["paragraph_to_video/chance_r1"] == pytest.approx(1 / 2)
    assert found["video_to_paragraph/chance_r1"] == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_a_broken_video_counts_for_each_of_its_captions(run_folder: Path, videos: Path, tmp_path: Path) -> None:
    lines = [{"clip_id": name, "text": "x"} for name in ("v_a", "v_broken", "v_broken")]
    (tmp_path / "val.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ["--format=jsonl", "--videos", videos, "--json", tmp_path / "m.json"]
    result = run(run_folder, "--annotations", tmp_path / "val.jsonl", *options)
    assert result.exit_code == 0 and "1 of 3 paragraphs, 1 video" in result.output and "Not used: 2" in result.output


def test_a_pickle_is_refused(
    run_folder: Path,
    videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "captions.pkl").write_bytes(b"\x80\x04.")
    options = [f"--annotations={tmp_path / 'captions.pkl'}", "--format=queryd", f"--videos={videos}"]
    assert main(monkeypatch, str(run_folder), *options) == 2
    assert "a pickle, which can run code" in capsys.readouterr().err


def test_no_usable_video_is_exit_1(run_folder: Path, videos: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"v_broken": {"sentences": ["x"]}}))
    done = longtake_here(
        *("evaluate", str(run_folder), f"--annotations={tmp_path / 'a.json'}", "--format=activitynet"),
        *(f"--videos={videos}", "--workers=1"),
    )
    assert done.returncode == 1 and "nothing could be evaluated" in done.stderr and "unreadable" in done.stdout
