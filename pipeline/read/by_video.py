"""Rows by bucket of their videos: lines of the manifest, and text that comes with each video, or with all videos in one file.

What crosses a shuffle on the way to the videos are tables. The functions of rows.py decide what becomes of a row.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.parse.caption_file import CaptionEntry, read_entries
from longtake.pipeline.parse.lines import Line, parse_json
from longtake.pipeline.parse.manifest import ParsedVideo
from longtake.pipeline.parse.texts import parse_id
from longtake.pipeline.read.buckets import ReadContext, Rows, encoded_name, values_of
from longtake.pipeline.read.found import FoundFiles, found_of, is_files
from longtake.pipeline.read.line_source import Block, pieces_of, rows_of
from longtake.pipeline.read.rows import (
    Dropped,
    VideoText,
    attach_captions,
    choose_record,
    drop,
    keyed_video,
    video_text,
)
from longtake.pipeline.recipes.metadata import joined_line
from longtake.pipeline.recipes.registry import recipe_of
from longtake.pipeline.run.batches import Batch, table_of
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.records import Drop

#: The start of a line whose id can be read without parsing: nothing is escaped, and no other key has this name.
_PLAIN_RECORD = re.compile(rb'\{"video_id": ?"([ !#-\[\]-~]{1,512})"[,}]')


MANIFEST = "manifest"  # the output tag of ledger rows about lines of the manifest
OfManifest: TypeAlias = TaggedOutput[Literal["manifest"], Drop]


def lines_by_video(
    numbered: tuple[Block, int], context: ReadContext, only: frozenset[str] | None
) -> Iterator[tuple[int, Batch] | OfManifest]:
    """Yield the lines of a block of the manifest by bucket of their videos. MANIFEST: a Drop for each that names no video."""
    block, first = numbered
    for piece in pieces_of(block):
        names, kept = [], []
        for number, data in enumerate(rows_of(piece), first):
            if not data:
                continue
            line = Line(block.file, number, data)
            name = _name_of(line)
            if name is None:
                parsed = keyed_video(line, context.config.source.uri_template, True)[1]
                yield from [TaggedOutput(MANIFEST, parsed)] if isinstance(parsed, Drop) else []
            elif only is None or name in only:
                names.append(name)
                kept.append(number)
        first += len(piece)
        PROGRESS.expect("planning", len(names))
        if names:
            yield from context.batches.by_bucket(
                _line_table(piece, names, block.file, kept, first - len(piece)),
                map(encoded_name, names),
                context.buckets.videos,
            )


def _name_of(line: Line) -> str | None:
    """The id of the video that a line is about; None if it names none, or is unreadable."""
    if isinstance(line.data, bytes):
        found = _PLAIN_RECORD.match(line.data)
        if found and b"\\" not in line.data and line.data.count(b'"video_id"') == 1:
            return parse_id(found[1].decode())
    record = parse_json(line)
    return None if isinstance(record, Drop) else parse_id(record.get("video_id"))


def _line_table(piece: list[bytes] | pa.Table, names: list[str], file: str, numbers: list[int], first: int) -> pa.Table:
    """The lines with these numbers, with the ids of their videos. Rows of Parquet stay as they are, in one column."""
    if isinstance(piece, pa.Table):
        taken = piece.take([number - first for number in numbers]).combine_chunks()
        data: Any = taken.to_struct_array().combine_chunks()
    else:
        data = pa.array([piece[number - first] for number in numbers], pa.binary())
    columns = [pa.array(names, pa.string()), pa.array([file] * len(names)), pa.array(numbers, pa.int64()), data]
    return pa.table(columns, names=["name", "file", "number", "data"])


def lines_of(batches: Iterable[Batch]) -> dict[str, list[Line]]:
    """The lines of batches by the ids of their videos. Batches of files are left alone."""
    found: dict[str, list[Line]] = defaultdict(list)
    for batch in batches:
        table = table_of(batch)
        if is_files(table):
            continue
        columns = (values_of(table, name) for name in ("name", "file", "number"))
        for name, file, number, data in zip(*columns, table["data"].to_pylist(), strict=True):
            found[name].append(Line(file, number, data))
    return found


def records_of(
    name: str, lines: list[Line], config: CorpusConfig, files: FoundFiles | None = None
) -> Iterator[ParsedVideo | OfManifest]:
    """The record of one video with its `files`, if any were listed, and the rows of its other lines."""
    source, recipe = config.source, recipe_of(config)
    template = files.videos[0] if files and files.videos else source.uri_template
    named, own_text = source.text.is_named, source.text.format == "none"
    if recipe is not None and recipe.joined is not None and lines:
        PROGRESS.expect("planning", 1 - len(lines))
        lines = [joined_line(lines, recipe)]
    for found in choose_record((name, [keyed_video(line, template, own_text, named)[1] for line in lines])):
        if isinstance(found, TaggedOutput):
            yield TaggedOutput(MANIFEST, found.value)
            continue
        if source.folder is not None:  # its names are in no order
            found = replace(found, transcripts=tuple(replace(one, rank=0) for one in found.transcripts))
        if files is not None:
            note = files.note(name)
            if note is not None and not found.record.get("uri"):
                yield TaggedOutput(MANIFEST, note)
            if not found.transcripts:
                found = replace(found, transcripts=files.transcripts)
        yield found


# -- text that comes with each video, or with all videos in one file ---------------------------------------------------


def texts_of_bucket(
    element: tuple[int, Iterable[Batch]], config: CorpusConfig
) -> Iterator[VideoText | Dropped | OfManifest]:
    """Yield the videos of a bucket with their own texts."""
    batches = list(element[1])
    files = found_of(batches, config)
    for name, lines in lines_of(batches).items():
        for record in records_of(name, lines, config, files.get(name)):
            if isinstance(record, TaggedOutput):
                yield record
            else:
                yield from video_text(record, config)


ENTRIES = pa.schema([("video_id", pa.string()), ("data", pa.binary()), ("where", pa.string())])
_ENTRY_BYTES = 8 << 20


def entries_by_video(file: str, context: ReadContext) -> Iterator[tuple[int, Batch] | Dropped]:
    """Yield the entries of a caption file by bucket of their videos."""
    rows, size = Rows(ENTRIES), 0
    for entry in read_entries(file):
        if isinstance(entry, Drop):
            yield drop(entry)
            continue
        rows.add(entry[0], entry[1].data, entry[1].where)
        size += len(entry[1].data)
        if size > _ENTRY_BYTES:
            yield from context.by_bucket(rows, context.buckets.videos)
            rows, size = Rows(ENTRIES), 0
    yield from context.by_bucket(rows, context.buckets.videos)
    PROGRESS.advance("reading", storage.size_and_tag(file)[0])


def captions_of_bucket(
    element: tuple[int, dict[str, Iterable[Batch]]], config: CorpusConfig
) -> Iterator[VideoText | Dropped | OfManifest]:
    """Yield the videos of a bucket with the texts of their entries in a caption file."""
    _, sides = element
    batches = list(sides["lines"])
    lines, files = lines_of(batches), found_of(batches, config)
    entries: dict[str, list[CaptionEntry]] = defaultdict(list)
    for batch in sides["entries"]:
        for name, data, place in zip(*(values_of(table_of(batch), field.name) for field in ENTRIES), strict=True):
            entries[name].append(CaptionEntry(data, place))
    for name in [*lines, *(name for name in entries if name not in lines)]:
        records: list[ParsedVideo] = []
        for record in records_of(name, lines.get(name, []), config, files.get(name)):
            if isinstance(record, TaggedOutput):
                yield record
            else:
                records.append(record)
        yield from attach_captions((name, {"records": records, "entries": entries.get(name, [])}), config)
