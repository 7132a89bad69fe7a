"""The configuration of a training run, `train.yaml`. A wrong configuration fails here, before any work starts."""

import os
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from longtake.schemas import storage
from longtake.schemas.settings import Section, SettingsFile, check_settings, read_settings
from longtake.schemas.task_config import TaskSettings

REFERENCE = "docs/training.md"
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
_VARYING = (
    "mix",
    "concatenate",
    "drop_sentences",
    "one_frame",
    "curriculum",
)  # settings of `data` that no loader compares


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


class Mixed(Section):
    """A further corpus of the training, and how often a batch is taken from it; the main corpus has the weight 1."""

    corpus: str
    weight: Annotated[float, Field(gt=0)] = 1.0
    split: str = "train"
    sentences: Annotated[int, Field(ge=1, le=64)] | None = None
    frames_per_sentence: Positive | None = None


class Phase(Section):
    """The frames of each sentence until this share of the steps."""

    until: Annotated[float, Field(gt=0, le=1)]
    frames_per_sentence: Positive


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
    resize: Literal["loader", "device"] = "loader"  # of training frames; evaluations are always resized by the loader
    related: str | None = None
    mix: tuple[Mixed, ...] = ()
    concatenate: Share = 0.0
    drop_sentences: Annotated[float, Field(ge=0, lt=1)] = 0.0
    one_frame: Share = 0.0
    curriculum: tuple[Phase, ...] = ()
    shuffle_shards: Positive = 8
    workers: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = "auto"
    prefetch: Positive = 2

    @model_validator(mode="after")
    def _ranges_in_order(self) -> Self:
        for name, (low, high) in (("crop_area", self.crop_area), ("crop_ratio", self.crop_ratio)):
            if not 0 < low <= high:
                raise ValueError(f"{name}: {low} to {high} is not a range of positive numbers")
        ends = [phase.until for phase in self.curriculum]
        if ends and (ends != sorted(set(ends)) or ends[-1] != 1):
            raise ValueError(f"curriculum: until is {ends}; it must rise, and end with 1.0")
        return self


class Optimizer(Section):
    """AdamW, gradient clipping, and a learning rate that rises linearly, then falls as `schedule` says."""

    schedule: Literal["linear", "cosine", "step"] = "linear"
    lr: Annotated[float, Field(gt=0)] = 5e-5
    betas: tuple[Share, Share] = (0.9, 0.98)
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup: Share = 0.1
    final: Share = 0.01
    step_epochs: Annotated[float, Field(gt=0)] = 5.0
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.25
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    groups: Literal["corrected", "released"] = "corrected"
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0


class Save(Section):
    """How often, in steps, a checkpoint is written, and how many are kept. `best`: a metric whose best weights are kept too."""

    every: Positive = 1000
    keep: Positive = 3
    best: str | None = None


class Evaluate(Section):
    """How often, in steps, the model is evaluated on `split`. Null: never while training.

    The training ends after `patience` evaluations without a better value of `save.best`.
    """

    every: Positive | None = None
    corpus: str | None = None  # null: the corpus of the training
    split: str = "val"
    batch_size: Positive = 16
    patience: Positive | None = None


class TrainConfig(SettingsFile):
    """A validated configuration. `base` is the folder (or URI prefix) that its relative paths start from."""

    corpus: str
    output: str
    seed: int = Field(0, ge=0)
    model: Model = Model()
    init: Init = Init()
    data: Data = Data()
    batch_size: Positive = 16
    accumulate: Positive = 1
    contrast_chunks: Positive = 1
    steps: Positive | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    task: TaskSettings = TaskSettings()
    optimizer: Optimizer = Optimizer()
    freeze: tuple[str, ...] = ()
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    skip_nonfinite: Annotated[int, Field(ge=0)] = 0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    checkpointing: bool = False
    compile: Literal[False, True, "reduce-overhead", "max-autotune"] = False
    kernels: Literal["plain", "fused"] = "plain"
    norms: Literal["fp32", "bf16"] = (
        "fp32"  # what layer norms of the video encoder read and write, if precision is bf16
    )
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
    def _chunks_are_equal(self) -> Self:
        if self.batch_size % self.contrast_chunks:
            raise ValueError(f"batch_size {self.batch_size} cannot be cut into {self.contrast_chunks} contrast_chunks")
        if self.contrast_chunks > 1 and self.model.stage == 2:
            raise ValueError("contrast_chunks: stage 2 has no contrast; use accumulate")
        return self

    @model_validator(mode="after")
    def _graphs_are_of_one_shape(self) -> Self:
        if isinstance(self.compile, bool):
            return self
        graphs = f"compile: {self.compile} records CUDA graphs"
        for name in ("one_frame", "curriculum", "mix"):
            if getattr(self.data, name):
                raise ValueError(f"{graphs}, which have one shape: remove data.{name}, or set compile to true")
        for name in ("accumulate", "contrast_chunks"):
            if getattr(self, name) > 1:
                raise ValueError(
                    f"{graphs}, whose next run overwrites what {name} keeps: remove it, or set compile to true"
                )
        return self

    @model_validator(mode="after")
    def _evaluations_decide(self) -> Self:
        if self.save.best is not None and self.evaluate.every is None:
            raise ValueError("save.best needs evaluations: set evaluate.every")
        if self.evaluate.patience is not None and self.save.best is None:
            raise ValueError("evaluate.patience counts evaluations without a better save.best: set save.best")
        return self

    @model_validator(mode="after")
    def _a_task_has_its_stage(self) -> Self:
        if self.task.kind == "pretrain":
            return self
        if self.model.stage != 1:
            raise ValueError(f"task {self.task.kind!r} decides the parts of the model: remove model.stage")
        given = self.data.model_dump(include={*_VARYING, "related", "frames_per_sentence"}, exclude_defaults=True)
        if given:
            raise ValueError(f"data.{min(given)} is for pre-training: remove it, or task")
        if self.contrast_chunks > 1 and self.task.kind != "retrieval":
            raise ValueError(f"contrast_chunks: task {self.task.kind!r} has no contrast; use accumulate")
        return self

    def resolve(self, path: str) -> str:
        """Return `path` as a usable location: a relative path starts from the configuration's folder."""
        joined = storage.join(self.base, path)
        return joined if storage.is_remote(joined) else os.path.normpath(joined)

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide a step, except batch size and data settings, which the loader compares itself.

        Those that a checkpoint of an earlier version does not know are left out while they have their defaults.
        """
        kept = ("seed", "model", "init", "accumulate", "steps", "epochs", "optimizer", "precision")
        task = set() if self.task.kind == "pretrain" else {"task"}
        found = self.model_dump(mode="json", include={*kept, *task})
        later = {"optimizer": ("schedule", "step_epochs", "step_factor", "layer_decay", "groups")}
        for section, names in later.items():
            fields = type(getattr(self, section)).model_fields
            for name in names:
                if found[section][name] == fields[name].default:
                    del found[section][name]
        data = self.data.model_dump(mode="json", include={*_VARYING}, exclude_defaults=True)
        if data:
            found["data"] = data
        for name in ("freeze", "ema", "norms"):
            if getattr(self, name) != type(self).model_fields[name].default:
                found[name] = self.model_dump(mode="json", include={name})[name]
        return found


def load_train_config(path: str, changes: Sequence[str] = ()) -> TrainConfig:
    """Read and validate `path` (local or a URI), with `changes` as in `optimizer.lr=1e-4`. Raises ConfigError with one line for
    each fault."""
    missing = "`longtake init DIR --train CORPUS` writes one to start from."
    return read_settings(path, TrainConfig, missing, REFERENCE, changes)


def parse_train_config(raw: dict[str, Any], where: str = "configuration") -> TrainConfig:
    """Validate settings already read. Raises ConfigError with one line for each fault."""
    return check_settings(raw, TrainConfig, where, REFERENCE)
