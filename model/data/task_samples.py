"""Batches of tasks: the items of a corpus as rows of tokens, with the right answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from longtake.library.clips import Clip
from longtake.library.shards import DamagedSample
from longtake.model.data.paragraphs import merge_sentences
from longtake.model.data.samples import Batch, BatchMaker, Shape, frames_of
from longtake.model.network.heads import Targets
from longtake.model.network.task_head import TaskHead
from longtake.schemas.task import TaskItem, task_of

NO_CLASS = -100  # the label of a question whose answer is none of the classes


@dataclass(frozen=True)
class TaskBatch(Batch):
    """Items for the model of a task. For choices, ids and mask are (B, K, M, L): M rows for each of K options."""

    targets: Targets | None = None

    def to(self, device: torch.device | str) -> "TaskBatch":
        """Return the batch on another device, without waiting for the copy if memory is pinned."""
        frames, ids, mask = (part.to(device, non_blocking=True) for part in (self.frames, self.ids, self.mask))
        return replace(self, frames=frames, ids=ids, mask=mask, targets=_each(self.targets, device))

    def pin_memory(self) -> "TaskBatch":
        """Return the batch in pinned memory; DataLoader calls this."""
        pinned = None if self.targets is None else Targets(*(part.pin_memory() for part in self.targets))
        frames, ids, mask = (part.pin_memory() for part in (self.frames, self.ids, self.mask))
        return replace(self, frames=frames, ids=ids, mask=mask, targets=pinned)


def _each(targets: Targets | None, device: torch.device | str) -> Targets | None:
    return None if targets is None else Targets(*(part.to(device, non_blocking=True) for part in targets))


@dataclass(frozen=True)
class TaskShape(Shape):
    """The form of the frames of an item. A clip without its item is a damaged sample."""

    def __call__(self, clip: Clip) -> Clip:
        """Cut and resize the frames. Raises DamagedSample."""
        item_of(clip)
        return super().__call__(clip)


@dataclass(frozen=True)
class TaskBatchMaker(BatchMaker):
    """Makes a batch of the items of clips."""

    head: TaskHead

    def __call__(self, clips: Sequence[Clip]) -> TaskBatch:
        """Stack the frames, tokenise the rows of each item, collect the answers."""
        items = [item_of(clip) for clip in clips]
        frames, cuts = frames_of(clips)
        ids, mask = self._rows(items)
        keys, starts = tuple(clip.key for clip in clips), tuple(clip.item or 0 for clip in clips)
        targets = self._targets(clips, items, len(clips[0].frames))
        return TaskBatch(frames, ids, mask, keys, starts, cuts=cuts, targets=targets)

    def _rows(self, items: Sequence[TaskItem]) -> tuple[Tensor, Tensor]:
        paragraphs = [rows for item in items for rows in item_rows(item, self.head)]
        ids, mask = self.tokenizer(paragraphs)
        missing = self.head.rows - ids.shape[1]
        pad = self.tokenizer.tokenizer.pad_token_id or 0
        ids, mask = F.pad(ids, (0, 0, 0, missing), value=pad), F.pad(mask, (0, 0, 0, missing))
        if self.head.kind != "choice":
            return ids, mask
        shape = (len(items), -1, *ids.shape[1:])
        return ids.view(shape), mask.view(shape)

    def _targets(self, clips: Sequence[Clip], items: Sequence[TaskItem], frames: int) -> Targets | None:
        if self.head.kind == "retrieval":
            return None
        answers = torch.tensor([NO_CLASS if item.answer is None else item.answer for item in items], dtype=torch.int64)
        spans = [
            span_labels(item.span, seconds_of(clip.record), frames) for clip, item in zip(clips, items, strict=True)
        ]
        return Targets(
            answers, torch.stack([label for label, _ in spans]), torch.stack([weight for _, weight in spans])
        )


def item_of(clip: Clip) -> TaskItem:
    """Return the item of a clip. Raises DamagedSample."""
    try:
        return task_of(clip.record["meta"]).items[clip.item or 0]
    except (ValueError, LookupError, TypeError) as error:
        raise DamagedSample("json", f"task: {error}") from None


def item_rows(item: TaskItem, head: TaskHead) -> list[list[str]]:
    """Return the rows of text of an item; for choices, those of each option: question, option, subtitles (facts 2)."""
    if head.kind == "retrieval":
        return [merge_sentences(item.sentences, head.rows)]
    if head.kind == "classify":
        return [[]]
    own = 2 if head.kind == "choice" else 1
    left = head.rows - own
    subtitles = merge_sentences(item.subtitles, left) if left > 0 else []
    if head.kind == "answer":
        return [[item.question, *subtitles]]
    return [[item.question, option, *subtitles] for option in item.choices]


def seconds_of(record: dict[str, Any]) -> float:
    """Return the length of a sample."""
    return float(record["end_ms"] - record["start_ms"]) / 1000


def span_labels(span: tuple[float, float] | None, seconds: float, frames: int) -> tuple[Tensor, Tensor]:
    """Return labels (N,) and weights (N,) of frames: 1 inside the span, which weighs as much as all outside (facts 4).

    The span becomes whole frames by rounding its share of the video. An unknown span is all of it, as released.
    """
    start, end = (0.0, 1.0) if span is None else (min(max(0.0, one / seconds), 1.0) for one in span)
    first = min(max(0, round(start * frames)), frames - 1)
    last = min(max(first + 1, round(end * frames)), frames)
    inside = torch.zeros(frames, dtype=torch.bool)
    inside[first:last] = True
    count = last - first
    weights = torch.full((frames,), frames * 0.5 / max(1, frames - count))
    weights[inside] = frames * 0.5 / count
    return inside.long(), weights
