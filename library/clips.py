"""A clip, and the batch of a ticket made of clips: the same in any process."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from longtake.library.frames import decode, evenly
from longtake.library.order import Order, Places, Ticket
from longtake.library.resize import fitted
from longtake.library.shards import (
    DamagedSample,
    LoaderError,
    RawSample,
    SampleFault,
    ShardReader,
    WantedFrames,
    read_record,
)


@dataclass(frozen=True)
class Clip:
    """A window of a sample: consecutive sentences, and the frames shown while they were said."""

    key: str
    """The key of the sample."""
    start: int
    """The number of its first sentence in the sample."""
    sentences: tuple[str, ...]
    """The texts of the sentences."""
    frames: Tensor
    """(T, height, width, 3) RGB, uint8, in time order."""
    frame_sentence: Tensor
    """(T,) int64: the number of each frame's sentence in the window."""
    record: dict[str, Any]
    """The JSON of the whole sample (docs/format.md)."""
    rng: np.random.Generator
    """Draw random numbers for a transform from it: it depends only on seed, epoch and key, so a resumed run draws the same."""
    item: int | None = None
    """The number of the item of the sample's task, in a dataset of items."""

    @property
    def text(self) -> str:
        """The sentences, joined by one space."""
        return " ".join(self.sentences)

    def to_dict(self) -> dict[str, Any]:
        """Return what a dataset without `transform` yields, which any DataLoader can batch: `key`, `text`, `start`, `frames`,
        `frame_sentence`."""
        return {name: getattr(self, name) for name in ("key", "text", "start", "frames", "frame_sentence")}


class Window(NamedTuple):
    """What is taken of each sample."""

    sentences: int | None  # consecutive ones; None: all
    per_sentence: int  # frames of a sentence in the corpus
    frames_per_sentence: int | None  # of these, how many are taken; None: all
    frames: int | None  # taken of all frames of the window
    size: tuple[int, int] | None  # height and width to fit the frames to
    spread: int | None = None  # taken from the first to the last frame of the window

    def numbers(self, sentences: int, rng: np.random.Generator | None = None) -> list[int]:
        """Return which frames of a window of so many sentences are taken. `rng` draws the first and last of a spread."""
        if self.spread is not None:
            return spread(sentences * self.per_sentence, self.spread, rng)
        if self.frames is not None:
            return evenly(sentences * self.per_sentence, self.frames)
        picked = evenly(self.per_sentence, self.frames_per_sentence or self.per_sentence)
        return [first + k for first in range(0, sentences * self.per_sentence, self.per_sentence) for k in picked]


class Made(NamedTuple):
    """What a ClipMaker makes of a ticket. Damaged samples are skipped; in training others are filled in."""

    batch: Any
    size: int  # samples in it
    faults: tuple[SampleFault, ...]
    filled: tuple[str, ...]  # keys of the samples that stand in for damaged ones


class _Plan(NamedTuple):
    wanted: WantedFrames
    numbers: list[int]  # of the taken frames, within the wanted ones
    key: str
    sentences: int
    start: int
    taken: int  # sentences
    rng: np.random.Generator
    item: int | None  # of the sample's task


class ClipMaker(Dataset[Made]):
    """Makes the batch of a ticket: the same batch in any process, after any other batches."""

    def __init__(
        self,
        reader: ShardReader,
        shards: Sequence[str],
        window: Window,
        order: Order,
        transform: Callable[[Clip], Any],
        collate: Callable[[list[Any]], Any],
    ) -> None:
        self.reader, self.shards, self.window = reader, tuple(shards), window
        self.seed, self.training = order.seed, order.training
        self.transform, self.collate = transform, collate
        self.never_last = False  # the last window of a sample is not drawn, as in the released code of LF-VILA

    def __getitem__(self, ticket: Ticket) -> Made:
        """Make the batch. In training it is full; raises LoaderError if the ticket's spares are too few for that."""
        size, spares = len(ticket.places), ticket.spares
        items, faults, filled = *self._make(ticket.places, ticket.epoch), list[str]()
        while self.training and len(items) < size:
            missing = size - len(items)
            if not len(spares):
                raise LoaderError(
                    f"epoch {ticket.epoch}, batch {ticket.number}: {len(faults)} damaged samples and none left to fill "
                    f"their places. First: {faults[0]}. Check the corpus with: longtake verify"
                )
            more, worse = self._make(spares[:missing], ticket.epoch)
            spares = spares[missing:]
            items += more
            faults += worse
            filled += [key for key, _ in more]
        batch = self.collate([item for _, item in items]) if items else {}
        return Made(batch, len(items), tuple(faults), tuple(filled))

    def _make(self, places: Places, epoch: int) -> tuple[list[tuple[str, Any]], list[SampleFault]]:
        """Return key and item of each sound sample, and the faults of the others."""
        plans = [self._plan(self.shards[shard], int(position), epoch, *item) for shard, position, *item in places]
        items, faults = list[tuple[str, Any]](), list[SampleFault]()
        for plan, raw in zip(plans, self.reader.read([plan.wanted for plan in plans]), strict=True):
            wanted = plan.wanted
            try:
                frames = self.reader.index(wanted.shard).frames(wanted.position)
                if frames != plan.sentences * self.window.per_sentence:
                    raise DamagedSample("member", f"{frames} frames for {plan.sentences} sentences")
                if isinstance(raw, DamagedSample):
                    raise raw
                items.append((plan.key, self.transform(self._clip(plan, raw))))
            except DamagedSample as damage:
                faults.append(SampleFault(wanted.shard, plan.key, damage.reason, damage.detail))
        return items, faults

    def _plan(self, shard: str, position: int, epoch: int, item: int | None = None) -> _Plan:
        index = self.reader.index(shard)
        key, sentences = index.keys[position], int(index.sentences[position])
        rng = sample_generator(self.seed, epoch, key if item is None else f"{key}#{item}")
        taken = self.window.sentences or sentences
        # A window of all sentences draws nothing.
        starts = max(1, sentences - taken + (0 if self.never_last else 1))
        start = int(rng.integers(starts)) if self.training and self.window.sentences else 0
        first = start * self.window.per_sentence
        wanted = WantedFrames(shard, position, first, first + taken * self.window.per_sentence)
        numbers = self.window.numbers(taken, rng if self.training else None)
        return _Plan(wanted, numbers, key, sentences, start, taken, rng, None if item is None else int(item))

    def _clip(self, plan: _Plan, raw: RawSample) -> Clip:
        per_sentence, size = self.window.per_sentence, self.window.size
        record = read_record(raw.json, plan.key, plan.sentences, per_sentence)
        texts = [sentence["text"] for sentence in record["sentences"][plan.start : plan.start + plan.taken]]
        frames = torch.from_numpy(decode([raw.jpegs[number] for number in plan.numbers], size or (0, 0)))
        owners = torch.tensor([number // per_sentence for number in plan.numbers])
        frames = fitted(frames, *size) if size else frames
        return Clip(plan.key, plan.start, tuple(texts), frames, owners, record, plan.rng, plan.item)


def sample_generator(seed: int, epoch: int, key: str) -> np.random.Generator:
    """Return the generator of one sample in one epoch. Its draws do not depend on where or when the sample is read."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{key}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def spread(total: int, wanted: int, rng: np.random.Generator | None = None) -> list[int]:
    """Return which of `total` frames are taken: floor(linspace(first, last, wanted)).

    Without `rng`, first and last are frames 0 and total - 1. With it they are drawn, as the released code of LF-VILA draws them
    for downstream tasks: uniform in the first and in the last floor(total / (wanted - 1)) + 1 frames.
    """
    first, last = 0, total - 1
    if rng is not None and wanted > 1:
        interval = total // (wanted - 1)
        first, last = int(rng.integers(interval + 1)), int(rng.integers(max(total - 1 - interval, 0), total))
        first, last = min(first, last), max(min(first, total - 1), last)
    return [int(number) for number in np.linspace(first, last, wanted)]


def collate_clips(items: list[Any]) -> Any:
    """Join items to a batch: of dicts, a dict with tensors stacked and everything else in lists; else as torch's default_collate.

    Raises ValueError if tensors differ in shape.
    """
    if not isinstance(items[0], dict):
        return default_collate(items)
    joined: dict[str, Any] = {}
    for name in items[0]:
        values = [item[name] for item in items]
        if not isinstance(values[0], Tensor):
            joined[name] = values
            continue
        if len(shapes := {tuple(value.shape) for value in values}) > 1:
            some = " and ".join(map(str, sorted(shapes)[:2]))
            raise ValueError(f"{name} of shapes {some} cannot be one batch: pass size, and frames or sentences")
        joined[name] = torch.stack(values)
    return joined
