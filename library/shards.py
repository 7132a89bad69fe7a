"""Read samples from shards at the places in the index, and only the bytes that are asked for.

A sample is one piece of its tar. So its JSON is one range of bytes, any run of its frames another; members outside the ranges
are neither fetched nor decoded. The index says where the data of each member lies, and the tar header before it must agree.
"""

import io
import json
import tarfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import MEMBER_JSON, Layout, frame_member

Reason = Literal["unreadable", "truncated", "member", "json", "jpeg"]
_BLOCK = 512  # bytes of a tar block
_LONGEST = 100  # bytes of a name in a plain tar header


class LoaderError(CorpusError):
    """A corpus cannot be loaded; the message says what is wrong and what to do."""


class SampleFault(NamedTuple):
    """A damaged sample.

    `unreadable`: storage refused; `truncated`: the shard ends too early; `member`: one is missing, or another is in its place;
    `json`: not as docs/format.md says; `jpeg`: a frame cannot be decoded, or frames differ in size.
    """

    shard: str
    key: str
    reason: Reason
    detail: str


class DamagedSample(ValueError):
    """A sample is damaged; `reason` says how."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class WantedFrames(NamedTuple):
    """Frames `first` to `last`, exclusive, of the sample at `position` of a shard."""

    shard: str
    position: int
    first: int
    last: int


class RawSample(NamedTuple):
    """The bytes of a sample in its shard: its JSON and the JPEGs that were asked for."""

    json: bytes
    jpegs: list[bytes]


@dataclass(frozen=True)
class ShardIndex:
    """Where the members of a shard's samples lie."""

    keys: list[str]
    sentences: NDArray[np.int32]  # of each sample
    bounds: NDArray[np.int64]  # the members of sample i are members bounds[i] to bounds[i + 1]
    starts: NDArray[np.int64]  # of the members' tar headers
    ends: NDArray[np.int64]  # of the last blocks of the members' data
    offsets: NDArray[np.int64]  # of the members' data
    sizes: NDArray[np.int64]  # of the members' data, in bytes

    def frames(self, position: int) -> int:
        """Return how many members of a sample are neither JSON nor text."""
        return int(self.bounds[position + 1] - self.bounds[position]) - 2


def read_index(layout: Layout, shard: str) -> ShardIndex:
    """Read the index of a shard. Raises LoaderError."""
    path = layout.shard_index(shard)
    try:
        table = storage.read_parquet(path, columns=["key", "position", "members", "n_sentences"])
        members = table.column("members").combine_chunks()
        offset, size = (members.values.field(name).to_numpy() for name in ("offset", "size"))
        blocks = -(-(offset + size) // _BLOCK) * _BLOCK
        if not np.array_equal(table.column("position").to_numpy(), np.arange(len(table))):
            raise ValueError("positions are not 0, 1, 2, ...")
        return ShardIndex(
            keys=table.column("key").to_pylist(),
            sentences=table.column("n_sentences").to_numpy(),
            bounds=members.offsets.to_numpy().astype(np.int64),
            # A long name has a header of more than one block, so a member starts where the previous one ends.
            starts=np.concatenate([[0], blocks[:-1]]).astype(np.int64),
            ends=blocks,
            offsets=offset,
            sizes=size,
        )
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise LoaderError(f"{path}: cannot read the index: {error}. Check the corpus with: longtake verify") from None


class ShardReader:
    """Reads samples by shard and position, from any storage. Keeps the indexes of the `kept` shards used last."""

    def __init__(self, layout: Layout, kept: int = 16) -> None:
        self.layout, self.kept = layout, kept
        self._indexes: OrderedDict[str, ShardIndex] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_indexes": OrderedDict()}

    def index(self, shard: str) -> ShardIndex:
        """Return the index of a shard. Raises LoaderError."""
        if shard not in self._indexes:
            self._indexes[shard] = read_index(self.layout, shard)
            if len(self._indexes) > self.kept:
                self._indexes.popitem(last=False)
        self._indexes.move_to_end(shard)
        return self._indexes[shard]

    def read(self, wanted: Sequence[WantedFrames]) -> list[RawSample | DamagedSample]:
        """Read the wanted samples, in this order; a damaged one comes as its error. Object stores get all requests at once."""
        spans = [span for one in wanted for span in self._spans(one)]
        if not spans:
            return []
        paths, starts, ends = (list(column) for column in zip(*spans, strict=True))
        found = storage.read_ranges(paths, starts, ends)
        out: list[RawSample | DamagedSample] = []
        for number, one in enumerate(wanted):
            try:
                pieces = [Piece(found[i], starts[i], ends[i]) for i in (2 * number, 2 * number + 1)]
                out.append(self._raw(one, *pieces))
            except DamagedSample as damage:
                out.append(damage)
        return out

    def _spans(self, wanted: WantedFrames) -> list[tuple[str, int, int]]:
        index, path = self.index(wanted.shard), self.layout.shard(wanted.shard)
        first, end = index.bounds[wanted.position : wanted.position + 2]
        # After the JSON and the text. A sample that lacks frames is found later.
        lo, hi = min(first + 2 + wanted.first, end - 1), min(first + 1 + wanted.last, end - 1)
        return [
            (path, int(index.starts[first]), int(index.ends[first])),
            (path, int(index.starts[lo]), int(index.ends[hi])),
        ]

    def _raw(self, wanted: WantedFrames, head: "Piece", run: "Piece") -> RawSample:
        index = self.index(wanted.shard)
        key = index.keys[wanted.position]
        first, end = (int(bound) for bound in index.bounds[wanted.position : wanted.position + 2])
        frames = end - first - 2  # the others are JSON and text
        names = [(f"{key}.{frame_member(n, frames)}", first + 2 + n) for n in range(wanted.first, wanted.last)]
        if missing := [name for name, at in names if at >= end]:
            raise DamagedSample("member", f"{missing[0]} is not where the index says")
        starts, offsets, sizes = (part[first:end].tolist() for part in (index.starts, index.offsets, index.sizes))
        json_data = head.member(f"{key}.{MEMBER_JSON}", starts[0], offsets[0], sizes[0])
        places = ((name, at - first) for name, at in names)
        return RawSample(json_data, [run.member(name, starts[n], offsets[n], sizes[n]) for name, n in places])


class Piece:
    """The bytes [start, end) of a shard. Raises DamagedSample if they could not be read or are too few."""

    def __init__(self, data: bytes | Exception, start: int, end: int) -> None:
        if isinstance(data, Exception):
            raise DamagedSample("unreadable", f"{type(data).__name__}: {data}")
        if len(data) < end - start:
            raise DamagedSample("truncated", f"{end - start - len(data)} bytes are missing")
        self._data, self._start = data, start

    def member(self, name: str, start: int, offset: int, size: int) -> bytes:
        """Return the data of a member: its header is at `start` of the shard, its data at `offset`. Raises DamagedSample."""
        header = self._data[start - self._start : offset - self._start]
        data = self._data[offset - self._start : offset - self._start + size]
        if len(data) != size or not _is_header(header, name, size):
            raise DamagedSample("member", f"{name} is not where the index says")
        return data


def _is_header(header: bytes, name: str, size: int) -> bool:
    """Whether these are the tar header of a plain file of this name and size. tarfile takes 20 times as long to say so."""
    encoded = name.encode("utf-8", "surrogatepass")
    if len(header) == _BLOCK and len(encoded) < _LONGEST:
        digits = header[124:136].strip(b"\0 ")
        return (
            header.startswith(encoded + b"\0") and header[156] in b"0\0" and digits.isdigit() and int(digits, 8) == size
        )
    try:
        with tarfile.open(fileobj=io.BytesIO(header)) as tar:  # a long name is in blocks of its own
            found = tar.next()
    except (tarfile.TarError, ValueError):
        return False
    return (
        found is not None and found.isreg() and (found.name, found.size, found.offset_data) == (name, size, len(header))
    )


def read_texts(data: bytes, key: str, sentences: int, per_sentence: int) -> list[str]:
    """Read the texts of the sentences in a sample's JSON. Raises DamagedSample as `read_record`."""
    return [sentence["text"] for sentence in read_record(data, key, sentences, per_sentence)["sentences"]]


def read_record(data: bytes, key: str, sentences: int, per_sentence: int) -> dict[str, Any]:
    """Read a sample's JSON. Raises DamagedSample if its key is not `key` or its frames are not as expected."""
    try:
        raw = json.loads(data)
        texts = [sentence["text"] for sentence in raw["sentences"]]
        owners, own = raw["frame_sentence"], raw["key"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedSample("json", f"{type(error).__name__}: {error}") from None
    if own != key or len(texts) != sentences or not all(isinstance(text, str) for text in texts):
        raise DamagedSample("json", f"key {own!r} with {len(texts)} sentences; the index says {sentences}")
    if owners != [number for number in range(sentences) for _ in range(per_sentence)]:
        raise DamagedSample("json", f"frame_sentence is not {per_sentence} frames for each sentence")
    found: dict[str, Any] = raw
    return found
