"""Read a shard's tar strictly, once, from front to end: anything that Longtake would not have written is a fault.

tarfile is lenient on purpose (it takes a damaged header for the end of the archive), so only its header parser is used.
"""

import hashlib
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from longtake.schemas.keys import is_sample_key
from longtake.schemas.layout import MEMBER_JSON, MEMBER_TEXT, frame_member

BLOCK = 512
_ZERO = b"\0" * BLOCK
_MAX_MEMBER = 256 << 20  # bounds the memory, whatever a header claims
_CHUNK = 1 << 20
_EXTENSION = re.compile(rf"(?:{MEMBER_JSON}|{MEMBER_TEXT}|[0-9]{{3,}}\.jpg)")

Report = Callable[[str, str], None]  # (fault, place within the file)


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file in the tar. `offset` is the offset of its data."""

    name: str
    offset: int
    data: bytes

    @property
    def key(self) -> str:
        return self.name.partition(".")[0]

    @property
    def extension(self) -> str:
        return self.name.partition(".")[2]


class HashingReader:
    """Reads a stream in order, counting and hashing its bytes. `start` is the position of the stream in its file."""

    def __init__(self, stream: IO[bytes], start: int = 0) -> None:
        self._stream = stream
        self.position = start
        self.sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Read `size` bytes, or the rest if there are fewer."""
        parts = []
        while size > 0 and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
        data = b"".join(parts)
        self.position += len(data)
        self.sha256.update(data)
        return data

    def drain(self) -> int:
        """Read to the end. Return how many bytes were left."""
        start = self.position
        while self.read(_CHUNK):
            pass
        return self.position - start


def walk(reader: HashingReader, report: Report) -> Iterator[TarMember]:
    """Yield the members of a whole tar that have legal names. Report faults; stop at a fault that makes further reading
    impossible."""
    while True:
        at = reader.position
        header = reader.read(BLOCK)
        if header == _ZERO:
            if reader.read(BLOCK) != _ZERO:
                report("the end of the archive is not two empty blocks", "")
            if left := reader.drain():
                report(f"{left:,} bytes follow the end of the archive", "")
            return
        member = _member(header, at, reader, report)
        if member is None:
            return
        if _is_legal(member.name):
            yield member


def walk_part(reader: HashingReader, members: int, report: Report) -> Iterator[TarMember]:
    """Yield the next `members` members of a tar that is read from its middle."""
    for _ in range(members):
        at = reader.position
        member = _member(reader.read(BLOCK), at, reader, report)
        if member is None:
            return
        if _is_legal(member.name):
            yield member


def _member(header: bytes, at: int, reader: HashingReader, report: Report) -> TarMember | None:
    """Read the member that starts with `header` at byte `at`. Return None if no more can be read."""
    if len(header) < BLOCK:
        report(f"truncated: ends at byte {reader.position:,} without an end of archive", "")
        return None
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        report(f"byte {at:,}: not a tar header ({error})", "")
        return None
    if not 0 <= info.size <= _MAX_MEMBER:
        report(f"a member of {info.size:,} bytes cannot belong to a sample", info.name)
        return None
    for fault in _header_faults(info, header):
        report(fault, info.name)
    data = reader.read(info.size)
    padding = reader.read(-info.size % BLOCK)
    if len(data) < info.size or len(padding) < -info.size % BLOCK:
        report(f"truncated: ends at byte {reader.position:,} inside this member", info.name)
        return None
    if padding.strip(b"\0"):
        report("the padding after the data is not empty", info.name)
    return TarMember(info.name, at + BLOCK, data)


def _header_faults(info: tarfile.TarInfo, header: bytes) -> Iterator[str]:
    named = {"mtime": 0, "uid": 0, "gid": 0, "uname": "", "gname": ""}
    personal = [f"{field} {getattr(info, field)!r}" for field, plain in named.items() if getattr(info, field) != plain]
    if info.type != tarfile.REGTYPE:
        yield f"not a regular file (tar type {info.type!r})"
    elif not _is_legal(info.name):
        yield "not a name that a sample's file can have"
    elif personal:
        yield f"the header tells {', '.join(personal)}"
    elif header != _plain_header(info.name, info.size):
        yield "the header is not a plain one (mode 0644, no other fields)"


def _is_legal(name: str) -> bool:
    key, _, extension = name.partition(".")
    return name.isascii() and name.isprintable() and is_sample_key(key) and bool(_EXTENSION.fullmatch(extension))


def _plain_header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def samples(members: Iterator[TarMember], report: Report) -> Iterator[tuple[str, list[TarMember]]]:
    """Yield the members by sample. Report a sample whose files are separated, incomplete or out of order."""
    seen: set[str] = set()
    group: list[TarMember] = []
    for member in members:
        if group and member.key != group[0].key:
            yield _sample(group, seen, report)
            group = []
        group.append(member)
    if group:
        yield _sample(group, seen, report)


def _sample(group: list[TarMember], seen: set[str], report: Report) -> tuple[str, list[TarMember]]:
    key = group[0].key
    if key in seen:
        report("its files are not together, or it occurs twice", key)
    seen.add(key)
    wanted = [
        MEMBER_JSON,
        MEMBER_TEXT,
        *(frame_member(n, max(len(group) - 2, 1)) for n in range(max(len(group) - 2, 1))),
    ]
    found = [member.extension for member in group]
    if found != wanted:
        at = next((i for i, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]), len(found))
        what = f"file {at} is .{found[at]}" if at < len(found) else f"it ends after {at} files"
        report(f"{what} where .{wanted[at]} belongs", key)
    return key, group
