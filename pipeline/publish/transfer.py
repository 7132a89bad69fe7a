"""Copy a corpus to a folder or an object store: resumable, checked by hash, corpus.json last."""

import hashlib
import shutil
from collections.abc import Callable, Sequence

from longtake.pipeline.publish.public_files import CARD, CROISSANT, FOLDERS, MANIFEST, PublicFile
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, read_manifest

Progress = Callable[[PublicFile, str], None]  # a file, and what was done: "sent" or "there already"
_AHEAD = 8 << 20


def stale_files(files: Sequence[PublicFile], target: Layout) -> list[str]:
    """The files at the destination that are not part of this version of the corpus: what a publication deletes."""
    wanted = {file.path for file in files}
    found = [f"{folder}/{entry.name}" for folder in FOLDERS for entry in storage.list_entries(target.path(folder))]
    found += [name for name in (CROISSANT,) if storage.exists(target.path(name))]
    return sorted(set(found) - wanted)


def check_destination(manifest: CorpusManifest, target: Layout) -> None:
    """Raise CorpusError if something else than this corpus, or a part of it, lies at the destination."""
    there = read_manifest(target)
    if there is not None:
        if there.name != manifest.name:
            raise CorpusError(f"{target.root} holds another corpus, {there.name!r}. Choose another destination.")
        return
    ours = {*FOLDERS, MANIFEST, CARD, CROISSANT}
    found = [entry.name for entry in storage.list_entries(target.root) if not entry.is_temporary]
    found += [path.rstrip("/").rpartition("/")[2] for path in storage.list_folders(target.root)]
    if others := sorted(set(found) - ours):
        raise CorpusError(
            f"{target.root}: not empty, and not a corpus: it has {others[0]}. Choose another destination."
        )


def transfer(files: Sequence[PublicFile], target: Layout, progress: Progress) -> None:
    """Make the destination hold exactly these files. Run again, it goes on where it was interrupted.

    Without corpus.json, what lies there is no finished corpus; so this file goes first and comes last. Raises CorpusError if a
    shard is not as corpus.json says, or a file did not arrive as it was sent; OSError.
    """
    *others, manifest = files
    if not _same(manifest, target):
        storage.delete(target.manifest)
    for path in stale_files(files, target):
        storage.delete(target.path(path))
    for file in (*others, manifest):
        if _same(file, target):
            progress(file, "there already")
            continue
        _copy(file, target)
        progress(file, "sent")
    for folder in (*FOLDERS, ""):
        storage.sync(target.path(folder) if folder else target.root)


def _same(file: PublicFile, target: Layout) -> bool:
    """Whether the destination holds the file already, by its bytes."""
    path = target.path(file.path)
    try:
        if storage.size_and_tag(path)[0] != file.size:
            return False
    except FileNotFoundError:
        return False
    return digest(path) == (file.sha256 or digest(file.source))


def _copy(file: PublicFile, target: Layout) -> None:
    path = target.path(file.path)
    with storage.as_local(file.source) as local:
        sent = digest(local)
        if file.sha256 and sent != file.sha256:
            raise CorpusError(f"{file.source}: not as corpus.json says. Check the corpus with: longtake verify")
        with storage.writing(path) as temporary:
            shutil.copyfile(local, temporary)
    if digest(path) != sent:
        raise CorpusError(f"{path}: did not arrive as it was sent. Run the same command again.")


def digest(path: str) -> str:
    """The SHA-256 of a file, read in pieces."""
    found = hashlib.sha256()
    with storage.open_read(path) as stream:
        while data := stream.read(_AHEAD):
            found.update(data)
    return found.hexdigest()
