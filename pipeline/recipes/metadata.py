"""Reads metadata files as they are published, and makes lines of a manifest of them.

JSON lines and Parquet are read in blocks, as a manifest is. A CSV file, or one JSON object for all videos, is read as a stream by
one worker: where a row begins is only known from its start.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO, Any

from longtake.pipeline.parse.caption_file import read_entries
from longtake.pipeline.parse.lines import Line, bad_record, base_name, canonical_json, load_json, parse_json, quoted
from longtake.pipeline.parse.texts import parse_id
from longtake.pipeline.recipes.recipe import Recipe, Record
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError
from longtake.schemas.pickles import is_pickle, refusal
from longtake.schemas.reasons import Reason
from longtake.schemas.records import Drop

_IN_BLOCKS = (".jsonl", ".ndjson", ".parquet")
_MAX_FIELD = 64 << 20
_MAX_LIST = 256 << 20


def is_in_blocks(file: str) -> bool:
    """Whether a file is read in blocks of lines or rows."""
    return file.removesuffix(".gz").endswith(_IN_BLOCKS)


def check_file(file: str) -> None:
    """Raise ConfigError for a pickle."""
    if is_pickle(file, storage.read_range(file, 0, 2)):
        raise ConfigError(refusal(file, base_name(file)))


def lines_of_row(line: Line, recipe: Recipe) -> Iterator[tuple[str, Line] | Drop]:
    """Yield the lines that a JSON line or a row of a table stands for, with their video ids."""
    row = parse_json(line, recipe.nan_is_null)
    if isinstance(row, Drop):
        yield row
    else:
        yield from _lines("", row, line, recipe)


def lines_of_file(file: str, recipe: Recipe) -> Iterator[tuple[str, Line] | Drop]:
    """Yield the lines that a file stands for, with their video ids; it is CSV, one JSON object, or one JSON list."""
    if file.removesuffix(".gz").endswith(".json"):
        if recipe.is_list:
            yield from _lines_of_list(file, recipe)
            return
        for entry in read_entries(file):
            if isinstance(entry, Drop):
                yield entry
                continue
            key, found = entry
            place = Line(found.where, 0, found.data)  # a.json#17 is the 17th entry
            try:
                value = load_json(found.data)
            except ValueError as error:
                yield bad_record(place, Reason.MALFORMED, str(error))
                continue
            yield from _lines(key, value, place, recipe)
        return
    with storage.open_read(file) as raw:
        yield from _lines_of_csv(gzip.GzipFile(fileobj=raw) if file.endswith(".gz") else raw, file, recipe)  # type: ignore[arg-type]


def _lines_of_list(file: str, recipe: Recipe) -> Iterator[tuple[str, Line] | Drop]:
    """Yield the lines of the rows in a JSON list, which is read as a whole."""
    name = base_name(file)
    try:
        with storage.open_read(file) as raw:
            stream = gzip.GzipFile(fileobj=raw) if file.endswith(".gz") else raw
            data = stream.read(_MAX_LIST + 1)
        if len(data) > _MAX_LIST:
            raise ValueError(f"a list of more than {_MAX_LIST:,} bytes")
        rows = load_json(data, recipe.nan_is_null)
        if not isinstance(rows, list):
            raise ValueError("holds no list of rows")
    except (ValueError, OSError, EOFError, zlib.error) as error:
        if isinstance(error, storage.StorageError):
            raise
        yield bad_record(Line(name, 0, b""), Reason.MALFORMED, str(error))
        return
    for number, row in enumerate(rows, 1):
        yield from _lines(f"{number:09d}", row, Line(f"{name}#{number}", 0, b""), recipe)


def _lines_of_csv(stream: IO[bytes], file: str, recipe: Recipe) -> Iterator[tuple[str, Line] | Drop]:
    csv.field_size_limit(_MAX_FIELD)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    rows = csv.reader(one.replace("\0", "") for one in text)
    number = 1
    try:
        heading = [name.strip() for name in next(rows, [])]
        number = rows.line_num + 1
        for cells in rows:
            place, number = Line(file, number, b""), rows.line_num + 1
            if not cells:
                continue
            if any("\udc80" <= character <= "\udcff" for cell in cells for character in cell):
                yield bad_record(place, Reason.INVALID_UTF8, "is not UTF-8; save the file as UTF-8")
            elif len(cells) != len(heading):
                problem = f"has {len(cells)} fields; the first line names {len(heading)}"
                yield bad_record(place, Reason.MALFORMED, problem)
            else:
                yield from _lines("", dict(zip(heading, cells, strict=True)), place, recipe)
    except (csv.Error, EOFError, OSError, zlib.error) as error:
        if isinstance(error, storage.StorageError):
            raise
        yield bad_record(Line(file, number, b""), Reason.MALFORMED, f"cannot be read from here on: {error}")


def _lines(key: str, value: Any, place: Line, recipe: Recipe) -> Iterator[tuple[str, Line] | Drop]:
    """Yield the lines of one entry: a key with its value, or a row. `place` says where it is."""
    if recipe.records is None:
        raise ValueError(f"recipe {recipe.name} reads no file of its own")
    try:
        for record in recipe.records(key, value):
            video_id = parse_id(record.get("video_id"))
            if video_id is None:
                yield bad_record(place, Reason.MALFORMED, f"{quoted(record.get('video_id'))} is no video id")
            else:
                data = canonical_json(record).encode("utf-8", "surrogatepass")
                if recipe.joined is not None:
                    load_json(data)  # what joined_line could not read must have a ledger row here
                yield video_id, Line(place.file, place.number, data)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:  # an entry of another shape
        problem = str(error) if isinstance(error, ValueError) else f"is not as {recipe.title} has it: {quoted(error)}"
        yield bad_record(place, Reason.MALFORMED, f"{f'{quoted(key)} ' if key else ''}{problem}")


def joined_line(lines: list[Line], recipe: Recipe) -> Line:
    """Make one line of all lines of one video. Their order does not matter, and neither does one that is there twice."""
    if recipe.joined is None or not lines:
        raise ValueError(f"recipe {recipe.name} joins nothing")
    made = sorted((line.data, line.file, line.number) for line in lines if isinstance(line.data, bytes))
    parts: list[Record] = [load_json(data) for data in dict.fromkeys(data for data, _, _ in made)]
    _, file, number = made[0]
    return Line(file, number, canonical_json(recipe.joined(parts)).encode())
