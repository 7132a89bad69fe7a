"""A finished corpus as clips and batches for torch, on every rank, from any batch on. `longtake.torch` exports it.

`ClipDataset` decides what is read: which samples, windows and frames, on which rank, in which order. A `ClipMaker` (clips.py)
makes the batch of a ticket. The dataset asks it for tickets itself; a `ClipLoader` lets workers do so.
"""

import functools
import hashlib
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from longtake.library.clips import Clip, ClipMaker, Made, Window, collate_clips
from longtake.library.items import read_items
from longtake.library.order import Order, Ticket, usable_places
from longtake.library.shards import (
    LoaderError,
    ShardReader,
)
from longtake.schemas import manifest as manifests, storage
from longtake.schemas.children import leave_with
from longtake.schemas.errors import ArgumentError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest

log = logging.getLogger(__name__)
_SHARED = ("batch_size", "ranks")  # their product decides the batch of all ranks


class ClipDataset(IterableDataset[Any]):
    """The clips of one split, as an iterable for torch.

    With `batch_size` it yields batches, which a DataLoader takes with `batch_size=None`; without, it yields single clips. With
    `training`, samples are shuffled anew in each epoch, and every rank gets equally many full batches of other samples, whatever
    the numbers of shards, samples and workers. Without, every sample comes once, in the order of the corpus, with its first
    window; the ranks have equally many batches, of which some can be empty (`{}`), or numbers of single clips that differ by one.

    `loader` makes a DataLoader with workers whose position `state_dict` knows. With a DataLoader of your own and workers, call
    `set_epoch` before each epoch; torchdata's StatefulDataLoader keeps the position of each worker.
    """

    def __init__(
        self,
        corpus: str | os.PathLike[str],
        split: str = "train",
        *,
        sentences: int | None = None,
        frames: int | None = None,
        frames_per_sentence: int | None = None,
        spread: int | None = None,
        items: bool = False,
        size: int | tuple[int, int] | None = None,
        transform: Callable[[Clip], Any] = Clip.to_dict,
        batch_size: int | None = None,
        collate: Callable[[list[Any]], Any] = collate_clips,
        training: bool = True,
        seed: int = 0,
        shuffle_shards: int = 8,
        rank: int | None = None,
        ranks: int | None = None,
        even: bool = True,
        identity: dict[str, Any] | None = None,
    ) -> None:
        """Open the corpus and read the number of sentences of each sample.

        Args:
            corpus: The folder or URI of a finished corpus, as for `longtake.open`.
            split: The split to read.
            sentences: Take a window of so many consecutive sentences of each sample, drawn anew in each epoch of a training.
                Samples with fewer are left out; `short` is their number. None: take all sentences.
            frames: Take so many frames of the window in all: number floor(k * n / frames) of its n frames. If n is smaller,
                frames repeat.
            frames_per_sentence: Take so many frames of each sentence instead. None, without `frames`: take all.
            spread: Take so many frames from the first to the last of the window instead; in a training, both are drawn near the
                ends (`longtake.library.clips.spread`).
            items: Take each item of a sample's task (docs/tasks.md) as a sample of its own; `clip.item` is its number. Samples
                without a task are left out; `short` is their number.
            size: Height and width of the frames, or one number for both: the largest middle part of this shape is cut out and
                resized. None: as they are.
            transform: Makes the item from a Clip. It must draw random numbers from `clip.rng` only.
            batch_size: Samples of a batch on each rank. None: yield items, not batches.
            collate: Makes a batch from the list of its items. Never called without items.
            training: Shuffle, and draw windows.
            seed: Decides the order and all draws.
            shuffle_shards: Samples are shuffled among so many shards.
            rank: The number of this process. None: as torch.distributed says, or the environment (RANK), or 0.
            ranks: The number of processes. None: likewise (WORLD_SIZE), or 1.
            even: In an evaluation, give all ranks equally many batches, of which some can be empty. False: leave these out.
            identity: What decides the batches besides the shards, for `load_state_dict` to compare. None: the arguments.

        Returns:
            Nothing. Raises LoaderError if the corpus cannot be read, ValueError if the arguments do not fit it.
        """
        own_rank, own_ranks = _processes()
        rank, ranks = own_rank if rank is None else rank, own_ranks if ranks is None else ranks
        path = os.fspath(corpus)
        layout = Layout(path.rstrip("/") or path)
        manifest = read_finished(layout)
        records = [shard for shard in manifest.shards if shard.split == split]
        if not records:
            has = ", ".join(sorted(manifest.splits()))
            raise ArgumentError("split", f"{path} has no split {split!r}; it has {has}")
        per_sentence = int(manifest.config["frames"]["per_sentence"])
        box = (size, size) if isinstance(size, int) else size
        window = Window(sentences, per_sentence, frames_per_sentence, frames, box, spread)
        _check(window)
        names = [shard.name.removesuffix(".tar") for shard in records]
        lengths = _sentence_counts(layout, names, [shard.samples for shard in records])
        self.items = read_items(layout, names) if items else None
        usable = usable_places(lengths, sentences or 1) if self.items is None else self.items.places
        without = 0 if self.items is None else self.items.without
        self.short = without if items else sum(map(len, lengths)) - len(usable)  # samples with too few sentences
        if without:
            log.warning("%s: %d samples have no task: left out", layout.root, without)
        elif self.short:
            log.warning("%s: %d samples have fewer than %d sentences: left out", layout.root, self.short, sentences)
        self.order = Order(
            usable=usable,
            shards=len(names),
            batch_size=batch_size or 1,
            rank=rank,
            ranks=ranks,
            seed=seed,
            shuffle_shards=shuffle_shards,
            training=training,
        )
        self.counts: Counter[str] = Counter()
        self.single = batch_size is None
        own = self.order.own if self.single else self.order.batches
        self.position = Position(self.order, self.order.most_batches if training or (even and not self.single) else own)
        reader = ShardReader(layout, kept=2 * shuffle_shards)
        self.maker = ClipMaker(reader, names, window, self.order, transform, _only if self.single else collate)
        taken = {name: value for name, value in window._asdict().items() if name != "spread" or value is not None}
        decided = identity or taken | ({"items": True} if items else {}) | {
            **{"split": split, "batch_size": batch_size, "training": training, "seed": seed},
            "shuffle_shards": shuffle_shards,
        }
        self._identity = {**decided, "ranks": ranks, "shards": _digest(manifest, split)}

    def __len__(self) -> int:
        """Return the number of batches of an epoch, or of clips, on this rank."""
        return len(self.position)

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, from 0."""
        return self.position.epoch

    @property
    def batches_done(self) -> int:
        """The number of batches of this epoch that were yielded; of clips, without `batch_size`."""
        return self.position.batches_done

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch."""
        self.position.epoch, self.position.batches_done = epoch, 0

    def __iter__(self) -> Iterator[Any]:
        """Yield what is left of the epoch; a yielded batch counts as done. In a DataLoader worker, yield its share.

        Raises LoaderError if damaged samples leave too few to fill a batch.
        """
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        epoch, first = self.position.epoch, self.position.batches_done
        numbers = range(first + worker, len(self), workers)
        for number in numbers:
            made = self.maker[self.order.ticket(epoch, number)]
            # Worker 0 of 1 goes on behind this batch; each of several behind its own last one.
            self.position.move(epoch, number + workers - worker)
            self.report(made)
            if made.size or not self.single:
                yield made.batch
        if not numbers:
            self.position.move(epoch, len(self))

    def report(self, made: Made) -> None:
        """Count what was made, and log damage."""
        self.counts["samples"] += made.size
        self.counts["filled"] += len(made.filled)
        for fault in made.faults:
            self.counts["damaged"] += 1
            self.counts[f"damaged_{fault.reason}"] += 1
            log.warning("%s: sample %s skipped: %s: %s", fault.shard, fault.key, fault.reason, fault.detail)
        if made.filled:
            log.warning("in their place, once more in this epoch: %s", ", ".join(made.filled))

    def state_dict(self) -> dict[str, Any]:
        """Return where the dataset stands; without workers, the same on all ranks except `counts`."""
        return {
            "epoch": self.epoch,
            "batches_done": self.batches_done,
            "counts": dict(self.counts),
            "identity": dict(self._identity),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state: the next batches are the same, bit for bit.

        In training the number of ranks may be another one if `ranks x batch_size` is the same: the ranks then share the batches
        of the saved state. Raises ValueError if corpus or arguments would give other batches.
        """
        theirs = state["identity"]
        shared = self.order.training and not self.single and _samples_of(theirs) == _samples_of(self._identity)
        differs = [
            name
            for name in {*theirs, *self._identity}
            if theirs.get(name) != self._identity.get(name) and not (shared and name in _SHARED)
        ]
        if differs:
            pairs = (f"{name} was {theirs.get(name)}, is {self._identity.get(name)}" for name in sorted(differs))
            raise ValueError("the batches would differ from those of the saved state: " + "; ".join(pairs))
        if not 0 <= state["batches_done"] < max(1, len(self)):
            raise ValueError(f"batch {state['batches_done']} of {len(self)}")
        if shared:  # further states tell of the same cut
            self.reorder(replace(self.order, lanes=theirs["ranks"]), **{name: theirs[name] for name in _SHARED})
        self.position.epoch, self.position.batches_done = state["epoch"], state["batches_done"]
        self.counts = Counter(state["counts"])

    def reorder(self, order: Order, **identity: Any) -> None:
        """Take the samples in another order; `identity` is what `load_state_dict` compares of it."""
        self.order = self.position.order = order
        self._identity |= identity

    def loader(self, workers: int = 0, prefetch: int = 2) -> "ClipLoader":
        """Return a loader whose workers make the batches; this dataset's `state_dict` knows its position.

        `workers` is the number of processes (0: none), `prefetch` how many batches each makes ahead. They change only the speed:
        a state may be loaded with other numbers.
        """
        return ClipLoader(self, workers, prefetch)


class ClipLoader:
    """Iterates over the batches left in a dataset's epoch, made by workers. Behind the last is the next epoch's first."""

    def __init__(self, dataset: ClipDataset, workers: int = 0, prefetch: int = 2) -> None:
        """See `ClipDataset.loader`."""
        self.dataset = dataset
        self.until: Callable[[], bool] = lambda: False  # asked before each batch whether to stop
        self._loader: DataLoader[Made] = DataLoader(
            dataset.maker,
            batch_size=None,
            sampler=dataset.position,
            num_workers=workers,
            collate_fn=_as_it_is,
            prefetch_factor=prefetch if workers else None,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=functools.partial(_start_worker, os.getpid()),
            # A separate generator: the start of an iteration must draw nothing from the generator of a model.
            generator=torch.Generator().manual_seed(dataset.order.seed),
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch on this rank."""
        return len(self.dataset)

    def made(self) -> Iterator[Made]:
        """Yield the batches left, with what was damaged. Raises LoaderError."""
        try:
            for made in self._loader:
                if self.until():
                    return
                self.dataset.position.move(self.dataset.epoch, self.dataset.batches_done + 1)
                self.dataset.report(made)
                yield made
        except LoaderError as error:  # a worker's error has its traceback before the message
            raise LoaderError(str(error).rsplit(f"{LoaderError.__name__}: ", 1)[-1].rstrip()) from None

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches left in this epoch, until `until()` is true. A yielded batch counts as done. Raises LoaderError."""
        return (made.batch for made in self.made() if made.size or not self.dataset.single)

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands: the same on all ranks, except `counts`. Any number of workers may go on from it."""
        return self.dataset.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state. Raises ValueError as `ClipDataset.load_state_dict`."""
        self.dataset.load_state_dict(state)


@dataclass
class Position:
    """The place of a dataset in its epoch. As DataLoader's sampler it yields the tickets of the batches left."""

    order: Order
    batches: int
    epoch: int = 0
    batches_done: int = 0

    def __iter__(self) -> Iterator[Ticket]:
        epoch, first = self.epoch, self.batches_done
        return (self.order.ticket(epoch, number) for number in range(first, len(self)))

    def __len__(self) -> int:
        return self.batches

    def move(self, epoch: int, batches_done: int) -> None:
        """Go to a batch; behind the last one lies the next epoch."""
        done = batches_done >= len(self)
        self.epoch, self.batches_done = (epoch + 1, 0) if done else (epoch, batches_done)


def _samples_of(identity: dict[str, Any]) -> int | None:
    """Return the samples of a batch of all ranks; None if they are not numbers."""
    found = [identity.get(name) for name in _SHARED]
    return math.prod(found) if all(isinstance(one, int) for one in found) else None  # type: ignore[arg-type]


def _only(items: list[Any]) -> Any:
    return items[0]


def _as_it_is(batch: Any) -> Any:
    return batch


def _start_worker(parent: int, worker: int) -> None:
    leave_with(parent)  # DataLoader looks only every 5 s, and not while a worker reads
    # Schedulers and terminals signal a whole process group, but the trainer needs its workers until it has saved. So they
    # leave the group. They must not ignore the signal: DataLoader ends a hanging worker with it.
    os.setpgid(0, 0)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _processes() -> tuple[int, int]:
    """Return rank and number of processes, as torch.distributed or its launcher says."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    rank, ranks = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    return (int(rank), int(ranks)) if rank.isdecimal() and ranks.isdecimal() else (0, 1)


def _check(window: Window) -> None:
    taken = window.frames_per_sentence
    if sum(one is not None for one in (taken, window.frames, window.spread)) > 1:
        raise ValueError("frames, frames_per_sentence and spread exclude each other: give one")
    if taken is not None and not 1 <= taken <= window.per_sentence:
        raise ArgumentError(
            "frames_per_sentence", f"frames_per_sentence is {taken}, but the corpus has {window.per_sentence}"
        )
    for name in ("sentences", "frames", "spread"):
        if (value := getattr(window, name)) is not None and value < 1:
            raise ValueError(f"{name} must be at least 1")
    if window.size and min(window.size) < 1:
        raise ValueError(f"size {window.size}: height and width must be at least 1")


def read_finished(layout: Layout) -> CorpusManifest:
    """Read the corpus.json of a finished corpus. Raises LoaderError if there is none."""
    try:
        return manifests.finished_manifest(layout)
    except (CorpusError, OSError) as error:
        told = LoaderError(str(error))
        told.exit_code = getattr(error, "exit_code", told.exit_code)
        raise told from None


def _sentence_counts(layout: Layout, names: list[str], samples: list[int]) -> list[NDArray[np.int32]]:
    """Read the number of sentences of each sample of each shard, from one column of its index."""

    def read(name: str, expected: int) -> NDArray[np.int32]:
        path = layout.shard_index(name)
        try:
            column = storage.read_parquet(path, columns=["n_sentences"]).column(0).to_numpy()
        except (OSError, ValueError, KeyError) as error:
            raise LoaderError(
                f"{path}: cannot read the index: {error}. Check the corpus with: longtake verify"
            ) from None
        if len(column) != expected:
            raise LoaderError(
                f"{path} has {len(column)} samples, corpus.json says {expected}. Check the corpus with: longtake verify"
            )
        return np.asarray(column, np.int32)

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(read, names, samples))


def _digest(manifest: CorpusManifest, split: str) -> str:
    shards = [(s.name, s.samples, s.sha256) for s in manifest.shards if s.split == split]
    return hashlib.sha256(json.dumps(shards).encode()).hexdigest()
