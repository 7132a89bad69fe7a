"""The data for comparing two plans: a few numbers for each long clip, read in one pass over the rows, column by column.

Memory holds only 64-bit hashes of ids and texts, so that one machine can compare plans of many millions of rows. The hashes are
Python's: equal for equal values in all plans that one process reads, and worth nothing outside it.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.corpus.withdrawn import Withdrawn, read_withdrawn
from longtake.pipeline.plan.edit.row import inspect_file
from longtake.pipeline.plan.summary import PlanSummary, read_summary
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import unfinished
from longtake.schemas.word_columns import count_all_words

#: One record for each long clip. `split` is an index into the names of the splits.
CLIP = np.dtype(
    [(name, np.uint64) for name in ("key", "video", "text", "source", "frames")]
    + [("split", np.uint16), ("shard", np.int32), ("position", np.int32)]
)
_SOURCE = {"uri": "", "url": "", "license": "", "meta": "{}"}  # what stands for an empty value
_SENTENCE = ("start_ms", "end_ms", "text", "asr")
_ROWS = 2048
_FILES = 16
_NOTHING = 0  # for long clips of a plan without a column

Clips = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class PlanRows:
    """A plan: its figures from _plan.json, if there is one, and the numbers from its rows."""

    files: tuple[str, ...]
    ends: tuple[int, ...]  # for each file, the number of rows up to its end
    summary: PlanSummary | None
    splits: tuple[str, ...]
    clips: Clips
    videos: int
    sentences: int
    words: int
    ms: int
    frames: int | None  # None if there is no column of frame times
    withdrawn: Withdrawn = field(default_factory=Withdrawn)


@dataclass(slots=True)
class _Sums:
    splits: dict[str, int] = field(default_factory=dict)
    room: Clips = field(default_factory=lambda: np.zeros(_ROWS, CLIP))
    rows: int = 0
    sentences: int = 0
    words: int = 0
    ms: int = 0
    frames: int | None = 0

    def add(self, clips: Clips) -> None:
        """Add records. One array that doubles: many small ones that stay would keep the heap from shrinking between the files."""
        end = self.rows + len(clips)
        if end > len(self.room):
            self.room = np.concatenate([self.room, np.zeros(len(self.room), CLIP)])
        self.room[self.rows : end] = clips
        self.rows = end


def read_plan_rows(path: str) -> PlanRows:
    """Read a plan from a corpus folder, a folder with its parts, or one Parquet file. Raises CorpusError."""
    folder, files = _files(path)
    sums, ends = _Sums(), []
    for number, file in enumerate(files, 1):
        _, problems = inspect_file(file)
        if problems:
            raise CorpusError("\n".join(f"{path}: {problem}" for problem in problems))
        ends.append(_read_file(file, sums))
        if number % _FILES == 0:
            gc.collect()  # metadata and schema of a pyarrow file hold each other: a megabyte for a part of a plan
    clips = sums.room[: sums.rows]
    return PlanRows(
        files=tuple(files),
        ends=tuple(accumulate(ends)),
        summary=read_summary(folder),
        splits=tuple(sums.splits),
        clips=clips,
        videos=len(distinct(clips["video"])[0]),
        sentences=sums.sentences,
        words=sums.words,
        ms=sums.ms,
        frames=sums.frames,
        withdrawn=read_withdrawn(Layout(_root(folder))),
    )


def _files(path: str) -> tuple[str, list[str]]:
    for folder in (Layout(path).plan, path):
        files = storage.list_files(folder, ".parquet")
        if files:
            return folder, files
    if path.endswith(".parquet") and storage.exists(path):
        return storage.join(path, "none"), [path]
    if not storage.exists(path):
        raise unfinished(path)
    raise CorpusError(f"{path}: no plan found: neither {Layout(path).plan} nor the folder itself has .parquet files")


def _root(plan: str) -> str:
    """The folder that holds the plan and, beside it, the ledger."""
    return plan.rstrip("/").rpartition("/")[0] or "."


def _read_file(path: str, sums: _Sums) -> int:
    rows = 0
    with storage.open_table(path) as stream:
        file = pq.ParquetFile(stream, pre_buffer=False)
        for batch in file.iter_batches(batch_size=_ROWS, columns=list(_wanted(file)), use_threads=False):
            try:
                batch.validate(full=True)  # UTF-8: texts are compared as bytes
                _add(batch, sums)
            except (TypeError, ValueError, OverflowError, pa.ArrowException) as error:
                at = f"rows {rows + 1} to {rows + batch.num_rows}"
                raise CorpusError(f"{path}: {at} are not rows of a plan: {error}") from None
            rows += batch.num_rows
    return rows


def _wanted(file: pq.ParquetFile) -> Iterator[str]:
    """Yield the columns to read; of the sentences, only some fields."""
    whole = {"video_id", *_SOURCE, "split", "shard", "position", "frame_times_ms"}
    for number in range(len(file.schema)):
        path = file.schema.column(number).path
        name, _, inside = path.partition(".")
        if name in whole or (name == "sentences" and inside.rpartition(".")[2] in _SENTENCE):
            yield path


def _add(batch: pa.RecordBatch, sums: _Sums) -> None:
    if not batch.num_rows:
        return
    clips = np.zeros(batch.num_rows, CLIP)
    videos = _texts(batch["video_id"], "None")
    said = _Sentences.of(batch["sentences"])
    if (empty := np.flatnonzero(said.first == said.last)).size:
        raise ValueError(f"a row of video {videos[int(empty[0])].as_py()!r} has no sentences")
    starts, ends = _whole(said.starts, said.first), _whole(said.ends, said.last - 1)
    clips["video"] = _hashes(videos)
    clips["key"] = _hashed(zip(clips["video"].tolist(), starts.tolist(), ends.tolist(), strict=True))
    clips["text"] = said.hashes()
    clips["source"] = _hashes(_joined(batch))
    clips["split"] = _split_numbers(_texts(batch["split"], "None"), sums.splits)
    for name in ("shard", "position"):
        if name in batch.schema.names:
            clips[name] = pc.fill_null(batch[name].cast(pa.int32()), -1).to_numpy(zero_copy_only=False)
        else:
            clips[name] = -1
    if "frame_times_ms" in batch.schema.names:
        frames, clips["frames"] = _frames(batch["frame_times_ms"])
        sums.frames = None if sums.frames is None else sums.frames + frames
    else:
        sums.frames, clips["frames"] = None, _NOTHING
    sums.ms += int((ends - starts).sum())
    sums.sentences += len(said.texts)
    sums.words += count_all_words(said.texts)
    sums.add(clips)


def distinct(hashes: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The distinct hashes in order, and where each is first. Ten times as fast as np.unique, which looks each one up."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    new = np.concatenate([ordered[:1] == ordered[:1], ordered[1:] != ordered[:-1]])
    return ordered[new], order[new]


# -- texts and hashes --------------------------------------------------------------------------------------------------


def _texts(column: Any, empty: str = "") -> Any:
    """A column of text or ids as large_string, with `empty` for null."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return pc.fill_null(column.cast(pa.large_string()), empty)


def _joined(batch: pa.RecordBatch) -> Any:
    """The columns that describe the source of each row, as one text; a missing column counts as empty."""
    columns = []
    for name, empty in _SOURCE.items():
        if name not in batch.schema.names:
            columns.append(pa.scalar(empty, pa.large_string()))
            continue
        column = batch[name]
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            column = pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
        texts = _texts(column, empty)
        columns.append(pc.if_else(pc.equal(texts, ""), empty, texts) if empty else texts)
    return pc.binary_join_element_wise(*columns, pa.scalar("\x1f", pa.large_string()))


def _hashed(values: Iterable[Any]) -> npt.NDArray[np.uint64]:
    return np.fromiter(map(hash, values), np.int64).view(np.uint64)


def _hashes(texts: Any) -> npt.NDArray[np.uint64]:
    """The hash of each text of a large_string column."""
    data, bounds = _buffer(texts)
    return _hashed(data[first:last] for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def _buffer(texts: Any) -> tuple[bytes, npt.NDArray[np.int64]]:
    """The bytes of a large_string column without nulls, and where each text begins and the last one ends."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(texts) + 1, 8 * texts.offset)
    return b"" if data is None else data.to_pybytes(), bounds


def _split_numbers(splits: Any, known: dict[str, int]) -> npt.NDArray[np.uint16]:
    coded = splits.dictionary_encode()
    numbers = [known.setdefault(name, len(known)) for name in coded.dictionary.to_pylist()]
    return np.asarray(np.array(numbers, np.uint16)[coded.indices.to_numpy()])


def _bounds(column: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each list, the range of its values among all values."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    last = np.cumsum(lengths)
    return last - lengths, last


def _frames(column: Any) -> tuple[int, npt.NDArray[np.uint64]]:
    """The number of frame times, and a hash of those of each row."""
    times = column.flatten().cast(pa.int64()).to_numpy(zero_copy_only=False)
    data, (first, last) = times.tobytes(), _bounds(column)
    spans = zip((8 * first).tolist(), (8 * last).tolist(), strict=True)
    return len(times), _hashed((data[start:end],) for start, end in spans)


def _whole(times: Any, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Some times as whole milliseconds. Raises TypeError, ValueError or OverflowError for what is no number."""
    chosen = times.take(pa.array(rows))
    if pa.types.is_integer(chosen.type) and not chosen.null_count:
        return np.asarray(chosen.cast(pa.int64()).to_numpy())
    return np.array([int(value) for value in chosen.to_pylist()], np.int64)


@dataclass(frozen=True, slots=True)
class _Sentences:
    """The sentences of all rows of a batch; those of row i are [first[i], last[i])."""

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    starts: Any
    ends: Any
    texts: Any
    asr: Any  # the speech if the texts are captions; None without such a field

    @classmethod
    def of(cls, column: Any) -> "_Sentences":
        flat = pa.StructArray.flatten(column.flatten())
        fields = dict(zip((f.name for f in column.type.value_type), flat, strict=True))
        texts, asr = _texts(fields["text"]), fields.get("asr")
        return cls(*_bounds(column), fields["start_ms"], fields["end_ms"], texts, asr)

    def hashes(self) -> npt.NDArray[np.uint64]:
        """The hash of the texts of each row, and of the speech if the texts are captions."""
        speech: Iterator[Any] = repeat(None, len(self.first))
        if self.asr is not None and self.asr.null_count < len(self.asr):
            speech = self._parts(_texts(self.asr), self.asr.is_valid().to_numpy(zero_copy_only=False))
        return _hashed(zip(self._parts(self.texts), speech, strict=True))

    def _parts(self, texts: Any, given: npt.NDArray[np.bool_] | None = None) -> Iterator[Any]:
        """For each row, the bytes and the lengths of its texts; None if none is `given`."""
        data, bounds = _buffer(texts)
        lengths = np.diff(bounds)
        if given is not None:
            lengths[~given] = -1
        sizes = lengths.tobytes()
        spans = (self.first, self.last, bounds[self.first], bounds[self.last])
        for first, last, start, end in zip(*(span.tolist() for span in spans), strict=True):
            if given is not None and not given[first:last].any():
                yield None
            else:
                yield data[start:end], sizes[8 * first : 8 * last]


def rows_at(plan: PlanRows, wanted: Iterable[int], columns: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Some rows of a plan by number, from 0. Reads only the row groups that hold them."""
    left = sorted(set(wanted))
    found: dict[int, dict[str, Any]] = {}
    first = 0
    for path, end in zip(plan.files, plan.ends, strict=True):
        here = [row for row in left if first <= row < end]
        if here:
            found |= {row + first: values for row, values in _pick(path, [row - first for row in here], columns)}
        first = end
    return found


def _pick(path: str, wanted: list[int], columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    with storage.open_table(path) as stream:
        file = pq.ParquetFile(stream)
        names = [name for name in columns if name in file.schema_arrow.names]
        first = 0
        for number in range(file.num_row_groups):
            end = first + file.metadata.row_group(number).num_rows
            here = [row for row in wanted if first <= row < end]
            if here:
                table = file.read_row_group(number, columns=names)
                yield from ((row, table.slice(row - first, 1).to_pylist()[0]) for row in here)
            first = end
