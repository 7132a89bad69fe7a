"""The memory limit of a decoder process, and whether failed work came close to it; and when memory goes back.

The limit is on memory that the process allocates (RLIMIT_DATA), not on its address space: libraries reserve much of that and
never use it. An allocation beyond the limit fails, and Python and most decoders say so. FFmpeg's H.264 decoder instead calls
the packet damaged. So any failure while the process was close to its limit counts as lack of memory.
"""

import ctypes
import os
import resource
from contextlib import suppress

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
_CLOSE = 0.5  # share of the limit; the refused allocation comes on top, and may be an 8K picture in 4:4:4
_STATUS, _RESET, _OOM_SCORE = "/proc/self/status", "/proc/self/clear_refs", "/proc/self/oom_score_adj"


def limit_memory(size: int) -> None:
    """Let this process allocate at most `size` bytes. If the system runs out of memory, it ends this process before the
    parent."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # the work has one thread; others would take 40 MB each
        os.environ[name] = "1"
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    with suppress(OSError):
        _write(_OOM_SCORE, "500")


def start_measuring() -> None:
    """Reset the peak that earlier work of this process left."""
    if _limit():
        with suppress(OSError):
            _write(_RESET, "5")


def was_close() -> bool:
    """Whether this process has a limit and came close to it since `start_measuring`."""
    limit = _limit()
    return bool(limit) and _peak() >= _CLOSE * limit


def give_back_large_blocks() -> None:
    """Let this process give each freed block of a megabyte back to the system at once. That takes some CPU: glibc would otherwise
    keep most of them, in pieces that later ones do not fit into. Other C libraries have no such setting."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return 0 if soft == resource.RLIM_INFINITY else soft


def _peak() -> int:
    """The most memory that this process used, in bytes; 0 if the system does not say."""
    with suppress(OSError), open(_STATUS) as stream:
        for line in stream:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def _write(path: str, text: str) -> None:
    with open(path, "w") as stream:
        stream.write(text)
