"""Reads line and row files as a Beam collection of numbered lines.

Many workers read the blocks of a large file. A line number needs the count of lines before the block. So the lines of blocks are
counted first, then read: two cheap passes, and no worker ever holds a file.
"""

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
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
_FEW_FILES = 16  # each may be asked for its size
_PACKED, _SHRUNK = (".gz", ".parquet"), 4  # compressed text is about so much smaller
LINE_BYTES = 200  # about the size of a line of the manifest, for a video without sentences
MAX_LINE_BYTES = 64 << 20  # more than a block
_PIECE_BYTES, _PIECE_LINES = 4 << 20, 1 << 14


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a file: bytes [start, end) of a line file, or row group `start` of a Parquet file."""

    file: str
    number: int
    start: int
    end: int


def files_like(path: str) -> list[str]:
    """Return the files that a configured path names. Its last part may hold wildcards."""
    name = path.rsplit("/", 1)[-1]
    if "*" in name or "?" in name:
        return [f for f in storage.list_files(storage.parent(path)) if fnmatch(f.rsplit("/", 1)[-1], name)]
    return [path] if storage.is_file(path) else []


def files_of(path: str) -> list[str]:
    """Return the files that a configured path names. Raises ConfigError if there are none."""
    found = files_like(path)
    if not found:
        problem = "is a folder; name files in it, as with *" if storage.exists(path) else "no such file"
        raise ConfigError(f"{path}: {problem}")
    return found


def sizes_of(files: list[str]) -> dict[str, int]:
    """The sizes of files in bytes. Of many in one folder, a listing tells all."""
    if len(files) <= _FEW_FILES:
        return {file: storage.size_and_tag(file)[0] for file in files}
    folders = {storage.parent(file) for file in files}
    sizes = {entry.path: entry.size for folder in folders for entry in storage.list_entries(folder)}
    return {file: sizes.get(file, 0) for file in files}


def text_bytes(sizes: Mapping[str, int]) -> int:
    """About the size of files when they are read, from their sizes: compressed ones are larger then."""
    return sum(size * (_SHRUNK if is_packed(file) else 1) for file, size in sizes.items())


def is_packed(file: str) -> bool:
    """Whether the bytes of a file are not those of its lines."""
    return file.endswith(_PACKED)


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
    return sum(data.count(b"\n") + at_end for data, at_end in _plain_data(block))


def read_block(block: Block, first: int) -> Iterator[Line]:
    """Yield the lines that start in the block, numbered from `first`."""
    for piece in pieces_of(block):
        for number, data in enumerate(rows_of(piece), start=first):
            if data:
                yield Line(block.file, number, data)
        first += len(piece)


def pieces_of(block: Block, columns: tuple[str, ...] = ()) -> Iterator[list[bytes] | pa.Table]:
    """Yield the lines that start in the block, many at a time, also empty ones; of a Parquet file the table of the block, all of
    it or only some columns.

    A line for the ledger stands for the rows of a table that cannot be read.
    """
    if block.file.endswith(".parquet"):
        try:
            with storage.open_table(block.file) as stream:
                file = pq.ParquetFile(stream)
                group = file.metadata.row_group(block.start)
                yield file.read_row_group(block.start, columns=list(columns) or None)
            PROGRESS.advance("reading", sum(group.column(n).total_compressed_size for n in range(group.num_columns)))
        except storage.PARQUET_ERRORS as error:
            yield [f"rows that cannot be read: {storage.damage(error)}".encode()]
    elif block.file.endswith(".gz"):
        yield from _unzipped_pieces(block.file)
    else:
        yield from _plain_pieces(block)


def rows_of(piece: list[bytes] | pa.Table) -> Sequence[bytes | dict[str, Any]]:
    """Return the rows of a piece. For a row of a table that is not UTF-8, the bytes that are not: a parser drops them."""
    if not isinstance(piece, pa.Table):
        return piece
    try:
        return list(piece.to_pylist())
    except UnicodeDecodeError:
        return [_row(piece, number) for number in range(len(piece))]


def _row(table: pa.Table, number: int) -> dict[str, Any] | bytes:
    try:
        row: dict[str, Any] = table.slice(number, 1).to_pylist()[0]
        return row
    except UnicodeDecodeError as error:
        return error.object


def _plain_pieces(block: Block) -> Iterator[list[bytes]]:
    line = b""
    for data, at_end in _plain_data(block):
        PROGRESS.advance("reading", len(data))
        *lines, line = (line + data).split(b"\n")
        if at_end:
            lines.append(line)
        yield [whole[:MAX_LINE_BYTES].rstrip(b"\r") for whole in lines]


def _plain_data(block: Block) -> Iterator[tuple[bytes, bool]]:
    """Yield the bytes of the lines that start in the block, and whether they end with a line that no line break ends."""
    with storage.open_read(block.file) as stream:
        if block.start:
            stream.seek(block.start - 1)
            _next_line(stream)  # the line that began before this block belongs to the one before
        left, last = block.end - stream.tell(), b"\n"
        while left > 0 and (data := stream.read(min(left, _PIECE_BYTES))):
            left -= len(data)
            last = data[-1:]
            yield data, False
        if last != b"\n":  # its line began in this block, so all of it belongs here
            yield _next_line(stream)[0].removesuffix(b"\n"), True


def _unzipped_pieces(file: str) -> Iterator[list[bytes]]:
    """Yield the lines of a gzip file. If the file breaks off, the last line says so, for the ledger."""
    with storage.open_read(file) as raw, gzip.open(raw) as stream:
        lines: list[bytes] = []
        held = told = 0
        size, ended = 1, False
        while not ended:
            try:
                line, size = _next_line(stream)
                ended = not size
            except (EOFError, OSError, zlib.error) as error:
                line, ended = f"gzip data breaks off here: {error}".encode(), True
            if size or line:
                lines.append(line.rstrip(b"\r\n"))
                held += len(line)
            if ended or len(lines) == _PIECE_LINES or held >= _PIECE_BYTES:
                PROGRESS.advance("reading", raw.tell() - told)
                told = raw.tell()
                yield lines
                lines, held = [], 0


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


class NumberedBlocks(beam.PTransform):
    """Gives (block, number of its first line) for all blocks of the files. Small files are read without counting first."""

    def __init__(self, files: list[str]) -> None:
        super().__init__()
        self._files = files

    def expand(self, begin: Any) -> Any:
        PROGRESS.expect("reading", sum(sizes_of(self._files).values()), BYTES)
        if len(self._files) <= _FEW_FILES:
            each = [blocks_of(file) for file in self._files]
            if all(len(blocks) <= 1 for blocks in each):
                return begin | "Blocks" >> beam.Create(
                    [(block, 1) for blocks in each for block in blocks], reshuffle=False
                )
        blocks = (
            begin
            | "Files" >> beam.Create(self._files, reshuffle=False)
            | "Blocks" >> beam.FlatMap(blocks_of)
            | "Spread" >> beam.Reshuffle()
        )
        counts = blocks | "Count" >> beam.Map(lambda block: ((block.file, block.number), count_lines(block)))
        return blocks | "Number" >> beam.Map(_numbered, counts=beam.pvalue.AsDict(counts))


def _numbered(block: Block, counts: dict[tuple[str, int], int]) -> tuple[Block, int]:
    return block, 1 + sum(counts[block.file, number] for number in range(block.number))


class ReadLines(beam.PTransform):
    """Reads every non-empty line of the files as a Line, numbered from 1."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._files = files_of(path)

    def expand(self, begin: Any) -> Any:
        return begin | "Number blocks" >> NumberedBlocks(self._files) | "Read" >> beam.FlatMapTuple(read_block)
