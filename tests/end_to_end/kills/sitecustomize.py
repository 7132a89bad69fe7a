"""Runs at the start of every Python process that has this folder on PYTHONPATH: the process is killed at a chosen point.

LONGTAKE_TEST_KILL names `before` or `after`, a module, a function of it, and which call: `before pipeline.build.pack pack 2`. If
LONGTAKE_TEST_KILL_ONCE names a file, only the process is killed that makes it.
"""

import importlib
import os
import signal
from typing import Any

WHEN, MODULE, NAME, NUMBER = os.environ["LONGTAKE_TEST_KILL"].split()
module = importlib.import_module(f"longtake.{MODULE}")
whole = getattr(module, NAME)
calls = 0


def kill() -> None:
    if once := os.environ.get("LONGTAKE_TEST_KILL_ONCE"):
        try:
            with open(once, "x"):
                pass
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)


def killed(*arguments: Any, **options: Any) -> Any:
    global calls
    calls += 1
    last = calls == int(NUMBER)
    if last and WHEN == "before":
        kill()
    result = whole(*arguments, **options)
    if last:
        kill()
    return result


setattr(module, NAME, killed)
