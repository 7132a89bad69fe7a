"""The data for comparing two plans: a few numbers for each long clip, read in one pass over the rows.

Memory holds only 64-bit hashes of ids and texts, so that one machine can compare plans of many millions of rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
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
from longtake.schemas.keys import hash64, sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import unfinished
from longtake.schemas.words import count_words

#: One record for each long clip. `split` is an index into the names of the splits.
CLIP = np.dtype(
    [(name, np.uint64) for name in ("key", "text", "source", "frames")]
    + [("split", np.uint16), ("shard", np.int32), ("position", np.int32)]
)
_SOURCE = ("uri", "url", "license", "meta")
_ROWS = 1024

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
    clips: list[Clips] = field(default_factory=list)
    videos: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    sentences: int = 0
    words: int = 0
    ms: int = 0
    frames: int | None = 0


def read_plan_rows(path: str) -> PlanRows:
    """Read a plan from a corpus folder, a folder with its parts, or one Parquet file. Raises CorpusError."""
    folder, files = _files(path)
    sums, ends = _Sums(), []
    for file in files:
        _, problems = inspect_file(file)
        if problems:
            raise CorpusError("\n".join(f"{path}: {problem}" for problem in problems))
        ends.append(_read_file(file, sums))
    clips = np.concatenate([*sums.clips, np.zeros(0, CLIP)])
    return PlanRows(
        files=tuple(files),
        ends=tuple(accumulate(ends)),
        summary=read_summary(folder),
        splits=tuple(sums.splits),
        clips=clips,
        videos=len(np.unique(np.concatenate([*sums.videos, np.zeros(0, np.uint64)]))),
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
        file = pq.ParquetFile(stream)
        wanted = ("video_id", *_SOURCE, "sentences", "split", "shard", "position", "frame_times_ms")
        columns = [name for name in file.schema_arrow.names if name in wanted]
        for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
            try:
                _add(batch, sums)
            except (TypeError, ValueError, pa.ArrowException) as error:
                at = f"rows {rows + 1} to {rows + batch.num_rows}"
                raise CorpusError(f"{path}: {at} are not rows of a plan: {error}") from None
            rows += batch.num_rows
    return rows


def _add(batch: pa.RecordBatch, sums: _Sums) -> None:
    videos = [str(video) for video in batch["video_id"].to_pylist()]
    clips = np.zeros(batch.num_rows, CLIP)
    for row, (video, spoken) in enumerate(zip(videos, _sentences(batch["sentences"]), strict=True)):
        starts, ends, texts, said = spoken
        if not texts:
            raise ValueError(f"a row of video {video!r} has no sentences")
        clips["key"][row] = hash64(sample_key(video, int(starts[0]), int(ends[-1])))
        clips["text"][row] = hash64("\x1f".join([*texts, *said]))
        sums.ms += int(ends[-1]) - int(starts[0])
        sums.sentences += len(texts)
        sums.words += sum(map(count_words, texts))
    for row, split in enumerate(batch["split"].to_pylist()):
        clips["split"][row] = sums.splits.setdefault(str(split), len(sums.splits))
    sources = [_or_empty(batch, name) for name in _SOURCE]
    for row, source in enumerate(zip(*sources, strict=True)):
        clips["source"][row] = hash64("\x1f".join(source))
    for name in ("shard", "position"):
        if name in batch.schema.names:
            clips[name] = pc.fill_null(batch[name].cast(pa.int32()), -1).to_numpy(zero_copy_only=False)
        else:
            clips[name] = -1
    _add_frames(batch, clips, sums)
    sums.videos.append(np.fromiter({hash64(video) for video in videos}, np.uint64))
    sums.clips.append(clips)


def _or_empty(batch: pa.RecordBatch, name: str) -> list[str]:
    """The texts of a column; a missing column counts as empty."""
    if name not in batch.schema.names:
        return ["{}" if name == "meta" else ""] * batch.num_rows
    return [str(value or ("{}" if name == "meta" else "")) for value in batch[name].to_pylist()]


def _sentences(column: Any) -> Iterator[tuple[list[int], list[int], list[str], list[str]]]:
    """Yield starts, ends and texts of the sentences of each row, and the speech if the texts are captions."""
    flat = pa.StructArray.flatten(column.flatten())
    fields = dict(zip((f.name for f in column.type.value_type), flat, strict=True))
    starts, ends = fields["start_ms"].to_pylist(), fields["end_ms"].to_pylist()
    texts = [text or "" for text in fields["text"].to_pylist()]
    asr = fields["asr"].to_pylist() if "asr" in fields else [None] * len(texts)
    for first, last in _bounds(column):
        said = [f"\x1e{n}\x1f{text}" for n, text in enumerate(asr[first:last]) if text is not None]
        yield starts[first:last], ends[first:last], texts[first:last], said


def _bounds(column: Any) -> list[tuple[int, int]]:
    """The range of the values of each list among all values."""
    ends = list(accumulate(pc.fill_null(pc.list_value_length(column), 0).to_pylist()))
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _add_frames(batch: pa.RecordBatch, clips: Clips, sums: _Sums) -> None:
    if "frame_times_ms" not in batch.schema.names:
        sums.frames = None
        return
    column = batch["frame_times_ms"]
    times = column.flatten().cast(pa.int64()).to_numpy(zero_copy_only=False)
    if sums.frames is not None:
        sums.frames += len(times)
    for row, (first, last) in enumerate(_bounds(column)):
        clips["frames"][row] = hash64(times[first:last].tobytes().hex())


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
