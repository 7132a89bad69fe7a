"""What the section `task` of a training says about the model."""

from typing import Literal

from longtake.model.network.task_head import TaskHead
from longtake.schemas.errors import ConfigError
from longtake.schemas.train_config import TrainConfig


def task_head(config: TrainConfig) -> TaskHead | None:
    """Return what the model is trained for; None: pre-training."""
    task = config.task
    if task.kind == "pretrain":
        return None
    return TaskHead(task.kind, task.classes or 0, task.text_rows, task.span_weight, task.label_smoothing)


def stage_of(head: TaskHead) -> Literal[1, 2]:
    """Return the stage whose parts a task uses: questions need the fusion layers."""
    return 2 if head.kind in ("choice", "answer") else 1


def frames_per_clip(config: TrainConfig) -> int:
    """Return the frames of each of the video's clips (the windows below the tap keep to them). Raises ConfigError."""
    frames, clips = config.task.frames, config.data.sentences
    if frames % clips:
        raise ConfigError(f"task.frames is {frames}, which {clips} clips (data.sentences) do not divide")
    return frames // clips
