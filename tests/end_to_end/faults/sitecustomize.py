"""Runs at the start of every Python process that has this folder on PYTHONPATH: makes some steps of a build fail or slow.

LONGTAKE_TEST_FAULTS is a list of step=fault, as in `decode=slow,pack=slow`. In decoding, the name of a video decides as well:
`crash-*`, `hang-*` and `greedy-*` do what they are called, `killed-*` is ended as by the system that is out of memory, and the
file of `changing-*` changes meanwhile. With `decode=half` a build that has decoded three videos stays there.
"""

import errno
import itertools
import os
import pathlib
import signal
import sys
import time
from typing import Any

FAULTS = dict(fault.split("=") for fault in os.environ.get("LONGTAKE_TEST_FAULTS", "").split(",") if fault)


def fail_in_decode() -> None:
    from longtake.pipeline.fragments import work as source_work

    whole = source_work.decode_frames

    def decode_frames(path: str, *arguments: Any, **options: Any) -> Any:
        name = os.path.basename(path)
        if name.startswith("crash-"):
            os.abort()
        if name.startswith("hang-"):
            time.sleep(600)
        if name.startswith("greedy-"):
            bytearray(40 << 30)
        if name.startswith("killed-"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("changing-"):
            os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 1))
        if FAULTS["decode"] in ("slow", "half"):
            time.sleep(0.4)
        if FAULTS["decode"] == "half" and half_decoded(pathlib.Path(path).parent.parent):
            time.sleep(600)
        return whole(path, *arguments, **options)

    source_work.decode_frames = decode_frames


def half_decoded(folder: pathlib.Path) -> bool:
    """If the output below `folder` has three decoded videos."""
    return len(list(folder.glob("*/staging/??/*.json"))) >= 3


def slow_pack() -> None:
    from longtake.pipeline.build import pack

    whole = pack._write_sample

    def write_sample(*arguments: Any) -> Any:
        time.sleep(0.4)
        return whole(*arguments)

    pack._write_sample = write_sample


def fail_in_writing() -> None:
    from longtake.schemas import storage

    whole = storage.write_bytes

    def write_bytes(path: str, data: bytes) -> None:
        if path.endswith(FAULTS["write"]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        whole(path, data)

    storage.write_bytes = write_bytes


def slow_seal() -> None:
    from longtake.schemas import storage

    whole = storage.write_bytes

    def write_bytes(path: str, data: bytes) -> None:
        if path.endswith("corpus.json"):
            time.sleep(600)
        whole(path, data)

    storage.write_bytes = write_bytes


def slow_plan() -> None:
    from longtake.schemas import storage

    whole = storage.write_bytes

    def write_bytes(path: str, data: bytes) -> None:
        if path.endswith("_plan.json"):
            time.sleep(600)
        whole(path, data)

    storage.write_bytes = write_bytes


def jumping_clock() -> None:
    """The wall clock jumps years ahead and back, each time that somebody looks at it; but for gRPC, half of which is in C and
    has the clock of the system."""
    now, jumps = time.time, itertools.cycle((0.0, 1e8, -1e8, 5e8, -3.0))

    def jumping() -> float:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        return now() + (0.0 if caller.startswith("grpc") else next(jumps))

    time.time = jumping
    time.time_ns = lambda: int(1e9 * jumping())


STEPS = {
    "clock": jumping_clock,
    "plan": slow_plan,
    "decode": fail_in_decode,
    "pack": slow_pack,
    "write": fail_in_writing,
    "seal": slow_seal,
}

if not any("resource_tracker" in argument for argument in sys.orig_argv):
    for step in FAULTS:
        STEPS[step]()
