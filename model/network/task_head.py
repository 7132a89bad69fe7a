"""What a model is trained for beyond pre-training, and which released weights it has in common with it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from longtake.model.network.sizes import Bounds, Count, Rate, Weight

#: Projections of pre-training that a model of questions does not have.
PRETRAINING = ("video_local_proj", "text_local_proj", "video_global_proj", "text_global_proj")
LOCAL = ("video_local_proj.", "text_local_proj.")  # those of the temporal contrast


@dataclass(frozen=True)
class TaskHead:
    """What a model is for. `classes`: of answers or labels, 0 where there are none; `rows`: of text, in each item."""

    kind: Literal["retrieval", "choice", "answer", "classify"]
    classes: Annotated[int, Bounds(ge=0, le=1 << 20)] = 0
    rows: Count = 4
    span_weight: Weight = 1.0
    label_smoothing: Rate = 0.0


def new_names(head: TaskHead | None) -> tuple[str, ...]:
    """The starts of names that weights of pre-training lack: these parts start fresh."""
    if head is None:
        return ()
    if head.kind == "retrieval":
        return LOCAL
    heads = ("text_encoder.classifier.", "text_encoder.span_classifier.")
    return heads if head.kind != "classify" else ("video_frame_proj.", "classifier.")


def left_names(head: TaskHead | None) -> tuple[str, ...]:
    """The starts of names in weights of pre-training that a task has no use for."""
    if head is None or head.kind == "retrieval":
        return ()
    if head.kind == "classify":
        return (
            "text_encoder.",
            "sent_embedding.",
            "video_token_pos.",
            "contrast.",
            *(f"{name}." for name in PRETRAINING),
        )
    heads = ("text_encoder.cls.", "text_encoder.seq_relationship.", "contrast.")
    return (*heads, *(f"{name}." for name in PRETRAINING))
