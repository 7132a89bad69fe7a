"""From annotation files of the published shapes and real videos to corpora of tasks, and from there to a trained model."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_corpora import vocabulary
from sources import MAMMALS, longtake_here, rows_of

from longtake.pipeline.explain.read import read_video
from longtake.schemas.config import load_config
from longtake.schemas.errors import ConfigError

NAN = float("nan")
QUESTIONS = [
    {"clip_id": "mammals", "span": [20.0, 40.0], "text_q": "What swims?", "text_a": ["a bear", "a car", "a man", "a bird"],
     "answer_idx": 0, "text_s": [{"start": 3.3, "end": 5.0, "text": "Polar bears swim."}]},
    {"clip_id": "mammals", "span": [NAN, NAN], "text_q": "Where?", "text_a": ["sea", "car", "home", "air"], "answer_idx": 0,
     "text_s": []},
    {"clip_id": "last-man", "span": [1.0, 5.0], "text_q": "Who?", "text_a": ["a bear", "a car", "a man", "a bird"],
     "answer_idx": 2, "text_s": []},
    {"clip_id": "last-man", "span": [1.0, 5.0], "text_q": "Who?", "text_a": ["a bear", "a car", "a man", "a bird"],
     "answer_idx": 4, "text_s": []},
    {"clip_id": "gone", "span": [1.0, 5.0], "text_q": "Who?", "text_a": ["a", "b", "c", "d"], "answer_idx": 0, "text_s": []},
]  # fmt: skip
CAPTIONS = {
    "mammals": {
        "duration": 95.3,
        "timestamps": [[60, 95.0], [0, 70.0]],
        "sentences": ["Then it eats.", "A bear swims."],
    },
    "polar-mammals": {"duration": 127, "timestamps": [[0, 20.5]], "sentences": ["Snow falls."]},
}


def sources(folder: Path, recipe: str, file: str, content: str, **frames: Any) -> Path:
    (folder / "videos").mkdir()
    for name in ("mammals", "last-man", "polar-mammals"):
        (folder / "videos" / f"{name}.mp4").symlink_to(MAMMALS.resolve())
    (folder / file).write_text(content)
    settings = {
        "name": "asked",
        "output": "out",
        "source": {"recipe": recipe, "videos": file, "uri": "videos/{video_id}.{ext}"},
        "frames": {"short_side": 48, **frames},
        "max_failed": 0.5,
    }
    (folder / "corpus.yaml").write_text(yaml.safe_dump(settings))
    return folder / "corpus.yaml"


def samples(folder: Path) -> dict[str, dict[str, Any]]:
    with tarfile.open(folder / "out" / "shards" / "train-000000.tar") as tar:
        found = [json.load(tar.extractfile(m)) for m in tar if m.name.endswith(".json")]  # type: ignore[arg-type]
    return {one["video_id"]: one for one in found}


def test_questions_become_samples_of_whole_videos_and_a_model_trains_on_them(tmp_path: Path) -> None:
    config = sources(tmp_path, "how2qa", "rows.jsonl", "".join(json.dumps(row) + "\n" for row in QUESTIONS), uniform=8)
    built = longtake_here("build", str(config))
    assert built.returncode == 0, built.stderr
    found = samples(tmp_path)
    assert found.keys() == {"mammals", "last-man"}
    one = found["mammals"]
    assert (one["start_ms"], one["end_ms"], one["key"]) == (0, 95333, "mammals-000000000-000095333")
    assert [s["text"] for s in one["sentences"]] == ["What swims? Where?"] and one["frame_sentence"] == [0] * 8
    assert one["frame_times_ms"] == [k * 95332 // 7 for k in range(8)]
    # 572 frames at 6 a second: the frames of linspace(0, 571, 8), or the next ones, and the first and the last.
    shown = [round(pts * 6 / 1000) for pts in one["frame_pts_ms"]]
    assert shown[0] == 0 and shown[-1] == 571
    assert all(0 <= n - int(571 * k / 7) <= 1 for k, n in enumerate(shown))
    items = one["meta"]["task"]["items"]
    assert [(item["question"], item["answer"], item.get("span")) for item in items] == [
        ("What swims?", 0, [20.0, 40.0]), ("Where?", 0, None),
    ]  # fmt: skip
    ledger = {(row["subject_id"], row["reason"]) for row in rows_of(tmp_path / "out", "ledger")}
    assert ledger == {("rows.jsonl:4", "malformed"), ("gone", "missing"), ("gone.all", "missing")}
    checked = longtake_here("verify", str(tmp_path / "out"), "--sources", "--config", str(config))
    assert checked.returncode == 0 and "everything compared matches the sources" in checked.stdout, checked.stdout
    card = " ".join((tmp_path / "out" / "README.md").read_text().split())
    assert "Each sample is one video: 8 frames spread over it, and in `meta` its `task`" in card
    described = json.loads((tmp_path / "out" / "croissant.json").read_text())["description"]
    assert (
        "2 whole videos with what is asked about them" in described and "8 frames spread over each video" in described
    )
    explained = longtake_here("explain", str(config), "last-man")
    assert "in the corpus: train-000000.tar" in explained.stdout, explained.stdout
    video = {"embed_dim": 4, "depths": [1] * 6, "heads": [1] * 6, "windows": [[2, 3, 5], [4, 3, 5]] + [[8, 3, 5]] * 4}
    text = {"hidden": 32, "heads": 2, "intermediate": 48, "layers": 3, "vocabulary": 40, "positions": 64}
    training = {
        "corpus": "out", "output": "run", "task": {"kind": "choice", "rows": 3, "frames": 8}, "batch_size": 3, "steps": 1,
        "model": {"size": "tiny", "video": video, "text": text},
        "data": {"tokenizer": vocabulary(tmp_path / "words"), "tokens": 8, "height": 32, "width": 64, "workers": 0},
    }  # fmt: skip
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(training))
    trained = longtake_here("train", str(tmp_path / "train.yaml"), "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    evaluated = longtake_here(
        "evaluate", str(tmp_path / "run"), str(tmp_path / "out"), "--split", "train", "--device", "cpu"
    )
    assert "3 of 3 items" in evaluated.stdout and "frames of the span" in evaluated.stdout, evaluated.stderr


def test_captions_become_one_paragraph_in_the_order_of_the_file(tmp_path: Path) -> None:
    config = sources(tmp_path, "activitynet", "val_1.json", json.dumps(CAPTIONS), uniform=4)
    built = longtake_here("build", str(config))
    assert built.returncode == 0, built.stderr
    found = samples(tmp_path)
    assert found["mammals"]["meta"]["task"] == {
        "kind": "retrieval", "items": [{"sentences": ["Then it eats.", "A bear swims."]}],
    }  # fmt: skip
    assert [s["text"] for s in found["mammals"]["sentences"]] == ["Then it eats. A bear swims."]
    assert found["polar-mammals"]["frame_times_ms"][-1] == found["polar-mammals"]["end_ms"] - 1
    assert longtake_here("verify", str(tmp_path / "out")).returncode == 0
    assert read_video("mammals", load_config(str(config))).text is not None
    refused = longtake_here("plan", str(config), "--set", "output=other", "--probe", "none")
    assert refused.returncode == 2 and "frames.uniform needs the source videos to be probed" in refused.stderr


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"frames": {"per_sentence": 4}}, "recipe how2qa asks about whole videos"),
        ({"frames": {"per_sentence": 4, "uniform": 8}}, "give per_sentence or uniform"),
        ({"coherence": {"enabled": True}}, "remove coherence.enabled"),
        ({"captions": {"model": "m"}}, "remove captions.model"),
        ({"filters": {"pii": "mask"}}, "remove filters.pii"),
        ({"duplicates": {"paragraphs": "drop"}}, "remove duplicates.paragraphs: drop"),
    ],
)
def test_settings_that_do_not_fit_fail_before_any_work(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    config = sources(tmp_path, "how2qa", "rows.jsonl", "", uniform=8)
    raw = yaml.safe_load(config.read_text()) | changes
    config.write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError, match=problem):
        load_config(str(config))
