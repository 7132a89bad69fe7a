"""The fine-tunings of LF-VILA on its downstream tasks, with the values of the released configurations (microsoft/XPretrain)."""

from collections.abc import Mapping
from typing import Any

from longtake.jobs.presets.preset import Footprint, Preset

GPUS = 8  # the released configurations name the batch of a GPU, and not how many there were
_DATA = {"split": "train", "sentences": 4, "height": 192, "width": 320, "tokens": 50}
_DIFFERS = (
    f"The released configuration names the batch of each GPU; {GPUS} GPUs are assumed.",
    "precision: bf16; the released code has fp16 with a scaled loss.",
    "model.compat: corrected, as the paper describes it; `official` is as the released code computes (docs/lfvila.md).",
    "data.crop_ratio: the released 3/4 to 4/3 fits no 16:9 picture, so that all its crops were the same.",
    "optimizer.groups: corrected trains the pooler, which all answers are read from; the released code left it out.",
)
_RETRIEVAL = Footprint(fixed=5.1e9, sample=2.0e9, sample_checkpointed=3.6e8, frames=5.9e6)
_STEPS = {"schedule": "step", "step_epochs": 5, "step_factor": 0.25}
_BEST = {"retrieval": "paragraph_to_video/r1"}


def _preset(
    name: str,
    data_set: str,
    task: Mapping[str, Any],
    epochs: int,
    warmup_epochs: int,
    batch: int,
    footprint: Footprint,
    every: int,
    optimizer: Mapping[str, Any] | None = None,
    tokens: int = 50,
) -> Preset:
    """A fine-tuning.

    Args:
        name: of the preset.
        data_set: its name, for people.
        task: the section `task`.
        epochs: of the training.
        warmup_epochs: of these, how many until the peak of the rate.
        batch: samples on each GPU.
        footprint: memory of a GPU.
        every: steps between two evaluations.
        optimizer: what differs from AdamW at 5e-5 with a linear fall to 1 %.
        tokens: of a row of text.

    Returns:
        The preset.
    """
    kind, needs = str(task["kind"]), 2 if task["kind"] in ("choice", "answer") else 1
    settings: dict[str, Any] = {
        "seed": 42,
        "epochs": epochs,
        "precision": "bf16",
        "model": {"size": "base", "compat": "corrected"},
        "init": {"weights": f"../stage{needs}/run"},
        "data": {**_DATA, "tokens": tokens},
        "task": {"frames": 32, **task},
        "optimizer": {
            "schedule": "linear", "lr": 5e-5, "betas": [0.9, 0.98], "eps": 1e-8, "weight_decay": 0.05,
            "warmup": round(warmup_epochs / epochs, 4), "final": 0.01, "clip_norm": None, **(optimizer or {}),
        },
        "save": {"every": 2000, "keep": 3, "best": _BEST.get(kind, "answer/accuracy")},
        "evaluate": {"every": every, "split": "test", "batch_size": 16},
    }  # fmt: skip
    return Preset(
        name=name,
        title=f"LF-VILA on {data_set}: {kind}",
        settings=settings,
        batch=batch * GPUS,
        gpus=f"{batch} samples a GPU",
        footprint=footprint,
        workers=9,
        contrasts=kind == "retrieval",
        differs=(f"init.weights: name your run of stage {needs}, or the released lfvila_stage{needs}.bin.", *_DIFFERS),
    )


def _retrieval(name: str, data_set: str, every: int, **changes: Any) -> Preset:
    task = {"kind": "retrieval", "rows": changes.pop("rows", 4)}
    return _preset(f"retrieval-{name}", data_set, task, 20, 1, 16, _RETRIEVAL, every, {**_STEPS, **changes})


def _labels(name: str, data_set: str, classes: int, every: int) -> Preset:
    footprint = Footprint(fixed=1.7e9, sample=1.9e9, sample_checkpointed=3.5e8, frames=5.9e6)
    return _preset(name, data_set, {"kind": "classify", "classes": classes}, 500, 1, 16, footprint, every)


TASKS = (
    _retrieval("activitynet", "ActivityNet Captions", 100),
    _retrieval("didemo", "DiDeMo", 25),
    _retrieval("queryd", "QuerYD", 25),
    _retrieval("condensedmovies", "Condensed Movies", 100, rows=1, step_epochs=1, step_factor=0.5),
    _preset(
        "how2qa", "How2QA", {"kind": "choice", "rows": 8, "span_weight": 1.0}, 30, 10, 4,
        Footprint(fixed=7.6e9, sample=8.2e9, sample_checkpointed=7.8e8, frames=5.9e6), 500,
    ),
    _preset(
        "violin", "VIOLIN", {"kind": "answer", "classes": 2, "rows": 5}, 100, 10, 12,
        Footprint(fixed=7.6e9, sample=2.8e9, sample_checkpointed=3.8e8, frames=5.9e6), 500, {"weight_decay": 0.1}, 30,
    ),
    _preset(
        "activitynetqa", "ActivityNet-QA", {"kind": "answer", "classes": 1654, "rows": 1}, 100, 10, 16,
        Footprint(fixed=7.6e9, sample=2.2e9, sample_checkpointed=3.6e8, frames=5.9e6), 500,
        {"weight_decay": 0.1, "schedule": "cosine", "final": 0.0002},
    ),
    _labels("coin", "COIN", 180, 200),
    _labels("lvu-relationship", "LVU, relationship", 4, 5),
    _labels("lvu-speaking", "LVU, way of speaking", 5, 10),
    _labels("lvu-scene", "LVU, scene", 6, 50),
)  # fmt: skip
