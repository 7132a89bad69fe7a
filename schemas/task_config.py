"""The section `task` of `train.yaml`: what a model is trained for, beyond pre-training."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from longtake.schemas.settings import Section

#: Rows of text of an item: four sentences; question, option and six subtitles (How2QA); the question alone.
ROWS = {"retrieval": 4, "choice": 8, "answer": 1, "classify": 1}


class TaskSettings(Section):
    """What is trained. `pretrain`: the stages of the paper. The others need a corpus with tasks (docs/tasks.md)."""

    kind: Literal["pretrain", "retrieval", "choice", "answer", "classify"] = "pretrain"
    classes: Annotated[int, Field(ge=2, le=1 << 20)] | None = None  # of answer and classify
    frames: Annotated[int, Field(ge=1, le=4096)] = 32  # of a sample, spread over the stored ones
    rows: Annotated[int, Field(ge=1, le=64)] | None = None  # of text; null: as the released code
    span_weight: Annotated[float, Field(ge=0)] = 1.0  # choice: of the loss on the frames in which the answer is seen
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0  # choice and answer

    @model_validator(mode="after")
    def _classes_are_counted(self) -> Self:
        wants = self.kind in ("answer", "classify")
        if wants != (self.classes is not None):
            raise ValueError(f"task {self.kind!r} {'needs' if wants else 'takes no'} classes")
        if self.label_smoothing and self.kind not in ("choice", "answer"):
            raise ValueError(f"task {self.kind!r} takes no label_smoothing")
        return self

    @model_validator(mode="after")
    def _options_are_seen(self) -> Self:
        if self.kind == "choice" and self.text_rows < 2:
            raise ValueError("rows is 1: the question takes the first row, and an option the next; set 2 or more")
        return self

    @property
    def text_rows(self) -> int:
        """The rows of text of an item."""
        return self.rows or ROWS.get(self.kind, 4)
