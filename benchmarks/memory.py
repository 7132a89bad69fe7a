"""The activations of LF-VILA that wait for the backward pass, counted as a GPU would keep them in bfloat16.

    python benchmarks/memory.py            # half a minute on one core; writes benchmarks/results/memory.json

The tensors are fake: they have shapes and no content. It sums up the storages that autograd saves, without parameters, for
batches of 1 and 2: the difference is a sample's share, the rest is fixed. On CUDA, autocast computes layer norms in float32; here
their input is made float32 too. With checkpointing, the largest block is added, which the backward pass computes again. Nothing
of this was measured on a GPU.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from longtake.model.network import window_geometry
from longtake.model.network.bert import Layer
from longtake.model.network.heads import QuestionModel, VideoClassifier, make_model
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import SIZES
from longtake.model.network.task_head import TaskHead
from longtake.model.network.video_blocks import VideoBlock

RESULT = Path(__file__).parent / "results" / "memory.json"
TOKENS = 50
TASKS = {
    "retrieval": TaskHead("retrieval"),
    "choice": TaskHead("choice", rows=8),
    "answer": TaskHead("answer", classes=1654, rows=1),
    "statements": TaskHead("answer", classes=2, rows=5),
    "classify": TaskHead("classify", classes=180, rows=1),
}
OPTIONS = 4


class Saved:
    """Counts the bytes of storages that autograd saves, but for `left_out`, and the most of one block."""

    def __init__(self, left_out: set[int]) -> None:
        self.left_out, self.kept, self.block = left_out, dict[int, Any](), 0

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.left_out:
            self.kept[storage._cdata] = storage  # held, so that no other storage gets its place
        return tensor

    def total(self) -> int:
        return sum(storage.nbytes() for storage in self.kept.values())


def made(size: str, job: str) -> LFVila:
    """The model of a stage, as stage1, or of a task."""
    whole = SIZES[size]
    if job not in TASKS:
        return LFVila(whole, int(job.removeprefix("stage")))  # type: ignore[arg-type]
    if job == "retrieval":
        whole = whole.with_losses(replace(whole.losses, mtc_weight=0.0))
    return make_model(whole, 2 if TASKS[job].kind in ("choice", "answer") else 1, "corrected", TASKS[job])


def run(model: LFVila, video: Tensor, rows: int) -> None:
    """One forward pass."""
    batch, head = len(video), model.head
    if isinstance(model, VideoClassifier):
        model.classifier(model.encode_video(video))
        return
    lead = (batch, OPTIONS, rows) if head is not None and head.kind == "choice" else (batch, rows)
    ids = torch.ones(*lead, TOKENS, dtype=torch.long)
    if isinstance(model, QuestionModel):
        model.scores(video, ids, ids)
        return
    videos, texts = model.encode_video(video), model.encode_text(ids, ids)
    if model.stage == 2:
        assert model.video_token_pos is not None
        fused = model.text_encoder.fusion(*model.fusion_input(texts, model.video_token_pos(videos.tokens)))
        model.matching_scores(fused)


def saved(size: str, job: str, batch: int, checkpointing: bool) -> tuple[int, int]:
    """Bytes that a batch keeps for the backward pass, and those of the largest block."""
    whole = SIZES[size]
    model = made(size, job)
    model.set_checkpointing(checkpointing)
    frames = whole.clips * whole.frames_per_clip
    video = torch.randn(batch, 3, frames, whole.height, whole.width)
    count = Saved({parameter.untyped_storage()._cdata for parameter in model.parameters()})
    before: list[int] = []

    def enter(*_: Any) -> None:
        before.append(count.total())

    def leave(*_: Any) -> None:
        count.block = max(count.block, count.total() - before.pop())

    for module in model.modules():
        if isinstance(module, VideoBlock | Layer):
            module.register_forward_pre_hook(enter)
            module.register_forward_hook(leave)
    with (
        torch.autograd.graph.saved_tensors_hooks(count.pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16),
    ):
        run(model, video, TASKS[job].rows if job in TASKS else whole.clips)
    return count.total(), count.block


def in_float32(self: nn.LayerNorm, x: Tensor) -> Tensor:
    """What autocast does on CUDA."""
    with torch.autocast("cpu", enabled=False):
        return F.layer_norm(x.float(), self.normalized_shape, self.weight, self.bias, self.eps)


def real(*arguments: Any, make: Any = window_geometry._tensors) -> Any:
    """The indices of windows, with content."""
    with unset_fake_temporarily():
        return make(*arguments)


def main() -> None:
    """Count, print, write."""
    nn.LayerNorm.forward = in_float32  # type: ignore[method-assign]
    nn.init.trunc_normal_ = lambda tensor, **_: tensor  # it looks at values, which fake tensors do not have
    window_geometry._tensors = real  # type: ignore[assignment]
    found = {}
    for size in ("compact", "base"):
        for job in ("stage1", "stage2", *(TASKS if size == "base" else ())):
            with torch.device("meta"):
                model = made(size, job)
            weights = sum(parameter.numel() for parameter in model.parameters())
            trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
            row: dict[str, int] = {"weights": weights, "trained": trained}
            for checkpointing in (False, True):
                with FakeTensorMode(allow_non_fake_inputs=True):
                    (one, block), (two, blocks) = (saved(size, job, batch, checkpointing) for batch in (1, 2))
                if not checkpointing:
                    row |= {"sample": two - one, "fixed": 2 * one - two, "block": blocks - block}
                else:
                    row |= {"sample_checkpointed": two - one + row["block"]}
            found[f"{size}-{job}"] = row
            print(size, job, row, flush=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
