"""Find the lines of input files that may name an id, at the speed of a search for bytes."""

from collections.abc import Iterator

from longtake.pipeline.parse.lines import Line
from longtake.pipeline.read.line_source import MAX_LINE_BYTES, blocks_of, count_lines, files_of, read_block
from longtake.schemas import storage

_CHUNK = 8 << 20
_ESCAPE = b"\\"  # JSON may spell any character with it


def find_lines(path: str, name: str) -> Iterator[Line]:
    """Yield the non-empty lines of the files that hold `name` or a backslash, numbered as ReadLines does; all lines of gzip files
    that do, and all rows of Parquet files. Memory holds a few megabytes, or one line, or one row group."""
    needle = name.encode("utf-8", "surrogatepass")
    for file in files_of(path):
        if file.endswith((".gz", ".parquet")):
            yield from _one_by_one(file, needle)
        else:
            yield from _found(file, needle)


def _one_by_one(file: str, needle: bytes) -> Iterator[Line]:
    first = 1
    for block in blocks_of(file):
        for line in read_block(block, first):
            if isinstance(line.data, dict) or needle in line.data or _ESCAPE in line.data:
                yield line
        first += count_lines(block)


def _found(file: str, needle: bytes) -> Iterator[Line]:
    first, rest = 1, b""
    with storage.open_read(file) as stream:
        while chunk := stream.read(_CHUNK):
            whole, newline, after = chunk.rpartition(b"\n")
            if newline:
                data = rest + whole + newline
                yield from _in_lines(file, data, needle, first)
                first += data.count(b"\n")
                rest = after
            else:
                rest = (rest + chunk)[:MAX_LINE_BYTES]
    yield from _in_lines(file, rest, needle, first)


def _in_lines(file: str, data: bytes, needle: bytes, first: int) -> Iterator[Line]:
    """Yield the lines of `data` with the needle or a backslash. `first` is the number of its first line."""
    start = 0
    hits = [data.find(needle), data.find(_ESCAPE)]
    while start < len(data) and max(hits) >= 0:
        hit = min(at for at in hits if at >= 0)
        begin, end = data.rfind(b"\n", start, hit) + 1 or start, data.find(b"\n", hit) + 1 or len(data)
        first += data.count(b"\n", start, begin)
        line = data[begin : min(end, begin + MAX_LINE_BYTES)].rstrip(b"\r\n")
        if line and (needle in line or _ESCAPE in line):  # the hit may be beyond the part of a long line that counts
            yield Line(file, first, line)
        first += data.count(b"\n", begin, end)
        start = end
        hits = [
            data.find(what, start) if -1 < at < start else at for what, at in zip((needle, _ESCAPE), hits, strict=True)
        ]
