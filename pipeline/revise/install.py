"""Putting a new version of a corpus in the place of the old one.

The new version is made beside the old one and is whole once it has its corpus.json, which holds the SHA-256 of the corpus.json
that it replaces. Local folders then change places in one step of the kernel (renameat2), so that whoever looks finds the old
version or the new one. Object stores rename nothing, and some file systems cannot exchange: there the files are put in place one
by one, while corpus.json is absent, from a new version that stays whole until the end. Whatever is interrupted, `recover`
finishes it, or takes it back where the new version was not whole.
"""

import ctypes
import hashlib
import os
import shutil
from contextlib import suppress

from longtake.schemas import storage
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
    """Where the next version is made: a folder beside a local corpus, or below staging/ in an object store."""
    if storage.is_remote(layout.root):
        return Layout(storage.join(layout.staging, _NEXT))
    folder, name = os.path.split(os.path.realpath(storage.local_path(layout.root)))
    return Layout(os.path.join(folder, f".{name}.next"))


def stays_in_place(layout: Layout) -> bool:
    """Whether files that do not change stay where they are, as against taken along."""
    return storage.is_remote(layout.root)


def digest(layout: Layout) -> str | None:
    """The SHA-256 of a corpus.json, None where there is none."""
    return hashlib.sha256(storage.read_bytes(layout.manifest)).hexdigest() if storage.exists(layout.manifest) else None


def discard(layout: Layout) -> None:
    """Delete what there is of a next version."""
    storage.delete_folder(next_version(layout).root)


def recover(layout: Layout) -> bool:
    """Finish or take back what was interrupted; whether a whole new version was found and put in its place."""
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
    """Replace the corpus by its next version, which is whole."""
    new = next_version(layout)
    manifest = read_manifest(new)
    if manifest is None:
        raise CorpusError(f"{new.root}: gone since it was written; run the command again")
    for folder in (new.shards, new.index, new.root):
        storage.sync(folder)
    if not storage.is_remote(layout.root):
        shutil.copymode(layout.root, new.root)
        _share_decisions(layout, new)
        if _exchange(os.path.realpath(storage.local_path(layout.root)), new.root):
            storage.sync(os.path.dirname(new.root))
            _finish_exchange(layout, new, manifest)
            return
    _install_files(layout, new, manifest)


def _share_decisions(layout: Layout, new: Layout) -> None:
    """Curators may mark samples at any time: while the folders change places, their file is in both."""
    with suppress(FileNotFoundError):
        os.unlink(new.decisions)
    with suppress(OSError):  # there is none, or no links are to be had: it is taken along afterwards
        if not os.path.islink(layout.decisions):
            os.link(layout.decisions, new.decisions)


def _parent(manifest: CorpusManifest) -> str | None:
    return manifest.history[-1].get(PARENT) if manifest.history else None


def _forgets(manifest: CorpusManifest) -> bool:
    """Whether the new version leaves out what nothing may stay of."""
    return bool(manifest.history) and manifest.history[-1]["command"] == "takedown"


# -- folders that change places ----------------------------------------------------------------------------------------


def _exchange(one: str, other: str) -> bool:
    """Let two folders change places; False where the file system cannot."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return not call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)


def _finish_exchange(layout: Layout, old: Layout, manifest: CorpusManifest) -> None:
    """Take along what is no part of the corpus, and delete the old version. Can be done again from the start at any point."""
    left = _HOLD_MEDIA_OR_TEXT if _forgets(manifest) else ()
    for name in sorted(os.listdir(old.root)):
        if name not in _PUBLISHED and name not in left:
            _move(os.path.join(old.root, name), layout.path(name))
    if os.path.isdir(old.staging):
        for name in sorted(os.listdir(old.staging)):
            path = os.path.join(old.staging, name)
            if os.path.isfile(path) or not _forgets(manifest):  # of files: what the inputs were, no text
                _move(path, storage.join(layout.staging, name))
    storage.delete_folder(old.root)


def _move(path: str, target: str) -> None:
    if not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.rename(path, target)


# -- file by file ------------------------------------------------------------------------------------------------------


def _install_files(layout: Layout, new: Layout, manifest: CorpusManifest) -> None:
    """Put the files of the new version in place, corpus.json last. Can be done again from the start at any point."""
    storage.write_bytes(new.path(_INSTALLING), b"")
    storage.delete(layout.manifest)
    storage.delete(layout.croissant)  # of the old version
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
    storage.link(new.card, layout.card)
    storage.link(new.manifest, layout.manifest)
    storage.delete_folder(new.root)
