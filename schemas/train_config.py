"""The configuration of a training run, `train.yaml`. A wrong configuration fails here, before any work starts."""

import os
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from longtake.schemas import storage
from longtake.schemas.settings import Section, check_settings, read_settings
from longtake.schemas.task_config import TaskSettings

REFERENCE = "docs/training.md"
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Model(Section):
    """The model to train. `video`, `text` and `losses` change single fields of the size (model/network/sizes.py)."""

    size: Literal["tiny", "compact", "base"] = "compact"
    stage: Literal[1, 2] = 1
    compat: Literal["corrected", "official"] | dict[str, bool] = "corrected"
    video: dict[str, Any] = Field(default={})
    text: dict[str, Any] = Field(default={})
    losses: dict[str, Any] = Field(default={})

    @field_validator("compat", mode="before")
    @classmethod
    def _compat_is_known(cls, compat: Any) -> Any:
        if compat not in ("corrected", "official") and not isinstance(compat, dict):
            raise ValueError(f"{compat!r} must be corrected, official, or switches as in {{own_clip_negatives: true}}")
        if isinstance(compat, dict) and (wrong := [name for name, on in compat.items() if not isinstance(on, bool)]):
            raise ValueError(f"{wrong[0]} must be true or false")
        return compat


class Init(Section):
    """Weights to start from: files, or names on the Hugging Face hub. `weights` may also be a Longtake run or the release."""

    weights: str | None = None
    swin: str | None = None
    bert: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.weights and self.swin:
            raise ValueError("weights already hold a video encoder: remove swin")
        return self


class Data(Section):
    """How a sample becomes model input. Sizes in pixels; null: as the model's size says."""

    split: str = "train"
    sentences: Annotated[int, Field(ge=1, le=64)] = 4
    frames_per_sentence: Positive | None = None
    height: Annotated[int, Field(ge=16, le=4096)] | None = None
    width: Annotated[int, Field(ge=16, le=4096)] | None = None
    tokenizer: str = "uncased"
    tokens: Annotated[int, Field(ge=3, le=512)] = 50
    crop_area: tuple[Share, Share] = (0.8, 1.0)
    crop_ratio: tuple[float, float] = (1.5, 2.0)
    flip: Share = 0.5
    antialias: bool = True
    shuffle_shards: Positive = 8
    workers: Annotated[int, Field(ge=0, le=256)] = 2
    prefetch: Positive = 2

    @model_validator(mode="after")
    def _ranges_in_order(self) -> Self:
        for name, (low, high) in (("crop_area", self.crop_area), ("crop_ratio", self.crop_ratio)):
            if not 0 < low <= high:
                raise ValueError(f"{name}: {low} to {high} is not a range of positive numbers")
        return self


class Optimizer(Section):
    """AdamW, gradient clipping, and a learning rate that rises linearly, then falls linearly to `final` times its peak."""

    lr: Annotated[float, Field(gt=0)] = 5e-5
    betas: tuple[Share, Share] = (0.9, 0.98)
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup: Share = 0.1
    final: Share = 0.01
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0


class Save(Section):
    """How often, in steps, a checkpoint is written, and how many are kept."""

    every: Positive = 1000
    keep: Positive = 3


class Evaluate(Section):
    """How often, in steps, the model is evaluated on `split`. Null: never while training."""

    every: Positive | None = None
    corpus: str | None = None  # null: the corpus of the training
    split: str = "val"
    batch_size: Positive = 16


class TrainConfig(Section):
    """A validated configuration. `base` is the folder (or URI prefix) that its relative paths start from."""

    corpus: str
    output: str
    seed: int = Field(0, ge=0)
    model: Model = Model()
    init: Init = Init()
    data: Data = Data()
    batch_size: Positive = 16
    accumulate: Positive = 1
    steps: Positive | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    task: TaskSettings = TaskSettings()
    optimizer: Optimizer = Optimizer()
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpointing: bool = False
    compile: bool = False
    save: Save = Save()
    evaluate: Evaluate = Evaluate()
    log_every: Positive = 10
    log_to: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)  # beside metrics.jsonl
    base: str = Field(default=".", exclude=True)

    @field_validator("output")
    @classmethod
    def _output_is_local(cls, output: str) -> str:
        if storage.is_remote(output):
            raise ValueError(f"{output}: must be a local folder; copy the run afterwards, or mount the storage")
        return output

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        return self

    @model_validator(mode="after")
    def _a_task_has_its_stage(self) -> Self:
        if self.task.kind != "pretrain" and self.model.stage != 1:
            raise ValueError(f"task {self.task.kind!r} decides the parts of the model: remove model.stage")
        return self

    def resolve(self, path: str) -> str:
        """Return `path` as a usable location: a relative path starts from the configuration's folder."""
        joined = storage.join(self.base, path)
        return joined if storage.is_remote(joined) else os.path.normpath(joined)

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide a step, except the data settings, which the loader compares itself."""
        kept = ("seed", "model", "init", "batch_size", "accumulate", "steps", "epochs", "optimizer", "precision")
        task = set() if self.task.kind == "pretrain" else {"task"}
        return self.model_dump(mode="json", include={*kept, *task})


def load_train_config(path: str, changes: Sequence[str] = ()) -> TrainConfig:
    """Read and validate `path` (local or a URI), with `changes` as in `optimizer.lr=1e-4`. Raises ConfigError with one line for
    each fault."""
    missing = "`longtake init DIR --train CORPUS` writes one to start from."
    return read_settings(path, TrainConfig, missing, REFERENCE, changes)


def parse_train_config(raw: dict[str, Any], where: str = "configuration") -> TrainConfig:
    """Validate settings already read. Raises ConfigError with one line for each fault."""
    return check_settings(raw, TrainConfig, where, REFERENCE)
