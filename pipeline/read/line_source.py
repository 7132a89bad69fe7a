"""Reads line and row files as a Beam collection of numbered lines.

Many workers read the blocks of a large file. A line number needs the count of lines before the block. So the lines of blocks are
counted first, then read: two cheap passes, and no worker ever holds a file.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import IO, Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from longtake.pipeline.parse.lines import Line
from longtake.pipeline.run.progress import BYTES, PROGRESS
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError

_BLOCK_BYTES = 32 << 20
_TOLD_BYTES = 1 << 20  # of progress at once
MAX_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a file: bytes [start, end) of a line file, or row group `start` of a Parquet file."""

    file: str
    number: int
    start: int
    end: int


def files_of(path: str) -> list[str]:
    """Return the files that a configured path names. Its last part may hold wildcards. Raises ConfigError if there are none."""
    name = path.rsplit("/", 1)[-1]
    if "*" in name or "?" in name:
        found = [f for f in storage.list_files(storage.parent(path)) if fnmatch(f.rsplit("/", 1)[-1], name)]
    else:
        found = [path] if storage.is_file(path) else []
    if not found:
        problem = "is a folder; name files in it, as with *" if storage.exists(path) else "no such file"
        raise ConfigError(f"{path}: {problem}")
    return found


def check_columns(file: str, wanted: tuple[str, ...]) -> None:
    """Raise ConfigError if a Parquet file lacks one of the columns. Other files are not checked."""
    if not file.endswith(".parquet"):
        return
    with storage.open_table(file) as stream:
        try:
            names = pq.read_schema(stream).names
        except storage.PARQUET_ERRORS as error:
            raise ConfigError(f"{file}: not a Parquet file, or a damaged one: {storage.damage(error)}") from None
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ConfigError(f"{file}: no column {', '.join(missing)}; it has {', '.join(names)}")


def blocks_of(file: str) -> list[Block]:
    """Divide a file into blocks."""
    if file.endswith(".parquet"):
        try:
            with storage.open_table(file) as stream:
                return [Block(file, i, i, i + 1) for i in range(pq.ParquetFile(stream).num_row_groups)]
        except storage.PARQUET_ERRORS as error:
            raise ConfigError(f"{file}: not a Parquet file, or a damaged one: {storage.damage(error)}") from None
    size, _ = storage.size_and_tag(file)
    if file.endswith(".gz"):
        return [Block(file, 0, 0, size)]
    starts = range(0, max(size, 1), _BLOCK_BYTES)
    return [Block(file, i, start, min(start + _BLOCK_BYTES, size)) for i, start in enumerate(starts)]


def count_lines(block: Block) -> int:
    """The number of lines that start in the block."""
    if block.file.endswith(".parquet"):
        with storage.open_table(block.file) as stream:
            return int(pq.ParquetFile(stream).metadata.row_group(block.start).num_rows)
    if block.file.endswith(".gz"):
        return 0  # a single block: no other block needs the count
    return sum(1 for _ in _plain_lines(block, tell=False))


def read_block(block: Block, first: int) -> Iterator[Line]:
    """Yield the lines that start in the block, numbered from `first`."""
    if block.file.endswith(".parquet"):
        rows: Any = _table_rows(block)
    elif block.file.endswith(".gz"):
        rows = _unzipped_lines(block.file)
    else:
        rows = _plain_lines(block)
    for number, data in enumerate(rows, start=first):
        if data:
            yield Line(block.file, number, data)


def _table_rows(block: Block) -> list[dict[str, Any] | bytes]:
    """Return the rows of a row group. A line for the ledger replaces a row that is not UTF-8, or all rows if they are damaged."""
    try:
        with storage.open_table(block.file) as stream:
            file = pq.ParquetFile(stream)
            table = file.read_row_group(block.start)
        group = file.metadata.row_group(block.start)
        PROGRESS.advance("reading", sum(group.column(n).total_compressed_size for n in range(group.num_columns)))
        try:
            return list(table.to_pylist())
        except UnicodeDecodeError:
            return [_row(table, number) for number in range(len(table))]
    except storage.PARQUET_ERRORS as error:
        return [f"rows that cannot be read: {storage.damage(error)}".encode()]


def _row(table: pa.Table, number: int) -> dict[str, Any] | bytes:
    try:
        row: dict[str, Any] = table.slice(number, 1).to_pylist()[0]
        return row
    except UnicodeDecodeError as error:
        return error.object  # not UTF-8, so the parser drops it with that reason


def _plain_lines(block: Block, tell: bool = True) -> Iterator[bytes]:
    with storage.open_read(block.file) as stream:
        if block.start:
            stream.seek(block.start - 1)
            _next_line(stream)  # the line that began before this block belongs to the one before
        at = told = stream.tell()
        while at < block.end:
            line, size = _next_line(stream)
            if not size:
                break  # the file has become shorter
            at += size
            if tell and at - told > _TOLD_BYTES:
                PROGRESS.advance("reading", at - told)
                told = at
            yield line.rstrip(b"\r\n")
        if tell:
            PROGRESS.advance("reading", at - told)


def _unzipped_lines(file: str) -> Iterator[bytes]:
    """Yield the lines of a gzip file. If the file breaks off, the last line says so, for the ledger."""
    with storage.open_read(file) as raw, gzip.open(raw) as stream:
        told = 0
        try:
            while line := _next_line(stream)[0]:
                if (at := raw.tell()) - told > _TOLD_BYTES:
                    PROGRESS.advance("reading", at - told)
                    told = at
                yield line.rstrip(b"\r\n")
        except (EOFError, OSError, zlib.error) as error:
            yield f"gzip data breaks off here: {error}".encode()
        PROGRESS.advance("reading", raw.tell() - told)


def _next_line(stream: IO[bytes] | gzip.GzipFile) -> tuple[bytes, int]:
    """The next line, and its size in bytes. Of an absurdly long line only the start is kept, which will not parse."""
    line = end = stream.readline(MAX_LINE_BYTES)
    size = len(line)
    while len(end) == MAX_LINE_BYTES and not end.endswith(b"\n"):
        end = stream.readline(MAX_LINE_BYTES)
        size += len(end)
    return line, size


def read_lines(path: str) -> Iterator[Line]:
    """Yield the lines of ReadLines, in order and in this process. Memory holds one line, or one row group."""
    for file in files_of(path):
        first = 1
        for block in blocks_of(file):
            yield from read_block(block, first)
            first += count_lines(block)


class ReadLines(beam.PTransform):
    """Reads every non-empty line of the files as a Line, numbered from 1."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._files = files_of(path)

    def expand(self, begin: Any) -> Any:
        PROGRESS.expect("reading", sum(storage.size_and_tag(file)[0] for file in self._files), BYTES)
        blocks = (
            begin
            | "Files" >> beam.Create(self._files, reshuffle=False)
            | "Blocks" >> beam.FlatMap(blocks_of)
            | "Spread" >> beam.Reshuffle()
        )
        counts = blocks | "Count" >> beam.Map(lambda block: ((block.file, block.number), count_lines(block)))
        return blocks | "Read" >> beam.FlatMap(_read_numbered, counts=beam.pvalue.AsDict(counts))


def _read_numbered(block: Block, counts: dict[tuple[str, int], int]) -> Iterator[Line]:
    first = 1 + sum(counts[block.file, number] for number in range(block.number))
    return read_block(block, first)
