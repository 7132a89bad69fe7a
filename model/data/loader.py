"""The shard loader: a finished corpus as batches for LF-VILA, on every rank, from any batch on (docs/lfvila.md)."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from longtake.library.dataset import ClipDataset
from longtake.library.items import TaskItems
from longtake.library.order import Order
from longtake.library.shards import LoaderError as LoaderError
from longtake.model.data.related import digest, sample_vectors
from longtake.model.data.samples import Batch, BatchMaker, Shape
from longtake.model.data.task_samples import TaskBatchMaker, TaskShape
from longtake.model.data.text import SentenceTokenizer
from longtake.model.data.transforms import CropRange
from longtake.model.network.task_head import TaskHead
from longtake.schemas.errors import ArgumentError

# Settings that decide the batches, besides `crop`.
_DECIDING = (
    *("split", "training", "batch_size", "seed", "shuffle_shards", "sentences", "frames_per_sentence"),
    *("height", "width", "tokens", "flip", "antialias"),
)
_SWITCHES = ("released_crop", "released_window", "on_device")


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
    released_crop: bool = False  # training crops of the released code, which are all the same for 16:9 (facts #8)
    released_window: bool = False  # never draw the window of a sample's last sentences, as the released code (facts #7)
    on_device: bool = False  # workers only cut training frames out; `Batch.sized` resizes them where the model is
    related: str | None = None  # a table of `longtake embed`: training batches are groups of neighbours
    workers: int = 0  # processes of this rank; 0: none
    prefetch: int = 2  # batches that each worker makes ahead
    task: TaskHead | None = None  # take the items of the samples' tasks, not their sentences
    frames: int = 32  # of an item


class ShardLoader:
    """Iterates over the remaining batches of the epoch. After the last batch it stands at the next epoch's first.

    `counts` has the samples delivered, damaged (each time that one is met; also by reason, `damaged_<reason>`) and filled in.
    It is a ClipDataset with the transform and the tokens of the paper, and its loader.
    """

    def __init__(self, settings: LoaderSettings, rank: int = 0, ranks: int = 1) -> None:
        """Open the corpus. Raises LoaderError if it cannot be read, ValueError if the settings do not fit it."""
        self.settings = settings
        if settings.sentences < 1:
            raise ValueError("sentences must be at least 1")
        shape = (Shape if settings.task is None else TaskShape)(
            settings.height, settings.width, settings.crop, settings.flip, settings.antialias, settings.training,
            settings.released_crop, settings.on_device,
        )  # fmt: skip
        tokenizer, task = SentenceTokenizer(settings.tokenizer, settings.tokens), settings.task
        self.dataset = ClipDataset(
            settings.corpus,
            settings.split,
            sentences=settings.sentences if task is None else None,
            frames_per_sentence=settings.frames_per_sentence if task is None else None,
            spread=None if task is None else settings.frames,
            items=task is not None,
            transform=shape,
            batch_size=settings.batch_size,
            collate=BatchMaker(tokenizer) if task is None else TaskBatchMaker(tokenizer, task),
            training=settings.training,
            seed=settings.seed,
            shuffle_shards=settings.shuffle_shards,
            rank=rank,
            ranks=ranks,
            even=False,
            identity=_identity(settings),
        )
        self.dataset.maker.never_last = settings.released_window
        if settings.related is not None and settings.training:
            order = self.dataset.order
            vectors = sample_vectors(settings.related, settings.corpus, self.dataset.maker.shards, order.usable)
            self.dataset.reorder(replace(order, vectors=vectors), related=digest(vectors))
        if task is not None and self.dataset.items is not None:
            check_items(self.dataset.items, task, settings)
        self.short = self.dataset.short  # samples with too few sentences
        self._loader = self.dataset.loader(settings.workers, settings.prefetch)

    def __len__(self) -> int:
        """Return the number of batches of an epoch on this rank. In training, all ranks have equally many."""
        return len(self.dataset)

    @property
    def order(self) -> Order:
        """Which sample is read when."""
        return self.dataset.order

    @property
    def counts(self) -> Counter[str]:
        """Samples delivered, damaged and filled in."""
        return self.dataset.counts

    @property
    def until(self) -> Callable[[], bool]:
        """Asked before each batch whether to stop."""
        return self._loader.until

    @until.setter
    def until(self, ask: Callable[[], bool]) -> None:
        self._loader.until = ask

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, from 0."""
        return self.dataset.epoch

    @property
    def batches_done(self) -> int:
        """Number of batches of this epoch that were yielded."""
        return self.dataset.batches_done

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches left in this epoch, until `until()` is true. A yielded batch counts as done. Raises LoaderError."""
        for made in self._loader.made():
            if made.size:  # in an evaluation all samples of a batch can be damaged
                yield replace(made.batch, faults=made.faults, filled=made.filled)

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands: the same on all ranks, except `counts`. Any number of workers may go on from it."""
        return self.dataset.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state. Raises ValueError if corpus, settings or number of ranks would give other batches."""
        self.dataset.load_state_dict(state)


def _identity(settings: LoaderSettings) -> dict[str, Any]:
    """Return the settings that decide the batches, by name."""
    crop = [list(bounds) for bounds in settings.crop]
    task = {} if settings.task is None else {"task": asdict(settings.task), "frames": settings.frames}
    decided = {name: getattr(settings, name) for name in _DECIDING} | {"crop": crop} | task
    # Those that are off are left out: a state of an earlier version does not know them.
    return decided | {name: True for name in _SWITCHES if getattr(settings, name)}


def check_items(items: TaskItems, task: TaskHead, settings: LoaderSettings) -> None:
    """Raise ValueError if the items of a corpus do not fit a task."""
    corpus = settings.corpus
    if items.kinds != {task.kind}:
        found = f"for {' and '.join(sorted(items.kinds))}" if items.kinds else "without tasks"
        raise ArgumentError("kind", f"{corpus} is {found}, not for {task.kind}: build it as docs/tasks.md says")
    if task.classes and items.classes > task.classes:
        raise ArgumentError("classes", f"{corpus} has answer {items.classes - 1}, but task.classes is {task.classes}")
    if settings.training and items.unanswered:
        raise ValueError(
            f"{corpus} has {items.unanswered} questions whose answer is none of the classes: only evaluate it"
        )
    if task.kind == "choice" and len(items.choices) > 1:
        raise ValueError(
            f"{corpus} has questions with {' and '.join(map(str, sorted(items.choices)))} choices; take one number"
        )
