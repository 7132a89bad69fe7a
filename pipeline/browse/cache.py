"""The cache of a corpus: made when the corpus is first browsed, and used until corpus.json changes.

It lies in CORPUS/audit/browse/, because a takedown removes audit/ and with it all text of things taken down. If the corpus is
remote or read-only, it lies in the scratch space of the process.

A corpus may come from a stranger, together with a cache made to harm the person who opens it: databases are not safe to open
from strangers. So the name of a cache holds a code that only its user can make.
"""

import hashlib
import hmac
import os
import re
import secrets
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from longtake.pipeline.browse.cache_tables import TABLES, WORDS, fill
from longtake.schemas import scratch, storage
from longtake.schemas.layout import Layout
from longtake.schemas.listing import TEMPORARY

_VERSION = 2  # of a cache's contents
_NAME = re.compile(r"([0-9a-f]{16})-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Cache:
    """A complete cache. `corpus` changes when the corpus does."""

    folder: str
    corpus: str

    @property
    def tables(self) -> str:
        return os.path.join(self.folder, TABLES)

    @property
    def words(self) -> str:
        return os.path.join(self.folder, WORDS)


def corpus_digest(layout: Layout) -> str:
    """A hash of corpus.json, which changes when the corpus does."""
    return hashlib.sha256(b"%d " % _VERSION + storage.read_bytes(layout.manifest)).hexdigest()[:16]


def open_cache(layout: Layout, report: Callable[[int], None] = lambda done: None) -> Cache:
    """Open the cache of a corpus, and make it if there is none of this version. `report` gets the number of finished rows.

    The cache is made under a temporary name and then moved, so an existing cache is complete. Raises CorpusError if the corpus
    is damaged, and OSError, for example on a full disk.
    """
    corpus = corpus_digest(layout)
    secret = _secret()
    parent = (secret and _beside(layout)) or _in_scratch(layout)
    target = os.path.join(parent, f"{corpus}-{hmac.digest(secret, corpus.encode(), 'sha256').hex()[:32]}")
    if os.path.isdir(target):
        return Cache(target, corpus)
    making = os.path.join(parent, f"{TEMPORARY}{uuid.uuid4().hex}")
    os.makedirs(making)
    try:
        fill(making, layout, report)
        shutil.rmtree(os.path.join(making, "spill"), ignore_errors=True)
        with suppress(FileExistsError):  # another process was faster
            os.rename(making, target)
        _remove_older(parent, corpus)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Cache(target, corpus)


def _beside(layout: Layout) -> str:
    """The folder for caches in the corpus; "" if none can be made there. Links are not followed: they could lead anywhere."""
    if storage.is_remote(layout.root):
        return ""
    audit = os.path.join(storage.local_path(layout.root), "audit")
    folder = os.path.join(audit, "browse")
    if os.path.islink(audit) or os.path.islink(folder):
        return ""
    with suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        return folder if os.access(folder, os.W_OK | os.X_OK) else ""
    return ""


def _in_scratch(layout: Layout) -> str:
    folder = os.path.join(scratch.folder(), "browse", hashlib.sha256(layout.root.encode()).hexdigest()[:16])
    os.makedirs(folder, exist_ok=True)
    return folder


def _secret() -> bytes:
    """A secret of this user: 32 bytes in a file below their cache folder; b"" if it cannot be kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = Path(base, "longtake", "browse.key")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
            temporary.touch(0o600)
            temporary.write_bytes(secrets.token_bytes(32))
            try:
                os.link(temporary, path)  # never half-written, never replaces a key in use
            finally:
                temporary.unlink()
        found = path.read_bytes()
        return found if len(found) == 32 else b""
    return b""


def _remove_older(parent: str, corpus: str) -> None:
    """Delete caches of earlier versions of the corpus. A process that has one open keeps its files until it closes them."""
    for name in os.listdir(parent):
        found = _NAME.fullmatch(name)
        if found and found[1] != corpus:
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
