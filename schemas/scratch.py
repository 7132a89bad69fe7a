"""Local space for temporary files: copies of remote sources, files to upload. It is deleted when its process ends.

A killed process cannot clean up; the next process that needs scratch space does so. The folder is below TMPDIR.
"""

import fcntl
import os
import shutil
import tempfile
import threading
import time
from multiprocessing.util import Finalize
from typing import IO

_PREFIX = "longtake-scratch-"
_LOCK = "lock"
_SETTLED_SECONDS = 60  # a younger folder may not be locked yet

_lock = threading.Lock()
_mine: tuple[int, str, IO[str]] | None = None  # process, folder, and its lock, held as long as the process lives


def folder() -> str:
    """Return the scratch folder of this process, created on first use. No other user may read it. Raises OSError."""
    global _mine
    with _lock:
        if _mine is None or _mine[0] != os.getpid():  # a fork has its own
            _sweep(tempfile.gettempdir())
            made = tempfile.mkdtemp(prefix=_PREFIX)
            held = open(os.path.join(made, _LOCK), "w")  # noqa: SIM115 - for life
            fcntl.flock(held, fcntl.LOCK_EX)
            _mine = os.getpid(), made, held
            Finalize(None, remove, exitpriority=0)  # not atexit, which children do not call
        return _mine[1]


def remove() -> None:
    """Delete the scratch folder of this process."""
    global _mine
    with _lock:
        if _mine is not None and _mine[0] == os.getpid():
            shutil.rmtree(_mine[1], ignore_errors=True)
            _mine[2].close()
            _mine = None


def _sweep(parent: str) -> None:
    """Delete the scratch folders of this user whose processes are gone."""
    for entry in os.scandir(parent):
        try:
            stat = entry.stat(follow_symlinks=False)
            is_ours = (
                entry.name.startswith(_PREFIX) and stat.st_uid == os.getuid() and entry.is_dir(follow_symlinks=False)
            )
            if not is_ours or time.time() - stat.st_ctime < _SETTLED_SECONDS:
                continue
            with open(os.path.join(entry.path, _LOCK), "a") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry.path, ignore_errors=True)
        except OSError:  # in use, or gone already
            continue
