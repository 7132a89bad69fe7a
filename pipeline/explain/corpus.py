"""What the plan, ledger and index of a corpus hold about one source video."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from longtake.pipeline.corpus.checked_table import UNREADABLE
from longtake.schemas import storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout, shard_name
from longtake.schemas.records import Drop, LongClip
from longtake.schemas.scores import INDEX_SCORES, Scores, column


@dataclass(frozen=True, slots=True)
class CorpusSample:
    """A long clip in a finished corpus: its place, the scores from decoding, and its row."""

    place: str
    scores: Scores
    clip: LongClip


@dataclass(frozen=True, slots=True)
class CorpusVideo:
    """The long clips of a source video in the plan, its ledger rows, and its samples by key.

    `samples` is None if the corpus is unfinished. `edited` means that a person edited the plan.
    """

    clips: tuple[LongClip, ...]
    drops: tuple[Drop, ...]
    samples: dict[str, CorpusSample] | None
    edited: bool = False


def known_of(layout: Layout, video_id: str, finished: bool, edited: bool) -> CorpusVideo:
    """Read the rows of a source video. Raises CorpusError if a table is damaged."""
    clips = sorted(_clips(layout, video_id), key=lambda clip: (clip.start_ms, clip.key))
    drops = drops_of(layout, video_id)
    samples = None
    if finished:
        samples = {row["key"]: _sample(row) for row in _rows(layout.index, video_id)}
    return CorpusVideo(tuple(clips), tuple(drops), samples, edited)


def drops_of(layout: Layout, video_id: str) -> list[Drop]:
    """The ledger rows of a source video. Raises CorpusError if a table is damaged."""
    return sorted(_drops(_rows(layout.ledger, video_id)))


def _sample(row: dict[str, Any]) -> CorpusSample:
    scores = ((name, row.get(column(name))) for name in INDEX_SCORES)
    place = f"{row['shard']}.tar, position {row['position']}"
    return CorpusSample(place, tuple((n, v) for n, v in scores if v is not None), _clip(row))


def place_of(clip: LongClip) -> str:
    """The planned place of a long clip."""
    return f"{shard_name(clip.split, clip.shard)}.tar, position {clip.position}"


def _clips(layout: Layout, video_id: str) -> Iterator[LongClip]:
    return map(_clip, _rows(layout.plan, video_id))


def _clip(row: dict[str, Any]) -> LongClip:
    try:
        return tables.clip_from_row(row)
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(
            f"a row of video {row.get('video_id')!r} cannot be read: {error}. Check the corpus with: longtake verify"
        ) from None


def _drops(rows: Iterable[dict[str, Any]]) -> Iterator[Drop]:
    for row in rows:
        try:
            yield tables.drop_from_row(row)
        except ValueError:
            continue  # this version does not know such a row; `longtake verify` reports it


def _rows(folder: str, video_id: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a source video in the tables of a folder. Of files without it, only the ids are read, and not even those
    of row groups that cannot hold it."""
    wanted = [("video_id", "=", video_id)]
    for path in storage.list_files(folder, ".parquet"):
        try:
            if not storage.read_parquet(path, columns=["video_id"], filters=wanted).num_rows:
                continue
            found = storage.read_parquet(path, filters=wanted)
        except (*UNREADABLE, pa.ArrowException, KeyError) as error:
            raise CorpusError(f"{path}: unreadable: {error}. Check the corpus with: longtake verify") from None
        yield from found.to_pylist()
