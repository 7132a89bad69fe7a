"""The shard loader: a finished corpus as batches for LF-VILA, on every rank, from any batch on (docs/lfvila.md)."""

import functools
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from longtake.model.data.order import Order, Ticket, usable_places
from longtake.model.data.samples import Batch, BatchMaker, Shape
from longtake.model.data.shards import LoaderError, ShardReader
from longtake.model.data.text import SentenceTokenizer
from longtake.model.data.transforms import CropRange
from longtake.schemas import manifest as manifests, storage
from longtake.schemas.children import leave_with
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest

log = logging.getLogger(__name__)

# Settings that decide the batches, besides `crop`.
_DECIDING = (
    *("split", "training", "batch_size", "seed", "shuffle_shards", "sentences", "frames_per_sentence"),
    *("height", "width", "tokens", "flip", "antialias"),
)


@dataclass(frozen=True)
class LoaderSettings:
    """Settings of a loader. `split` to `antialias` decide the batches, `workers` and `prefetch` only the speed."""

    corpus: str  # the folder with corpus.json: a path, gs:// or s3://
    tokenizer: str  # "uncased", or a Hugging Face tokenizer: a folder or a name
    split: str = "train"
    training: bool = True  # False: every sample once, in order, first window, centre crop
    batch_size: int = 16  # on each rank
    seed: int = 0
    shuffle_shards: int = 8  # samples are shuffled among this many shards
    sentences: int = 4  # consecutive sentences, and so clips, of a sample
    frames_per_sentence: int | None = None  # None: all frames in the corpus
    height: int = 192
    width: int = 320
    tokens: int = 50  # per sentence, with the special tokens
    crop: CropRange = field(default_factory=CropRange)
    flip: float = 0.5  # probability that a training sample is mirrored; use 0 if texts say left or right
    antialias: bool = True  # False: resize as the torchvision of the released code
    workers: int = 0  # processes of this rank; 0: none
    prefetch: int = 2  # batches that each worker makes ahead


class ShardLoader:
    """Iterates over the remaining batches of the epoch. After the last batch it stands at the next epoch's first.

    `counts` has the samples delivered, damaged (each time that one is met; also by reason, `damaged_<reason>`) and filled in.
    """

    def __init__(self, settings: LoaderSettings, rank: int = 0, ranks: int = 1) -> None:
        """Open the corpus. Raises LoaderError if it cannot be read, ValueError if the settings do not fit it."""
        self.settings = settings
        layout = Layout(settings.corpus)
        manifest = finished_manifest(layout)
        records = [shard for shard in manifest.shards if shard.split == settings.split]
        if not records:
            raise ValueError(
                f"{settings.corpus} has no split {settings.split!r}; it has {', '.join(sorted(manifest.splits()))}"
            )
        per_sentence = int(manifest.config["frames"]["per_sentence"])
        taken = settings.frames_per_sentence or per_sentence
        if not 1 <= taken <= per_sentence:
            raise ValueError(f"frames_per_sentence is {taken}, but the corpus has {per_sentence}")
        if settings.sentences < 1:
            raise ValueError("sentences must be at least 1")
        names = [shard.name.removesuffix(".tar") for shard in records]
        lengths = _sentence_counts(layout, names, [shard.samples for shard in records])
        usable = usable_places(lengths, settings.sentences)
        self.short = sum(map(len, lengths)) - len(usable)  # samples with too few sentences
        if self.short:
            log.warning(
                "%s: %d samples have fewer than %d sentences: left out", layout.root, self.short, settings.sentences
            )
        self.order = Order(
            usable=usable,
            shards=len(names),
            batch_size=settings.batch_size,
            rank=rank,
            ranks=ranks,
            seed=settings.seed,
            shuffle_shards=settings.shuffle_shards,
            training=settings.training,
        )
        self._at = _Position(self.order)
        self.counts: Counter[str] = Counter()
        self.until: Callable[[], bool] = lambda: False  # asked before each batch whether to stop
        self._identity = _identity(settings, ranks, manifest)
        shape = Shape(
            sentences=settings.sentences,
            per_sentence=per_sentence,
            frames_per_sentence=taken,
            height=settings.height,
            width=settings.width,
            crop=settings.crop,
            flip=settings.flip,
            antialias=settings.antialias,
        )
        tokenizer = SentenceTokenizer(settings.tokenizer, settings.tokens)
        reader = ShardReader(layout, kept=2 * settings.shuffle_shards)
        maker = BatchMaker(reader, names, shape, tokenizer, settings.seed, settings.training)
        self._loader = DataLoader(
            maker,
            batch_size=None,
            sampler=self._at,
            num_workers=settings.workers,
            collate_fn=_as_it_is,
            prefetch_factor=settings.prefetch if settings.workers else None,
            persistent_workers=settings.workers > 0,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=functools.partial(_start_worker, os.getpid()),
            # A separate generator: the start of an iteration must draw nothing from the generator of dropout and MTC.
            generator=torch.Generator().manual_seed(settings.seed),
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch on this rank. In training, all ranks have equally many."""
        return self.order.batches

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, from 0."""
        return self._at.epoch

    @property
    def batches_done(self) -> int:
        """Number of batches of this epoch that were yielded."""
        return self._at.batches_done

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches left in this epoch, until `until()` is true. A yielded batch counts as done. Raises LoaderError."""
        try:
            for batch in self._loader:
                if self.until():
                    return
                self._at.advance()
                self._report(batch)
                if len(batch):  # in an evaluation all samples of a batch can be damaged
                    yield batch
        except LoaderError as error:  # a worker's error has its traceback before the message
            raise LoaderError(str(error).rsplit(f"{LoaderError.__name__}: ", 1)[-1].rstrip()) from None

    def _report(self, batch: Batch) -> None:
        self.counts["samples"] += len(batch)
        self.counts["filled"] += len(batch.filled)
        for fault in batch.faults:
            self.counts["damaged"] += 1
            self.counts[f"damaged_{fault.reason}"] += 1
            log.warning("%s: sample %s skipped: %s: %s", fault.shard, fault.key, fault.reason, fault.detail)
        if batch.filled:
            log.warning("in their place, once more in this epoch: %s", ", ".join(batch.filled))

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands: the same on all ranks, except `counts`. Any number of workers may go on from it."""
        return {
            "epoch": self.epoch,
            "batches_done": self.batches_done,
            "counts": dict(self.counts),
            "identity": dict(self._identity),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state. Raises ValueError if corpus, settings or number of ranks would give other batches."""
        theirs = state["identity"]
        differs = [name for name in {*theirs, *self._identity} if theirs.get(name) != self._identity.get(name)]
        if differs:
            pairs = (f"{name} was {theirs.get(name)}, is {self._identity.get(name)}" for name in sorted(differs))
            raise ValueError("the batches would differ from those of the saved state: " + "; ".join(pairs))
        if not 0 <= state["batches_done"] < max(1, len(self)):
            raise ValueError(f"batch {state['batches_done']} of {len(self)}")
        self._at.epoch, self._at.batches_done = state["epoch"], state["batches_done"]
        self.counts = Counter(state["counts"])


@dataclass
class _Position:
    """The place of a loader in its epoch. As DataLoader's sampler it yields the tickets of the batches left."""

    order: Order
    epoch: int = 0
    batches_done: int = 0

    def __iter__(self) -> Iterator[Ticket]:
        epoch, first = self.epoch, self.batches_done
        return (self.order.ticket(epoch, number) for number in range(first, len(self)))

    def __len__(self) -> int:
        return self.order.batches

    def advance(self) -> None:
        self.batches_done += 1
        if self.batches_done == len(self):
            self.epoch, self.batches_done = self.epoch + 1, 0


def _as_it_is(batch: Any) -> Any:
    return batch


def _start_worker(parent: int, worker: int) -> None:
    leave_with(parent)  # DataLoader looks only every 5 s, and not while a worker reads
    # Schedulers and terminals signal a whole process group, but the trainer needs its workers until it has saved. So they
    # leave the group. They must not ignore the signal: DataLoader ends a hanging worker with it.
    os.setpgid(0, 0)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def finished_manifest(layout: Layout) -> CorpusManifest:
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


def _identity(settings: LoaderSettings, ranks: int, manifest: CorpusManifest) -> dict[str, Any]:
    """Return everything that decides the batches."""
    shards = [(s.name, s.samples, s.sha256) for s in manifest.shards if s.split == settings.split]
    return {name: getattr(settings, name) for name in _DECIDING} | {
        "crop": [list(bounds) for bounds in settings.crop],
        "ranks": ranks,
        "shards": hashlib.sha256(json.dumps(shards).encode()).hexdigest(),
    }
