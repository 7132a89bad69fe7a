"""Files on any storage that fsspec knows: local, gs://, s3://. The only module that opens a path.

A write is whole or absent. Local: a temporary file in the same folder, flushed to the disk, then moved over the name. Object
stores: the bytes are complete in memory or in a local file before one put, which is atomic there; nothing is renamed.
"""

import os
import posixpath
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMES = ("file", "gs", "s3", "memory")  # memory: tests
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")
_TEMPORARY = ".tmp-"


class StorageError(OSError):
    """Storage refused an operation; the message says which path and what to do."""


def scheme(path: str) -> str:
    """The scheme of a URI in lower case; "file" for a plain path."""
    found = _SCHEME.match(path)
    return found[1].lower() if found else "file"


def is_remote(path: str) -> bool:
    """Whether `path` lies outside the local file system."""
    return scheme(path) != "file"


def local_path(path: str) -> str:
    """The local path of a `file://` URI or of a plain path."""
    return path[len("file://") :] if path.lower().startswith("file://") else path


def join(base: str, *parts: str) -> str:
    """`parts` below `base`; a part that is absolute or a URI of its own starts anew."""
    for part in parts:
        base = part if _SCHEME.match(part) or os.path.isabs(part) else posixpath.join(base, part)
    return base if is_remote(base) else local_path(base)


def parent(path: str) -> str:
    """The folder that `path` lies in."""
    return posixpath.dirname(path.rstrip("/"))


def _filesystem(path: str) -> Any:
    if scheme(path) not in SCHEMES:
        raise StorageError(f"{path}: cannot use {scheme(path)}://; use a local path, gs:// or s3://")
    try:
        return fsspec.filesystem(scheme(path))
    except ImportError as error:
        extra = {"gs": "gcp", "s3": "aws"}.get(scheme(path), "all")
        raise StorageError(f"{path}: {error}. Install with: pip install 'longtake[{extra}]'") from None


def open_read(path: str) -> IO[bytes]:
    """Open for reading."""
    return open(local_path(path), "rb") if not is_remote(path) else _filesystem(path).open(path, "rb")


def open_table(path: str) -> Any:
    """Open a Parquet file for pyarrow. Raises OSError.

    Local files without Python in between: pyarrow reads ahead in threads of its own, and one that is still at it when the
    interpreter ends would, going through a Python file, abort the process.
    """
    return pa.OSFile(local_path(path), "rb") if not is_remote(path) else _filesystem(path).open(path, "rb")


def read_bytes(path: str) -> bytes:
    """The whole content."""
    with open_read(path) as stream:
        return stream.read()


def read_range(path: str, offset: int, size: int) -> bytes:
    """`size` bytes from `offset`."""
    with open_read(path) as stream:
        stream.seek(offset)
        return stream.read(size)


def write_bytes(path: str, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before."""
    if is_remote(path):
        _filesystem(path).pipe_file(path, data)
        return
    with writing(path) as temporary:
        Path(temporary).write_bytes(data)


@contextmanager
def writing(path: str) -> Iterator[str]:
    """Yield the name of a local temporary file to fill; when the block ends well it becomes `path`, else it goes.

    Raises OSError (as ENOSPC on a full disk) with nothing left under `path`.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory() as folder:
            temporary = os.path.join(folder, "upload")
            yield temporary
            _filesystem(path).put_file(temporary, path)
        return
    target = local_path(path)
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    temporary = os.path.join(os.path.dirname(target), f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, target)
        _sync_folder(os.path.dirname(target) or ".")
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exists(path: str) -> bool:
    return os.path.exists(local_path(path)) if not is_remote(path) else bool(_filesystem(path).exists(path))


def is_file(path: str) -> bool:
    return os.path.isfile(local_path(path)) if not is_remote(path) else bool(_filesystem(path).isfile(path))


def size_and_tag(path: str) -> tuple[int, str]:
    """Size in bytes, and what changes when the content does: an etag, else the time of modification.

    Raises FileNotFoundError.
    """
    if not is_remote(path):
        stat = os.stat(local_path(path))
        return stat.st_size, str(stat.st_mtime_ns)
    info = _filesystem(path).info(path)
    tag = info.get("etag") or info.get("ETag") or info.get("crc32c") or info.get("mtime") or info.get("created")
    return int(info["size"]), str(tag)


def list_files(folder: str, suffix: str = "") -> list[str]:
    """The files directly in `folder` whose names end in `suffix`, sorted; none where there is no such folder.

    Temporary files of unfinished writes are not listed.
    """
    if not is_remote(folder):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(local_path(folder)) as entries:
            names = [e.name for e in entries if e.is_file()]
            return sorted(join(folder, n) for n in names if n.endswith(suffix) and not n.startswith(_TEMPORARY))
        return []
    filesystem = _filesystem(folder)
    try:
        found = filesystem.ls(folder, detail=True, refresh=True)
    except FileNotFoundError:
        return []
    files = [filesystem.unstrip_protocol(f["name"]) for f in found if f["type"] == "file"]
    return sorted(f for f in files if f.endswith(suffix))


def list_folders(folder: str) -> list[str]:
    """The folders directly in `folder`, sorted."""
    if not is_remote(folder):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(local_path(folder)) as entries:
            return sorted(join(folder, e.name) for e in entries if e.is_dir(follow_symlinks=False))
        return []
    filesystem = _filesystem(folder)
    try:
        found = filesystem.ls(folder, detail=True, refresh=True)
    except FileNotFoundError:
        return []
    return sorted(filesystem.unstrip_protocol(f["name"]) for f in found if f["type"] == "directory")


def delete(path: str) -> None:
    """Delete a file; it is no error if there is none."""
    if is_remote(path):
        with suppress(FileNotFoundError):
            _filesystem(path).rm_file(path)
        return
    with suppress(FileNotFoundError):
        os.unlink(local_path(path))


def delete_folder(folder: str) -> None:
    """Delete a folder and all in it; it is no error if there is none."""
    if is_remote(folder):
        with suppress(FileNotFoundError):
            _filesystem(folder).rm(folder, recursive=True)
        return
    with suppress(FileNotFoundError):
        shutil.rmtree(local_path(folder))


def fetch(path: str, target: str) -> None:
    """Copy a remote file to the local path `target`."""
    _filesystem(path).get_file(path, target)


def write_parquet(path: str, table: pa.Table, row_group_size: int = 128) -> None:
    """Write `table` whole or not at all, with bytes that depend on nothing but its rows."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=row_group_size)
    write_bytes(path, sink.getvalue().to_pybytes())


def read_parquet(path: str, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
    """Read a Parquet file, or some columns and rows of it. Raises OSError or pyarrow.ArrowInvalid."""
    with open_table(path) as stream:
        return pq.read_table(stream, columns=columns, filters=filters)


@contextmanager
def as_local(path: str) -> Iterator[str]:
    """A local path with the content of `path`: itself, or a temporary copy of a remote file."""
    if not is_remote(path):
        yield local_path(path)
        return

    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "source")
        fetch(path, copy)
        yield copy
