"""Evaluation of a task over a whole split, on all ranks: the published metrics, and chance beside them."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from longtake.model.data.loader import ShardLoader
from longtake.model.data.task_samples import NO_CLASS, TaskBatch
from longtake.model.network.heads import QuestionModel, VideoClassifier
from longtake.model.network.lfvila import LFVila
from longtake.model.network.task_head import TaskHead
from longtake.model.retrieval.evaluation import evaluating, gather_rows
from longtake.model.retrieval.metrics import retrieval_metrics
from longtake.model.training.process import Process
from longtake.schemas.keys import hash64


@torch.inference_mode()
def evaluate_task(
    model: LFVila, loader: ShardLoader, head: TaskHead, process: Process, dtype: torch.dtype | None = None
) -> dict[str, float]:
    """Measure a model on all items of a loader with `training=False`. Every rank must call it and gets the same result.

    Args:
        model: the model of the task, on the process's device.
        loader: its items, at the start of an epoch.
        head: the task.
        process: this process.
        dtype: the dtype of mixed precision; None: the precision of the model.

    Returns:
        For retrieval the metrics of `retrieval_metrics`. Else `answer/accuracy` and `answer/chance`, the share of the commonest
        answer (of choices, 1 / their number); for choices also `span/accuracy` and `span/chance`, over frames. And `items`, those
        measured, `damaged` and `short`.
    """
    damaged = loader.counts["damaged"]
    rows: list[Tensor] = []
    device = process.device
    with evaluating(model):
        for batch in loader:  # ranks may have different numbers of batches, so nothing in here may wait for the others
            if not isinstance(batch, TaskBatch):
                raise ValueError("the loader gives no items of tasks")
            batch = batch.to(device)
            with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
                rows.append(_measured(model, batch, head).double().cpu())
    width = 2 * model.size.text.hidden + 2 if head.kind == "retrieval" else 6
    found = gather_rows(torch.cat(rows) if rows else torch.zeros(0, width, dtype=torch.float64), device)
    lost = process.mean(torch.tensor([float(loader.counts["damaged"] - damaged)], device=device)) * process.ranks
    metrics = _retrieval(found) if head.kind == "retrieval" else _answers(found, head)
    return metrics | {"items": float(len(found)), "damaged": round(float(lost)), "short": float(loader.short)}


def _measured(model: LFVila, batch: TaskBatch, head: TaskHead) -> Tensor:
    """Return a row of numbers for each item of a batch."""
    if head.kind == "retrieval":
        videos = model.encode_video(batch.video(), model.size.clips).video
        texts = model.encode_text(batch.ids, batch.mask).paragraph
        # Two halves: float64 holds no 64-bit hash.
        names = [hash64(key) for key in batch.keys]
        halves = torch.tensor([[name >> 32, name & 0xFFFFFFFF] for name in names], dtype=torch.float64)
        return torch.cat([halves, videos.double().cpu(), texts.double().cpu()], 1)
    targets: Any = batch.targets
    spans: Tensor | None = None
    if isinstance(model, VideoClassifier):
        scores = model.classifier(model.encode_video(batch.video()))
    elif isinstance(model, QuestionModel):
        scores, spans = model.scores(batch.video(), batch.ids, batch.mask)
    else:
        raise TypeError(f"{type(model).__name__} answers no questions")
    right = (scores.argmax(-1) == targets.answer).double()
    inside, frames = targets.span.sum(1).double(), torch.full_like(right, targets.span.shape[1])
    hits = torch.zeros_like(right) if spans is None else (spans.argmax(-1) == targets.span).sum(1).double()
    options = torch.full_like(right, scores.shape[1])
    return torch.stack([right, targets.answer.double(), options, hits, inside, frames], 1)


def _answers(rows: Tensor, head: TaskHead) -> dict[str, float]:
    if not len(rows):
        return {"answer/accuracy": float("nan"), "answer/chance": float("nan")}
    right, answers, options, hits, inside, frames = rows.unbind(1)
    counts = Counter(answer for answer in answers.tolist() if answer != NO_CLASS)
    commonest = max(counts.values(), default=0) / len(rows)
    chance = float((1 / options).mean()) if head.kind == "choice" else commonest
    found = {"answer/accuracy": float(right.mean()), "answer/chance": chance}
    if head.kind == "choice":
        within = float(inside.sum() / frames.sum())
        found |= {"span/accuracy": float(hits.sum() / frames.sum()), "span/chance": max(within, 1 - within)}
    return found


def _retrieval(rows: Tensor) -> dict[str, float]:
    """Measure retrieval; a video with several paragraphs counts once, and each of them is right for it."""
    names, features = [tuple(pair) for pair in rows[:, :2].tolist()], rows[:, 2:].float()
    numbers: dict[tuple[float, ...], int] = {}
    groups = torch.tensor([numbers.setdefault(name, len(numbers)) for name in names], dtype=torch.int64)
    firsts = {name: number for number, name in reversed(list(enumerate(names)))}
    first = torch.tensor([firsts[name] for name in numbers], dtype=torch.int64)
    videos, paragraphs = features.chunk(2, dim=1)
    return retrieval_metrics(paragraphs, videos[first], groups, torch.arange(len(numbers)))
