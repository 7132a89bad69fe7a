"""One file with the captions of all videos, such as HowTo100M's caption.json, read as a stream of entries.

The file is one JSON object of gigabytes, {video_id: captions, ...}. It is read in pieces; memory holds one entry, of at most
64 MB. Brackets alone show where an entry ends. The workers parse the entries later, so parsing is parallel.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from longtake.pipeline.parse.lines import base_name, quoted
from longtake.pipeline.parse.texts import parse_id
from longtake.schemas import storage
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, compact

_PIECE = 1 << 20
_MAX_ENTRY = 64 << 20
_KEY = re.compile(rb'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*(?=[\[{"\d\-tfn])')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]|"', re.DOTALL)
_SCALAR = re.compile(rb'(?:"(?:[^"\\]|\\.)*"|[^",}\]\s][^,}\]\s]*)(?=[\s,}])')
_END = re.compile(rb"[\s,]*\}")


@compact
@dataclass(frozen=True, slots=True, order=True)
class CaptionEntry:
    """The captions of one video as JSON text, and their place: `caption.json#17` is the 17th entry."""

    data: bytes
    where: str


def read_entries(file: str) -> Iterator[tuple[str, CaptionEntry] | Drop]:
    """Yield the entries of a file with their video ids, and a Drop if the rest cannot be read. The suffix tells gzip."""
    name = base_name(file)
    number = 0
    try:
        with storage.open_read(file) as raw:
            stream: Any = gzip.GzipFile(fileobj=raw) if file.endswith(".gz") else raw
            for key, value in _entries(stream):
                number += 1
                place = f"{name}#{number}"
                video_id = _id(key)
                if video_id is None:
                    yield _record(place, f"{quoted(key.decode(errors='replace'))} is no video id")
                else:
                    yield video_id, CaptionEntry(value, place)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield _record(f"{name}#{number + 1}", f"not JSON of captions from here on: {error}")


def _record(place: str, problem: str) -> Drop:
    return Drop("", Subject.RECORD, place, Stage.READ, Reason.MALFORMED, f"{place}: {problem}")


def _id(key: bytes) -> str | None:
    try:
        return parse_id(json.loads(b'"' + key + b'"'))
    except ValueError:
        return None


class _Buffer:
    """A stream with the bytes that were read and not yet used."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.data = b""
        self.ended = False

    def more(self) -> None:
        if len(self.data) > _MAX_ENTRY:
            raise ValueError(f"an entry of more than {_MAX_ENTRY:,} bytes")
        piece = self._stream.read(max(_PIECE, len(self.data) // 2))
        self.ended = not piece
        self.data += piece

    def take(self, size: int) -> bytes:
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def _entries(stream: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    buffer = _Buffer(stream)
    while not buffer.ended and not buffer.data.strip():
        buffer.more()
    start = buffer.data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"{"):
        raise ValueError("it does not start with {")
    buffer.data = start[1:]
    while True:
        found = _KEY.match(buffer.data)
        while found is None:
            if _END.match(buffer.data):
                return
            if buffer.ended:
                raise ValueError("it ends within an entry" if buffer.data.strip() else "its last } is missing")
            buffer.more()
            found = _KEY.match(buffer.data)
        key = found[1]
        buffer.take(found.end())
        yield key, _value(buffer)


def _value(buffer: _Buffer) -> bytes:
    """Take the JSON value at the start of the buffer. Counts brackets outside strings to find its end."""
    depth = at = 0
    if buffer.data[:1] not in (b"{", b"["):
        while (found := _SCALAR.match(buffer.data)) is None:
            if buffer.ended:
                raise ValueError("it ends within an entry")
            buffer.more()
        return buffer.take(found.end())
    while True:
        for token in _TOKEN.finditer(buffer.data, at):
            mark = token[0]
            if mark == b'"':  # the string goes on in the next piece
                break
            at = token.end()
            if mark in (b"{", b"["):
                depth += 1
            elif mark in (b"}", b"]"):
                depth -= 1
                if depth == 0:
                    return buffer.take(at)
        if buffer.ended:
            raise ValueError("it ends within an entry")
        buffer.more()
