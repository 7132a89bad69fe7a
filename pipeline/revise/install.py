"""Put a new version of a corpus in the place of the old one.

The new version is made beside the old one. It is complete once it has its corpus.json, which holds the SHA-256 of the
corpus.json that it replaces. Local folders then change places in one step of the kernel (renameat2), so a reader finds the old
version or the new one. Object stores cannot rename, and some file systems cannot exchange. There the files are put in place one
by one, while corpus.json is absent; the new version stays complete until the end. After an interruption, `recover` finishes the
work, or undoes it if the new version was not complete.
"""

import ctypes
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from longtake.schemas import storage
from longtake.schemas.amending import unchanging
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, read_manifest

_PUBLISHED = ("corpus.json", "README.md", "croissant.json", "plan", "ledger", "shards", "index")
_HOLD_MEDIA_OR_TEXT = ("staging", "audit", "embeddings")
_INSTALLING = "installing"
_NEXT = "next"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
PARENT = "parent"


def next_version(layout: Layout) -> Layout:
    """The folder where the next version is made: beside a local corpus, or below staging/ in an object store."""
    if storage.is_remote(layout.root):
        return Layout(storage.join(layout.staging, _NEXT))
    folder, name = os.path.split(os.path.realpath(storage.local_path(layout.root)))
    return Layout(os.path.join(folder, f".{name}.next"))


def stays_in_place(layout: Layout) -> bool:
    """Whether unchanged files stay in the old folder instead of moving to the new version."""
    return storage.is_remote(layout.root)


def digest(layout: Layout) -> str | None:
    """The SHA-256 of corpus.json, None if there is none."""
    return hashlib.sha256(storage.read_bytes(layout.manifest)).hexdigest() if storage.exists(layout.manifest) else None


def discard(layout: Layout) -> None:
    """Delete the next version, however much of it there is."""
    storage.delete_folder(next_version(layout).root)


def recover(layout: Layout) -> bool:
    """Finish or undo an interrupted change. Return whether a complete new version was found and put in place."""
    new = next_version(layout)
    if not storage.exists(new.root):
        return False
    manifest = read_manifest(new)
    if manifest is not None and storage.exists(new.path(_INSTALLING)):
        _install_files(layout, new, manifest)
        return True
    old = read_manifest(layout)
    if manifest is not None and old is not None:
        if _parent(manifest) == digest(layout):
            install(layout)
            return True
        if _parent(old) == digest(new):  # they have changed places already
            _finish_exchange(layout, new, old)
            return False
    discard(layout)
    return False


def install(layout: Layout) -> None:
    """Replace the corpus by its next version, which must be complete."""
    new = next_version(layout)
    manifest = read_manifest(new)
    if manifest is None:
        raise CorpusError(f"{new.root}: no longer exists. Run the same command again.")
    for folder in (new.shards, new.index, new.root):
        storage.sync(folder)
    if not storage.is_remote(layout.root):
        shutil.copymode(layout.root, new.root)
        with _sharing(layout, new):
            exchanged = _exchange(os.path.realpath(storage.local_path(layout.root)), new.root)
        if exchanged:
            storage.sync(os.path.dirname(new.root))
            _finish_exchange(layout, new, manifest)
            return
    _install_files(layout, new, manifest)


@contextmanager
def _sharing(layout: Layout, new: Layout) -> Iterator[None]:
    """Link the files that are not part of the corpus, such as decisions and queues, into both folders while these change places:
    curators may change them at any time, also before an interrupted change is finished. None changes within the block."""
    with ExitStack() as held, os.scandir(storage.local_path(layout.root)) as entries:
        for entry in entries:
            if entry.name in _PUBLISHED or not entry.is_file(follow_symlinks=False):
                continue
            link = os.path.join(new.root, entry.name)
            with suppress(FileNotFoundError):
                os.unlink(link)
            with suppress(OSError):  # links are impossible, or it may not be written: then it is moved afterwards
                held.enter_context(unchanging(entry.path))
                os.link(entry.path, link)
        yield


def _parent(manifest: CorpusManifest) -> str | None:
    return manifest.history[-1].get(PARENT) if manifest.history else None


def _forgets(manifest: CorpusManifest) -> bool:
    """Whether the new version leaves something out, so that nothing of it may stay."""
    return bool(manifest.history) and manifest.history[-1]["command"] in ("takedown", "curate")


# -- folders that change places ----------------------------------------------------------------------------------------


def _exchange(one: str, other: str) -> bool:
    """Exchange two folders. Return False if the file system cannot."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return not call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)


def _finish_exchange(layout: Layout, old: Layout, manifest: CorpusManifest) -> None:
    """Move the files that are not part of the corpus, and delete the old version. May be repeated at any point."""
    left = _HOLD_MEDIA_OR_TEXT if _forgets(manifest) else ()
    for name in sorted(os.listdir(old.root)):
        if name not in _PUBLISHED and name not in left:
            _move(os.path.join(old.root, name), layout.path(name))
    if os.path.isdir(old.staging):
        for name in sorted(os.listdir(old.staging)):
            path = os.path.join(old.staging, name)
            if os.path.isfile(path) or not _forgets(manifest):  # files name the inputs and hold no text
                _move(path, storage.join(layout.staging, name))
    storage.delete_folder(old.root)


def _move(path: str, target: str) -> None:
    if not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.rename(path, target)


# -- file by file ------------------------------------------------------------------------------------------------------


def _install_files(layout: Layout, new: Layout, manifest: CorpusManifest) -> None:
    """Put the files of the new version in place, corpus.json last. May be repeated at any point."""
    storage.write_bytes(new.path(_INSTALLING), b"")
    storage.delete(layout.manifest)
    names = [shard.name.removesuffix(".tar") for shard in manifest.shards]
    listed = {"shards": {f"{name}.tar" for name in names}, "index": {f"{name}.parquet" for name in names}}
    for folder in ("plan", "ledger", "shards", "index", *(("embeddings",) if _forgets(manifest) else ())):
        made = {path.rsplit("/", 1)[-1]: path for path in storage.list_files(new.path(folder))}
        for entry in storage.list_entries(layout.path(folder)):  # also temporary files, which can hold anything
            if entry.name not in listed.get(folder, made.keys()):
                storage.delete(entry.path)
        for name, path in made.items():
            storage.link(path, layout.path(folder, name))
        storage.sync(layout.path(folder))
    if _forgets(manifest):
        storage.delete_folder(layout.path("audit"))
        for folder in storage.list_folders(layout.staging):
            if folder.rsplit("/", 1)[-1] != _NEXT:
                storage.delete_folder(folder)
    storage.delete(layout.croissant)  # of the old version
    if storage.exists(new.croissant):  # versions made by an earlier Longtake have none
        storage.link(new.croissant, layout.croissant)
    storage.link(new.card, layout.card)
    storage.link(new.manifest, layout.manifest)
    storage.delete_folder(new.root)
