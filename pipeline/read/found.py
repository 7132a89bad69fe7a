"""Files that templates with an open end name, by bucket of the videos that they may belong to.

Each folder is listed once, by one worker. Its names cross to the lines of the videos as tables, so no worker holds them all, and
no file is asked for by name.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from longtake.pipeline.find import names
from longtake.pipeline.parse.manifest import TranscriptFile, holds_control
from longtake.pipeline.read.buckets import ReadContext, Rows, values_of
from longtake.pipeline.run.batches import Batch, table_of
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop
from longtake.schemas.templates import Template, is_listed, parse_template

FILES = pa.schema([("name", pa.string()), ("is_video", pa.bool_()), ("rank", pa.int64()), ("path", pa.string())])
_MOST_ROWS = 1 << 17  # in one table on its way


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files of one video: paths as the configuration writes them. `videos` begins with the one to use."""

    videos: tuple[str, ...] = ()
    transcripts: tuple[TranscriptFile, ...] = ()

    def note(self, video_id: str) -> Drop | None:
        """The ledger row that says which of several video files is used."""
        if len(self.videos) < 2:
            return None
        detail = f"{self.videos[0]} is used; there are also {names.listed(self.videos[1:])}"
        return Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.SEVERAL_FILES, detail)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A template whose files are listed, with its place among the others."""

    template: Template
    rank: int
    is_video: bool


def listed_folders(config: CorpusConfig) -> list[str]:
    """The folders to list, as the configuration writes them."""
    return sorted({one.template.folder for one in _listed(config)})


def _listed(config: CorpusConfig) -> list[_Listed]:
    source = config.source
    sides = [(source.uris, True), (source.text.paths, False)]
    return [
        _Listed(parse_template(one), rank, is_video)
        for templates, is_video in sides
        if is_listed(templates)
        for rank, one in enumerate(templates)
    ]


def files_by_video(
    folder: str, context: ReadContext, only: Collection[str] | None = None
) -> Iterator[tuple[int, Batch]]:
    """Yield the files of a folder by bucket of the videos that they may belong to."""
    rows = Rows(FILES)
    for row in _rows_of(folder, context.config):
        if only is None or row[0] in only:
            rows.add(*row)
        if len(rows) > _MOST_ROWS:
            yield from context.by_bucket(rows, context.buckets.videos)
            rows = Rows(FILES)
    yield from context.by_bucket(rows, context.buckets.videos)


def _rows_of(folder: str, config: CorpusConfig) -> Iterator[tuple[str, bool, int, str]]:
    listed = [one for one in _listed(config) if one.template.folder == folder]
    for path in storage.list_files(config.resolve(folder) if folder else config.base):
        name = path.rsplit("/", 1)[-1]
        if holds_control(name):
            continue  # no id may be such a name
        for one in listed:
            if one.template.end and not (names.is_video(name) if one.is_video else names.is_transcript(name)):
                continue
            for video_id in one.template.ids_of(name, names.VIDEOS if one.is_video else names.TRANSCRIPTS):
                yield video_id, one.is_video, one.rank, f"{folder}/{name}" if folder else name


def is_files(table: pa.Table) -> bool:
    """Whether a table on its way to the videos is one of files, not one of lines."""
    return bool(table.schema.names == FILES.names)


def found_of(batches: Iterable[Batch], config: CorpusConfig) -> dict[str, FoundFiles]:
    """The files of batches by video id. Other batches are left alone."""
    if not config.source.lists_files:
        return {}  # without another look at batches, which may wait on a disk
    rows: list[tuple[str, bool, int, str]] = []
    for batch in batches:
        table = table_of(batch)
        if is_files(table):
            rows += zip(*(values_of(table, name) for name in FILES.names), strict=True)
    return _by_video(rows)


def found_for(video_ids: Collection[str], config: CorpusConfig) -> dict[str, FoundFiles]:
    """The files of a few videos."""
    rows = (row for folder in listed_folders(config) for row in _rows_of(folder, config))
    return _by_video(row for row in rows if row[0] in video_ids)


def _by_video(rows: Iterable[tuple[str, bool, int, str]]) -> dict[str, FoundFiles]:
    videos: dict[str, set[tuple[int, str]]] = defaultdict(set)
    transcripts: dict[str, set[TranscriptFile]] = defaultdict(set)
    for video_id, is_video, rank, path in rows:
        if is_video:
            videos[video_id].add((rank, path))
        else:
            transcripts[video_id].add(TranscriptFile(path, _language(path, video_id), rank))
    return {
        name: FoundFiles(_best_videos(videos.get(name, set())), _first_ranks(transcripts.get(name, set())))
        for name in {*videos, *transcripts}
    }


def _language(path: str, video_id: str) -> str:
    """The language that a name tells after the id of its video."""
    rest = path.rsplit("/", 1)[-1].partition(video_id)[2].rpartition(".")[0]
    return names.language_in(rest)


def _best_videos(found: set[tuple[int, str]]) -> tuple[str, ...]:
    ranks: dict[str, int] = {}
    for rank, path in sorted(found):
        ranks.setdefault(path, rank)
    in_order = [
        path
        for rank in sorted(set(ranks.values()))
        for path in names.best_video(path for path in ranks if ranks[path] == rank)
    ]
    return tuple(in_order)


def _first_ranks(found: set[TranscriptFile]) -> tuple[TranscriptFile, ...]:
    """Each file once, with the first template that it fits."""
    best: dict[str, TranscriptFile] = {}
    for one in sorted(found, key=lambda one: (one.path, one.rank)):
        best.setdefault(one.path, one)
    return tuple(best.values())
