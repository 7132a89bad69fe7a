"""A finished corpus as Python objects: its tables as Arrow, its samples with their frames. Needs neither torch nor Beam."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike, fspath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from longtake.library.frames import decode
from longtake.library.shards import DamagedSample
from longtake.schemas import storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, finished_manifest
from longtake.schemas.records import Sentence

_KEPT = 4  # index tables of the shards used last
_THREADS = 16  # an index is small: reading one from an object store is mostly waiting
_MAX_SAMPLE = 1 << 30  # bytes


class SplitSize(NamedTuple):
    """The size of a split."""

    samples: int
    frames: int
    shards: int


class SubjectCount(NamedTuple):
    """How many videos, sentences or long clips came in, were kept, and were dropped."""

    total: int
    kept: int
    dropped: int


@dataclass(frozen=True)
class Sample:
    """A sample: consecutive sentences of one source video, and the frames shown while each was said.

    Everything but the frames comes from the index. The frames are read and decoded when you ask for them, and kept.
    """

    row: dict[str, Any] = field(repr=False)
    """All columns of the sample's index row (docs/format.md)."""
    _layout: Layout = field(repr=False)

    @property
    def key(self) -> str:
        """The key, unique in the corpus: video id, start and end in ms."""
        return str(self.row["key"])

    def __repr__(self) -> str:
        return f"Sample({self.key!r}, {len(self.sentences)} sentences, {len(self.frame_times_ms)} frames)"

    @property
    def split(self) -> str:
        """The name of its split."""
        return str(self.row["split"])

    @property
    def video_id(self) -> str:
        """The id of its source video."""
        return str(self.row["video_id"])

    @property
    def license(self) -> str:
        """The licence of its source video, as the record states it; "" if it states none."""
        return self.row["license"] or ""

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences in time order; each has `text`, `start_ms`, `end_ms` in the source video, and `clip_id`."""
        return tuple(map(tables.sentence_from_row, self.row["sentences"]))

    @property
    def paragraph(self) -> str:
        """The texts of the sentences, joined by one space."""
        return str(self.row["paragraph"])

    @cached_property
    def frame_times_ms(self) -> NDArray[np.int64]:
        """When each frame is shown in the source video, in ms; shape (T,), int64, rising."""
        return np.asarray(self.row["frame_pts_ms"], np.int64)

    @cached_property
    def frame_sentence(self) -> NDArray[np.int64]:
        """The number of each frame's sentence; shape (T,), int64."""
        return np.arange(len(self.frame_times_ms)) * len(self.sentences) // max(len(self.frame_times_ms), 1)

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What the source video's record had in `meta`. Raises CorpusError if it is not a JSON object."""
        try:
            found = json.loads(self.row["meta"] or "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CorpusError(f"{self.key}: meta is not a JSON object. Check the corpus with: longtake verify")
        return found

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """All frames, decoded: (T, height, width, 3) RGB, uint8. Raises CorpusError if the sample is damaged, OSError if the
        storage refuses."""
        return self.decode(range(len(self.frame_times_ms)))

    def decode(self, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Decode only some frames, by their numbers from 0: (len(numbers), height, width, 3). Raises as `frames`."""
        jpegs = self.jpegs
        try:
            return decode([jpegs[number] for number in numbers])
        except DamagedSample as damage:
            raise self._damaged(damage.detail) from None

    @cached_property
    def jpegs(self) -> list[bytes]:
        """The frames as they are stored. The sample's hash is checked. Raises as `frames`."""
        return [data for name, data in self.files.items() if name.endswith(".jpg")]

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The members of the sample in its tar, by name; their hash is checked. Raises as `frames`."""
        members = [(m["name"], m["offset"], m["size"]) for m in self.row["members"]]
        start, end = (members[0][1], members[-1][1] + members[-1][2]) if members else (0, 0)
        if not 0 <= end - start <= _MAX_SAMPLE:
            raise self._damaged("its place in the index is impossible")
        data = storage.read_range(self._layout.shard(str(self.row["shard"])), start, end - start)
        found = {name: data[offset - start : offset - start + size] for name, offset, size in members}
        if hashlib.sha256(b"".join(found.values())).hexdigest() != self.row["sha256"]:
            raise self._damaged("its bytes are not those that the index names")
        return found

    def _damaged(self, what: str) -> CorpusError:
        shard = self._layout.shard(str(self.row["shard"]))
        return CorpusError(f"{shard}: sample {self.key}: {what}. Check the corpus with: longtake verify")


class Corpus:
    """A finished corpus. Iterate over it, take a sample by `corpus[key]`, or read its tables as Arrow."""

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open the corpus at `path`, a folder or a URI. Raises CorpusError if it is none or unfinished, OSError."""
        self.path = fspath(path)
        self._layout = Layout(self.path.rstrip("/") or self.path)
        self.manifest: CorpusManifest = finished_manifest(self._layout)
        self._tables: OrderedDict[str, pa.Table] = OrderedDict()

    def __repr__(self) -> str:
        return f"Corpus({self.path!r}, {self.name!r}, {len(self)} samples)"

    @property
    def name(self) -> str:
        """Its name."""
        return self.manifest.name

    @cached_property
    def splits(self) -> dict[str, SplitSize]:
        """The size of each split by its name: samples, frames, shards."""
        return {name: SplitSize(**size) for name, size in sorted(self.manifest.splits().items())}

    @cached_property
    def counts(self) -> dict[str, SubjectCount]:
        """What became of `videos`, `sentences` and `clips`: how many came in, were kept, were dropped."""
        found = self.manifest.counts.items()
        return {subject: SubjectCount(count.total, count.kept, count.dropped) for subject, count in found}

    def plan(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the plan, one row per long clip (docs/format.md); `columns`: only these. Raises CorpusError, OSError."""
        return self._table(self._layout.plan, tables.PLAN, columns)

    def ledger(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the ledger, one row for each thing dropped, and why (docs/ledger.md). Raises CorpusError, OSError."""
        return self._table(self._layout.ledger, tables.LEDGER, columns)

    def index(self, columns: Sequence[str] | None = None, split: str | None = None) -> pa.Table:
        """Read the index, one row per sample in the order of iteration. Raises CorpusError, OSError; KeyError for `split`."""
        paths = [self._layout.shard_index(name) for name, _ in self._shards(split)]
        return _read_all(paths, tables.INDEX, columns)

    def _table(self, folder: str, schema: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
        return _read_all(storage.list_files(folder, ".parquet"), schema, columns)

    def __len__(self) -> int:
        return sum(shard.samples for shard in self.manifest.shards)

    def __iter__(self) -> Iterator[Sample]:
        return self.samples()

    def samples(
        self, split: str | None = None, rank: int = 0, ranks: int = 1, worker: int = 0, workers: int = 1
    ) -> Iterator[Sample]:
        """Iterate over samples in the order of the shards.

        Args:
            split: The name of a split; None: all of them.
            rank: The number of this process, from 0.
            ranks: How many processes share the samples. Each sample comes to one of them.
            worker: The number of this worker of the process, from 0.
            workers: How many workers share the samples of the process.

        Returns:
            The samples of this worker, in shares that differ by one at most. Raises CorpusError for a damaged index, OSError,
            and KeyError for a split that does not exist.
        """
        if not (0 <= rank < ranks and 0 <= worker < workers):
            raise ValueError(f"rank {rank} of {ranks}, worker {worker} of {workers}")
        shards = self._shards(split)
        total, part, parts = sum(samples for _, samples in shards), rank * workers + worker, ranks * workers
        return self._between(shards, part * total // parts, (part + 1) * total // parts)

    def _between(self, shards: Sequence[tuple[str, int]], first: int, last: int) -> Iterator[Sample]:
        start = 0
        for name, samples in shards:
            lo, hi = max(first - start, 0), min(last - start, samples)
            if lo < hi:
                for row in self._rows(name, lo, hi):
                    yield Sample(row, self._layout)
            start += samples

    def _shards(self, split: str | None) -> list[tuple[str, int]]:
        if split is not None and split not in self.splits:
            raise KeyError(f"{self.path} has no split {split!r}; it has {', '.join(self.splits)}")
        return [(s.name.removesuffix(".tar"), s.samples) for s in self.manifest.shards if split in (None, s.split)]

    def _rows(self, shard: str, first: int, last: int) -> list[dict[str, Any]]:
        if shard not in self._tables:
            self._tables[shard] = _read_all([self._layout.shard_index(shard)], tables.INDEX, None)
            if len(self._tables) > _KEPT:
                self._tables.popitem(last=False)
        self._tables.move_to_end(shard)
        try:
            return list(self._tables[shard].slice(first, last - first).to_pylist())
        except (ValueError, pa.ArrowException) as error:  # text that is not UTF-8
            raise _unreadable(self._layout.shard_index(shard), error) from None

    def keys(self, split: str | None = None) -> Iterator[str]:
        """Iterate over the keys, in the order of the shards. Raises as `samples`."""
        return iter(self.index(["key"], split).column("key").to_pylist())

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        names = [name for name, _ in self._shards(None)]
        paths = [self._layout.shard_index(name) for name in names]
        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(lambda path: _read_all([path], tables.INDEX, ["key"]), paths))
        pairs = zip(names, found, strict=True)
        return {key: (name, at) for name, table in pairs for at, key in enumerate(table.column("key").to_pylist())}

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> Sample:
        """Return the sample with this key. Raises KeyError if there is none, CorpusError for a damaged index, OSError."""
        if key not in self._places:
            raise KeyError(f"{self.path} has no sample {key!r}")
        shard, at = self._places[key]
        return Sample(self._rows(shard, at, at + 1)[0], self._layout)

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("_places", "_tables")
        return {name: value for name, value in self.__dict__.items() if name not in left_out} | {
            "_tables": OrderedDict()
        }


def open(path: str | PathLike[str]) -> Corpus:
    """Open a finished corpus.

    `path` is a folder, or a URI that fsspec reads: `gs://`, `s3://`, `hf://datasets/...`. Only `corpus.json` is read now.
    Raises CorpusError if there is no finished corpus, OSError if the storage refuses.
    """
    return Corpus(path)


def _read_all(paths: Sequence[str], schema: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
    """Read the Parquet files as one table. A column that older files do not have is null. Raises CorpusError, OSError."""
    names = list(columns) if columns is not None else schema.names
    if unknown := [name for name in names if name not in schema.names]:
        raise KeyError(f"no column {unknown[0]!r}; there are {', '.join(schema.names)}")
    with ThreadPoolExecutor(_THREADS) as pool:
        parts = list(pool.map(lambda path: _read(path, names), paths))
    wanted = pa.schema([schema.field(name) for name in names])
    try:
        whole = pa.concat_tables([wanted.empty_table(), *parts], promote_options="permissive")
        return whole.select(names)
    except (pa.ArrowException, ValueError) as error:
        raise _unreadable(paths[0] if paths else "the table", error) from None


def _read(path: str, names: Sequence[str]) -> pa.Table:
    try:
        with storage.open_table(path) as stream:
            file = pq.ParquetFile(stream)
            return file.read([name for name in names if name in file.schema_arrow.names])
    except FileNotFoundError:
        raise CorpusError(f"{path}: missing. Check the corpus with: longtake verify") from None
    except storage.PARQUET_ERRORS as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: Exception) -> CorpusError:
    return CorpusError(f"{path}: unreadable: {storage.damage(error)}. Check the corpus with: longtake verify")
