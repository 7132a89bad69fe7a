"""Garbage is collected seldom, and what has to be collected at exit still is."""

import subprocess
import sys

import pytest

_START = "from longtake.schemas.garbage import collect_seldom; collect_seldom(); import gc, weakref"


def _run(code: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", f"{_START}\n{code}"], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_cycles_are_still_collected() -> None:
    code = """
class Node: pass
def cycle():
    node = Node(); node.self = node; node.fill = [[n] for n in range(50)]
    return weakref.ref(node)
found = [cycle() for _ in range(20_000)]
print(sum(ref() is None for ref in found) > 10_000, gc.isenabled(), gc.get_freeze_count())
"""
    assert _run(code) == ("True True 0\n", "")


@pytest.mark.parametrize("used", ["pass", "import duckdb; duckdb.connect().sql('SELECT 1').fetchall()"])
def test_no_library_complains_at_exit(used: str) -> None:
    assert _run(f"{used}; print('done')") == ("done\n", "")


def test_at_exit_nothing_is_looked_at_again() -> None:
    code = """
import atexit
from longtake.schemas import garbage
atexit.unregister(garbage._collect_no_more)
atexit.register(lambda: print(gc.get_freeze_count() > 1000))  # runs after the next one
atexit.register(garbage._collect_no_more)
"""
    assert _run(code) == ("True\n", "")
