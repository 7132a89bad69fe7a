"""Trainings for downstream tasks: they learn, resume bit for bit, evaluate by the command, and refuse what does not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import ALONE, told, trained, weights
from sources import longtake_here
from task_corpora import make, vocabulary

from longtake.model.network.heads import QuestionModel, VideoClassifier
from longtake.model.retrieval.embedding import Embedder
from longtake.model.training.trainer import Trainer
from longtake.model.weights.checkpoint import CheckpointError, load_model
from longtake.schemas.errors import ConfigError
from longtake.schemas.train_config import parse_train_config

KINDS = ("retrieval", "choice", "answer", "classify")
TASKS: dict[str, dict[str, Any]] = {
    "retrieval": {"kind": "retrieval"},
    "choice": {"kind": "choice", "rows": 3},
    "answer": {"kind": "answer", "classes": 4},
    "classify": {"kind": "classify", "classes": 4},
}
#: Learned from nothing in so many steps; what the answers on held-out videos then reach. Chance is 1/4, for retrieval 1/32.
STEPS = {"retrieval": 100, "choice": 150, "answer": 400, "classify": 25}
REACHED = {"retrieval": 0.25, "choice": 0.9, "answer": 0.8, "classify": 0.9}
METRIC = {"retrieval": "paragraph_to_video/r1"}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus for each kind, and the words."""
    folder = tmp_path_factory.mktemp("tasks")
    vocabulary(folder / "words")
    for kind in KINDS:
        make(folder / kind, kind, 12)  # type: ignore[arg-type]
    return folder


def settings(folder: Path, kind: str, **changes: Any) -> dict[str, Any]:
    video = {"embed_dim": 8, "depths": [1] * 6, "heads": [1] * 6, "windows": [[2, 3, 5], [4, 3, 5]] + [[8, 3, 5]] * 4}
    text = {
        "hidden": 64,
        "heads": 2,
        "intermediate": 128,
        "layers": 3,
        "vocabulary": 40,
        "positions": 64,
        "dropout": 0.0,
    }
    raw: dict[str, Any] = {
        "corpus": str(folder / kind),
        "output": str(folder / "run"),
        "task": {"frames": 8, **TASKS[kind]},
        "model": {"size": "tiny", "video": video, "text": text},
        "data": {"tokenizer": str(folder / "words"), "tokens": 8, "height": 32, "width": 64, "workers": 0, "flip": 0.0},
        "batch_size": 4,
        "steps": 3,
        "optimizer": {"lr": 2e-3, "final": 0.1},
        "precision": "fp32",
        "log_every": 1,
        "save": {"every": 100},
    }
    for name, value in changes.items():
        raw[name] = {**raw[name], **value} if isinstance(value, dict) and name in raw else value
    return raw


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_resumes_bit_for_bit_and_is_evaluated(corpora: Path, tmp_path: Path, kind: str) -> None:
    evaluated = {"every": 3, "split": "train", "batch_size": 5}
    resize = {"resize": "device" if kind == "choice" else "loader"}
    configs = [
        parse_train_config(settings(corpora, kind, output=str(tmp_path / name), evaluate=evaluated, data=resize))
        for name in ("whole", "parts")
    ]
    whole = trained(configs[0])
    trained(configs[1], stop_after=1)
    parts = trained(configs[1], resume=True)
    assert told(configs[0].output) == told(configs[1].output)
    expected, found = weights(whole), weights(parts)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    name = METRIC.get(kind, "answer/accuracy")
    last = [record for record in told(configs[0].output) if f"eval/{name}" in record][-1]
    model, card = load_model(configs[0].output)
    assert card.task is not None and card.task.kind == kind
    assert isinstance(model, {"classify": VideoClassifier, "retrieval": torch.nn.Module}.get(kind, QuestionModel))
    if kind == "classify":
        with pytest.raises(CheckpointError, match="trained for classify: it has no vectors"):
            Embedder.load(configs[0].output)
    if kind == "choice":  # the command prints what the training logged
        report = tmp_path / "metrics.json"
        done = longtake_here(
            "evaluate",
            configs[0].output,
            str(corpora / kind),
            "--split",
            "train",
            "--device",
            "cpu",
            "--json",
            str(report),
        )
        assert done.returncode == 0, done.stderr
        assert f"{100 * last[f'eval/{name}']:.2f} %" in done.stdout and "12 of 12 items" in done.stdout


#: One seed of the quickest is for every run of the tests, the others for `make test-all`.
EACH = [
    pytest.param(k, n, marks=[] if (k, n) == ("classify", 0) else pytest.mark.exhaustive)
    for k in KINDS
    for n in range(3)
]


@pytest.mark.parametrize(("kind", "seed"), EACH)
def test_each_head_learns(tmp_path: Path, kind: str, seed: int) -> None:
    vocabulary(tmp_path / "words")
    make(tmp_path / kind, kind, 96, seed)  # type: ignore[arg-type]
    make(tmp_path / "val", kind, 32, seed + 10, "val")  # type: ignore[arg-type]
    changes = {"batch_size": 16, "steps": STEPS[kind], "seed": seed, "log_every": 1000}
    run = trained(parse_train_config(settings(tmp_path, kind, **changes)))
    report = tmp_path / "metrics.json"
    done = longtake_here("evaluate", run.folder, str(tmp_path / "val"), "--device", "cpu", "--json", str(report))
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())["metrics"]
    values = {
        name: value for name, value in found.items() if name.endswith(("accuracy", "chance", "video/r1", "chance_r1"))
    }
    print(kind, seed, " ".join(f"{name} {value:.3f}" for name, value in values.items()))  # the table of docs/tasks.md
    assert found[METRIC.get(kind, "answer/accuracy")] > REACHED[kind]


@pytest.mark.parametrize(
    ("kind", "changes", "problem"),
    [
        ("answer", {"task": {"kind": "answer", "classes": None}}, "task 'answer' needs classes"),
        ("choice", {"task": {"kind": "choice", "classes": 3}}, "task 'choice' takes no classes"),
        ("choice", {"model": {"stage": 2}}, "remove model.stage"),
        ("choice", {"task": {"rows": 9}}, r"task\.rows is 9, but the model has segments for 8"),
        ("choice", {"data": {"tokens": 30}}, r"task\.rows x data\.tokens is 90"),
        ("answer", {"task": {"frames": 6}}, r"task\.frames is 6, which 4 clips"),
        ("answer", {"data": {"frames_per_sentence": 2}}, r"data\.frames_per_sentence is for pre-training"),
        ("answer", {"data": {"drop_sentences": 0.5}}, r"data\.drop_sentences is for pre-training"),
        ("answer", {"contrast_chunks": 2}, "has no contrast; use accumulate"),
        (
            "answer",
            {"save": {"best": "clip_to_sentence/accuracy"}, "evaluate": {"every": 1, "split": "train"}},
            "no metric",
        ),
        ("answer", {"task": {"classes": 2}}, r"^task\.classes: .* has answer \d, but task\.classes is 2"),
        ("answer", {"task": {"kind": "choice", "classes": None}}, r"^task\.kind: .* is for answer, not for choice"),
        ("retrieval", {"batch_size": 1}, "nothing to contrast with"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    corpora: Path, tmp_path: Path, kind: str, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        Trainer(parse_train_config(settings(corpora, kind, output=str(tmp_path / "run"), **changes)), ALONE).start()


def test_a_run_of_pre_training_keeps_its_settings() -> None:
    raw = {"corpus": "c", "output": "o", "steps": 1}
    assert "task" not in parse_train_config(raw).deciding()
