"""Lists of files and folders."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from longtake.schemas import remote
from longtake.schemas.paths import is_remote, join, local_path, scheme
from longtake.schemas.remote import BucketError

TEMPORARY = ".tmp-"  # prefix of the names of unfinished writes


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a listing. `modified` is in seconds since 1970, None if the storage does not say."""

    path: str
    size: int
    modified: float | None
    is_temporary: bool = False

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


def now(folder: str) -> float:
    """The time in seconds since 1970 by the clock that dates the files in `folder`: that of the store, or of this machine.

    Raises StorageError.
    """
    bucket, _, key = folder.partition("://")[2].partition("/")

    def ask(files: Any) -> str | None:
        if scheme(folder) == "s3":
            found = files.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
            return dict(found["ResponseMetadata"]["HTTPHeaders"]).get("date")
        headers, _ = files.call("GET", "b/{}/o", bucket, prefix=key, maxResults=1)
        return {name.lower(): value for name, value in headers.items()}.get("date")

    told = remote.attempt(folder, ask) if scheme(folder) in ("s3", "gs") else None
    return time.time() if told is None else parsedate_to_datetime(told).timestamp()


def list_files(folder: str, suffix: str = "") -> list[str]:
    """Return the files directly in `folder` whose names end in `suffix`, sorted; none if there is no such folder.

    Temporary files of unfinished writes are not listed.
    """
    if not is_remote(folder):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(local_path(folder)) as entries:
            names = [e.name for e in entries if e.is_file()]
            return sorted(join(folder, n) for n in names if n.endswith(suffix) and not n.startswith(TEMPORARY))
        return []
    return sorted(path for path, _ in _listed(folder, "file") if path.endswith(suffix))


def list_folders(folder: str) -> list[str]:
    """The folders directly in `folder`, sorted."""
    if not is_remote(folder):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(local_path(folder)) as entries:
            return sorted(join(folder, e.name) for e in entries if e.is_dir(follow_symlinks=False))
        return []
    return sorted(path for path, _ in _listed(folder, "directory"))


def list_tree(folder: str) -> Iterator[tuple[str, list[Entry]]]:
    """Yield a folder and each folder in it, at any depth: its path in the first one, and the files directly in it. One listing
    for each; in the order of names, each before those in it.

    Links to folders are not followed; a link to nothing is a file, which its reader misses. Neither folders nor files with names
    that start with a dot are listed.
    """
    waiting = [(folder, "")]
    while waiting:
        path, inside = waiting.pop()
        files, folders = _files_and_folders(path)
        yield inside, sorted((one for one in files if not one.name.startswith(".")), key=lambda one: one.path)
        named = ((one, one.rsplit("/", 1)[-1]) for one in sorted(folders, reverse=True))
        waiting += [(one, f"{inside}/{name}".lstrip("/")) for one, name in named if not name.startswith(".")]


def _files_and_folders(folder: str) -> tuple[list[Entry], list[str]]:
    files, folders = [], []
    if not is_remote(folder):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(local_path(folder)) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # deleted since it was listed
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(join(folder, entry.name))
                    elif entry.is_file():
                        stat = entry.stat()
                        files.append(Entry(join(folder, entry.name), stat.st_size, stat.st_mtime))
                    elif entry.is_symlink() and not os.path.exists(entry.path):
                        files.append(Entry(join(folder, entry.name), 0, 0.0))
        return files, folders
    for path, info in _listed(folder, "file", "directory"):
        if info["type"] == "file":
            files.append(Entry(path, int(info.get("size") or 0), _modified(info)))
        else:
            folders.append(path.rstrip("/"))
    return files, folders


def list_entries(folder: str) -> list[Entry]:
    """Return the files directly in `folder` by name, with temporary files of unfinished writes; none if there is no folder."""
    found = []
    if not is_remote(folder):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(local_path(folder)) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # deleted since it was listed
                    if entry.is_file():
                        stat = entry.stat()
                        temporary = entry.name.startswith(TEMPORARY)
                        found.append(Entry(join(folder, entry.name), stat.st_size, stat.st_mtime, temporary))
    else:
        found = [Entry(path, int(f.get("size") or 0), _modified(f)) for path, f in _listed(folder, "file")]
    return sorted(found, key=lambda e: e.path)


def _listed(folder: str, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the path and details of each file or folder (`kinds`) directly in a remote folder. Raises BucketError."""

    def work(files: Any) -> list[tuple[str, dict[str, Any]]]:
        itself = files._strip_protocol(folder)  # some stores keep an empty object for a folder
        found = [one for one in files.ls(folder, detail=True) if one["type"] in kinds]
        return [(files.unstrip_protocol(f["name"]), f) for f in found if f["name"].rstrip("/") != itself]

    try:
        return remote.attempt(folder, work)
    except BucketError:
        raise
    except FileNotFoundError:
        return []


def _modified(info: dict[str, Any]) -> float | None:
    for name in ("mtime", "LastModified", "updated", "created"):
        found = info.get(name)
        if isinstance(found, str):
            with suppress(ValueError):
                found = datetime.fromisoformat(found)
        if isinstance(found, datetime):
            return found.timestamp() if found.tzinfo else found.replace(tzinfo=UTC).timestamp()
        if isinstance(found, int | float):
            return float(found)
    return None
