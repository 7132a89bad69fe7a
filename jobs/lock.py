"""The lock of an output: no two commands change one corpus at a time. On object stores it is a lease (lease.py)."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from longtake.jobs.lease import leased
from longtake.pipeline.plan.summary import SUMMARY_FILE
from longtake.pipeline.revise.install import next_version, recover
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import unfinished
from longtake.schemas.paths import READ_ONLY


@contextmanager
def locked(root: str) -> Iterator[None]:
    """Hold the lock of an output, so that two builds do not work in it at once. On a disk the lock ends with its process, on an
    object store a minute later. If an interrupted command was installing a new version, finish the installation first
    (docs/versions.md).

    Raises CorpusError if another holds the lock, and for a folder with files that are not ours: a build would replace them.
    """
    while True:
        with _held(root):
            if recover(Layout(root)):
                continue  # the folder is another one now, with its own lock
            yield
            return


@contextmanager
def _held(root: str) -> Iterator[None]:
    import fcntl

    if storage.scheme(root) in READ_ONLY:  # nobody works there
        yield
        return
    if storage.is_remote(root):
        with leased(root):
            yield
        return
    folder = os.path.join(root, "staging")
    ours = any(
        os.path.exists(os.path.join(root, name)) for name in ("staging/lock", "corpus.json", f"plan/{SUMMARY_FILE}")
    )
    if not ours and os.path.isdir(root) and os.listdir(root):
        raise CorpusError(f"{root}: not empty, and not a corpus. Choose another output, or empty this folder yourself.")
    if os.path.exists(root) and not os.path.isdir(root):
        raise CorpusError(f"{root}: a file, not a folder. Choose another output.")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w") as stream:
        for last in (False, False, True):
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if last:
                    raise CorpusError(
                        f"{root}: another longtake command is working on this corpus. Wait until it ends."
                    ) from None
            time.sleep(0.1)  # `longtake status` may be testing the lock
        yield


def check_there(root: str) -> None:
    """Raise CorpusError if there is neither a finished corpus nor a new version that was being installed."""
    layout = Layout(root)
    if not storage.exists(layout.manifest) and not storage.exists(next_version(layout).root):
        raise unfinished(root)
