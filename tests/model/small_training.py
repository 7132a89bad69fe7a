"""Trainings small enough for tests: a step takes some hundredths of a second."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from data_corpora import make, vocabulary

from longtake.model.training.log import read_metrics
from longtake.model.training.process import Process
from longtake.model.training.trainer import Trainer
from longtake.schemas.train_config import TrainConfig, parse_train_config

ALONE = Process(0, 1, torch.device("cpu"))
# What a record says about the clock and the machine, not about the training.
MEASURED = {"samples_per_s", "data_wait", "memory_gb", "seconds"}
VIDEO = {"embed_dim": 4, "depths": [1] * 6, "heads": [1] * 6, "windows": [[2, 3, 5], [4, 3, 5]] + [[8, 3, 5]] * 4}
TEXT = {"hidden": 32, "heads": 2, "intermediate": 48, "layers": 3, "vocabulary": 40, "positions": 64}


def write_corpora(folder: Path) -> None:
    """Corpora of 12 training and 5 other samples, and a vocabulary."""
    make(folder / "corpus", [[4, 5, 4, 6], [4, 4, 7, 4], [5, 4, 4, 4]])
    make(folder / "other", [[4, 5, 4], [4, 6]], split="val")
    vocabulary(folder / "words")


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """A training on them for 6 steps; `changes` replaces settings, those of sections one by one."""
    video = {**VIDEO, "local_window": 4}
    raw: dict[str, Any] = {
        "corpus": str(folder / "corpus"),
        "output": str(folder / "run"),
        "model": {"size": "tiny", "video": video, "text": dict(TEXT)},
        "data": {"tokenizer": str(folder / "words"), "tokens": 8, "height": 32, "width": 64, "workers": 0},
        "batch_size": 3,
        "steps": 6,
        "precision": "fp32",
        "log_every": 1,
        "save": {"every": 100},
    }
    for name, value in changes.items():
        raw[name] = {**raw[name], **value} if isinstance(value, dict) and name in raw else value
    return raw


def configured(folder: Path, **changes: Any) -> TrainConfig:
    """A configuration; of stage 2, unless told otherwise, on top of a stage 1 of one step."""
    model = changes.get("model", {})
    if model.get("stage") == 2 and "init" not in changes:
        changes["init"] = {"weights": first_stage(folder, {k: v for k, v in model.items() if k in ("text", "video")})}
    return parse_train_config(settings(folder, **changes))


def first_stage(folder: Path, model: dict[str, Any]) -> str:
    """The run of a stage 1 with these parts."""
    run = folder / f"first-{hashlib.sha256(repr(model).encode()).hexdigest()[:8]}"
    if not run.is_dir():
        trained(configured(folder, output=str(run), model=model, steps=1))
    return str(run)


def written(folder: Path, name: str = "train.yaml", **changes: Any) -> Path:
    """The same as a file."""
    path = folder / name
    path.write_text(yaml.safe_dump(settings(folder, **changes)))
    return path


def trained(
    config: TrainConfig,
    resume: bool = False,
    stop_after: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Trainer:
    """Train in this process; `stop_after` asks to stop while that step is taken."""
    trainer = Trainer(config, ALONE, say)
    trainer.start(resume)
    trainer.run(lambda: stop_after is not None and trainer.step >= stop_after)
    return trainer


def told(run: Path | str) -> list[dict[str, Any]]:
    """The records of a run without what was measured."""
    return [
        {name: value for name, value in record.items() if name not in MEASURED} for record in read_metrics(str(run))
    ]


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}
