"""Files on any storage that fsspec knows: local, gs://, s3://, and hf:// to read. Other modules reach remote storage only by it.

A write is whole or absent. Local: a temporary file in the same folder is flushed to the disk, then moved over the name. Object
stores: the bytes are complete in memory or in a local file before one put, which is atomic there; nothing is renamed
(docs/reliability.md).
"""

import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from longtake.schemas import remote, scratch
from longtake.schemas.listing import TEMPORARY, Entry, list_entries, list_files, list_folders, list_tree, now
from longtake.schemas.paths import SCHEMES, is_remote, join, local_path, parent, scheme
from longtake.schemas.remote import (
    AccessError,
    BucketError,
    CredentialsError,
    RemoteFile,
    StorageError,
    UnreachableError,
)

__all__ = [  # names of the modules beside this one; other modules import them from here
    "SCHEMES",
    "AccessError",
    "BucketError",
    "CredentialsError",
    "Entry",
    "RemoteFile",
    "StorageError",
    "UnreachableError",
    "is_remote",
    "join",
    "list_entries",
    "list_files",
    "list_folders",
    "list_tree",
    "local_path",
    "now",
    "parent",
    "scheme",
]

_AHEAD = 8 << 20  # bytes fetched at once when a remote file is read from start to end
_SMALL = 4 << 20  # a remote table up to this size is fetched whole


def _info(path: str) -> dict[str, Any]:
    """Return what remote storage knows about a file or folder. Raises FileNotFoundError."""
    return remote.attempt(path, lambda files: dict(files.info(path)))


def _kind(path: str) -> str | None:
    """Return "file", "directory", or None if nothing is there. Raises BucketError."""
    try:
        return str(_info(path)["type"])
    except BucketError:
        raise
    except FileNotFoundError:
        return None


def open_read(path: str) -> IO[bytes]:
    """Open for reading, mostly from start to end."""
    return open(local_path(path), "rb") if not is_remote(path) else io.BufferedReader(open_ranges(path), _AHEAD)


def open_ranges(path: str) -> RemoteFile:
    """Open a remote file for reading here and there. Raises FileNotFoundError."""
    return RemoteFile(path, int(_info(path)["size"]))


def open_table(path: str) -> Any:
    """Open a Parquet file for pyarrow. Raises OSError.

    Local files are opened without a Python file object: pyarrow reads ahead in its own threads. If a thread still read through a
    Python file when the interpreter ends, it would abort the process.
    """
    if not is_remote(path):
        return pa.OSFile(local_path(path), "rb")
    stream = open_ranges(path)
    return pa.BufferReader(stream.read()) if stream.size <= _SMALL else stream


def read_bytes(path: str) -> bytes:
    """Return the whole content."""
    if not is_remote(path):
        with open(local_path(path), "rb", buffering=0) as file:  # a buffer costs twice the time for a small file
            return file.read()
    return remote.attempt(path, lambda files: bytes(files.cat_file(path)))


def read_range(path: str, offset: int, size: int) -> bytes:
    """Return `size` bytes from `offset`, fewer if the file ends before."""
    if is_remote(path):
        return remote.read_range(path, offset, offset + size)
    with open_read(path) as stream:
        stream.seek(offset)
        return stream.read(size)


def read_ranges(paths: list[str], starts: list[int], ends: list[int]) -> list[bytes | Exception]:
    """Return the bytes [start, end) of each path, or its error. Object stores get all requests at once."""
    if not paths or not is_remote(paths[0]):
        found: list[bytes | Exception] = []
        for path, start, end in zip(paths, starts, ends, strict=True):
            try:
                found.append(read_range(path, start, end - start))
            except OSError as error:
                found.append(error)
        return found
    found = remote.attempt(paths[0], lambda files: files.cat_ranges(paths, starts, ends, on_error="return"))
    for number, one in enumerate(found):
        if isinstance(one, Exception):  # once more, alone and with the usual patience
            try:
                found[number] = remote.read_range(paths[number], starts[number], ends[number])
            except OSError as error:
                found[number] = error
    return found


def write_bytes(path: str, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before."""
    remote.check_writable(path)
    if is_remote(path):
        remote.attempt(path, lambda files: files.pipe_file(path, data))
        return
    with writing(path) as temporary:
        Path(temporary).write_bytes(data)


@contextmanager
def writing(path: str) -> Iterator[str]:
    """Yield the name of a local temporary file to fill. If the block ends well, the file becomes `path`, else it is deleted.

    Raises OSError (such as ENOSPC on a full disk) and leaves no partial file at `path`.
    """
    remote.check_writable(path)
    if is_remote(path):
        with tempfile.TemporaryDirectory(dir=scratch.folder()) as folder:
            temporary = os.path.join(folder, "upload")
            yield temporary
            remote.attempt(path, lambda files: files.put_file(temporary, path))
        return
    target = local_path(path)
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    temporary = os.path.join(os.path.dirname(target), f"{TEMPORARY}{uuid.uuid4().hex}")
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
    return os.path.exists(local_path(path)) if not is_remote(path) else _kind(path) is not None


def is_file(path: str) -> bool:
    return os.path.isfile(local_path(path)) if not is_remote(path) else _kind(path) == "file"


def size_and_tag(path: str) -> tuple[int, str]:
    """Return the size in bytes, and a tag that changes with the content: an etag or checksum, else a time.

    Raises FileNotFoundError.
    """
    if not is_remote(path):
        stat = os.stat(local_path(path))
        return stat.st_size, str(stat.st_mtime_ns)
    info = _info(path)
    tag = info.get("etag") or info.get("ETag") or info.get("crc32c") or info.get("mtime") or info.get("created")
    return int(info["size"]), str(tag)


def lock_is_held(path: str) -> bool:
    """Whether a process holds the lock of the local file `path`. Changes nothing and keeps no lock."""
    import fcntl

    try:
        with open(local_path(path), "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def delete(path: str) -> None:
    """Delete a file; it is no error if there is none."""
    remote.check_writable(path)
    if is_remote(path):
        with suppress(FileNotFoundError):
            remote.attempt(path, lambda files: files.rm_file(path))
        return
    with suppress(FileNotFoundError):
        os.unlink(local_path(path))


def delete_folder(folder: str) -> None:
    """Delete a folder and all in it; it is no error if there is none."""
    remote.check_writable(folder)
    if is_remote(folder):
        with suppress(FileNotFoundError):
            remote.attempt(folder, lambda files: files.rm(folder, recursive=True))
        return
    with suppress(FileNotFoundError):
        shutil.rmtree(local_path(folder))


def link(source: str, target: str) -> None:
    """Make `target` the same file as `source`: a link if the file system has links, else a copy. Whole or not at all.

    Links are on the disk only after `sync` of their folder: a flush for each of very many links would take most of the time.
    """
    if is_remote(source) and scheme(source) == scheme(target):
        remote.attempt(target, lambda files: files.copy(source, target))
        return
    if not is_remote(source) and not is_remote(target):
        folder = os.path.dirname(local_path(target))
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, f"{TEMPORARY}{uuid.uuid4().hex}")
        with suppress(OSError):  # another file system, or one without links
            os.link(local_path(source), temporary)
            os.replace(temporary, local_path(target))
            with suppress(FileNotFoundError):  # replacing a file by itself leaves both names
                os.unlink(temporary)
            return
    with as_local(source) as local, writing(target) as temporary:
        shutil.copyfile(local, temporary)


def sync(folder: str) -> None:
    """Flush the names in a local folder to the disk. Remote folders do not need it."""
    if not is_remote(folder) and os.path.isdir(local_path(folder)):
        _sync_folder(local_path(folder))


def fetch(path: str, target: str, known: tuple[int, str] | None = None) -> None:
    """Copy a remote file to the local path `target`. `known` is its size and tag, if already read.

    Raises StorageError if it changes meanwhile, OSError on a full disk.
    """
    before = known or size_and_tag(path)
    with open(target, "wb") as stream:
        for start in range(0, before[0], _AHEAD):
            stream.write(remote.read_range(path, start, min(start + _AHEAD, before[0]), whole=True))
    if size_and_tag(path) != before:
        raise StorageError(f"{path}: changed while it was copied. Run the same command again.")


#: Of the plan: a build reads one video from it in 4 ms, as from groups of 128 rows; from 1,024 in 6. Each costs time to write.
_ROWS_IN_GROUP = 512


def write_parquet(path: str, table: pa.Table, row_group_size: int = _ROWS_IN_GROUP) -> None:
    """Write `table` whole or not at all, with bytes that depend on nothing but its rows.

    For a table without rows, no file stays: other people's readers fail on Parquet without a row group.
    """
    if not table.num_rows:
        delete(path)
        return
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=row_group_size)
    write_bytes(path, sink.getvalue().to_pybytes())


#: Errors that pyarrow raises on a damaged Parquet file. `damage` tells them from errors of the storage.
PARQUET_ERRORS = (OSError, pa.ArrowException, ValueError, MemoryError, OverflowError)


def damage(error: BaseException) -> str:
    """Say in one line what is wrong with a damaged Parquet file. Raises `error` again if it is an error of the storage."""
    if isinstance(error, StorageError) or (isinstance(error, OSError) and error.errno is not None):
        raise error
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def read_parquet(path: str, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
    """Read a Parquet file, or some columns and rows of it. Raises OSError or pyarrow.ArrowInvalid."""
    with open_table(path) as stream:
        return pq.read_table(stream, columns=columns, filters=filters)


@contextmanager
def as_local(path: str) -> Iterator[str]:
    """Yield a local path with the content of `path`: `path` itself, or a temporary copy of a remote file."""
    if not is_remote(path):
        yield local_path(path)
        return
    with tempfile.TemporaryDirectory(dir=scratch.folder()) as folder:
        copy = os.path.join(folder, "source")
        fetch(path, copy)
        yield copy
