"""Rows on their way: in memory up to a bound, then in files; and what happens if there is no room for those."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.run import batches
from longtake.pipeline.run.batches import Batches, clear_batches, one_table, rows_in, table_of
from longtake.schemas import scratch
from longtake.schemas.errors import CorpusError


def table(rows: int, start: int = 0) -> pa.Table:
    numbers = list(range(start, start + rows))
    return pa.table({"number": numbers, "text": [f"row {n} \u4e2d" for n in numbers]})


@pytest.fixture
def to_files(monkeypatch: pytest.MonkeyPatch) -> Batches:
    """Batches of which none is held in memory."""
    clear_batches()
    monkeypatch.setattr(batches, "_HELD_BYTES", 0)
    return Batches(to_files=True)


def files() -> list[str]:
    return [name for name in os.listdir(scratch.folder()) if name.startswith("rows-")]


def test_a_batch_is_its_table_wherever_it_is_kept(to_files: Batches) -> None:
    for kept in (Batches(), to_files):
        for rows in (0, 1, 5000):
            batch = kept.of(table(rows))
            assert rows_in(batch) == rows
            assert table_of(batch).equals(table(rows))
    assert len(to_files.of(table(100_000))) < 300, "a place, not the rows"
    assert one_table([], table(0).schema).num_rows == 0


def test_threads_write_files_of_their_own_and_read_those_of_all(to_files: Batches) -> None:
    found: dict[int, list[bytes]] = {}

    def write(number: int) -> None:
        found[number] = [to_files.of(table(300, 1000 * number + at)) for at in range(20)]

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, written in found.items():
        assert [table_of(batch)["number"][0].as_py() for batch in written] == [1000 * number + at for at in range(20)]
    assert len(files()) == 4
    clear_batches()
    assert files() == []


def test_memory_is_used_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_batches()
    whole = len(Batches().of(table(2000)))
    monkeypatch.setattr(batches, "_HELD_BYTES", 3 * whole)
    sizes = [len(Batches(to_files=True).of(table(2000))) for _ in range(6)]
    assert [size < whole / 2 for size in sizes] == [False, False, False, True, True, True]
    clear_batches()
    assert len(Batches(to_files=True).of(table(2000))) == whole, "another job begins anew"


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 5))
@settings(derandomize=True, max_examples=100)
def test_dividing_keeps_all_rows_and_their_order(numbers: list[int], buckets: int) -> None:
    rows = table(len(numbers))
    parts = dict(Batches().by_number(rows, np.array(numbers, np.int64)))
    expected = {n: [row for row, number in enumerate(numbers) if number == n] for n in set(numbers)}
    assert {n: table_of(part)["number"].to_pylist() for n, part in parts.items()} == expected
    names = [f"v{number}".encode() for number in numbers]
    found = list(Batches().by_bucket(rows, names, buckets))
    assert sum(rows_in(batch) for _, batch in found) == len(numbers)
    bucket_of = {n: bucket for bucket, batch in found for n in table_of(batch)["number"].to_pylist()}
    assert all(0 <= bucket < buckets for bucket in bucket_of.values())
    same = [(bucket_of[a], bucket_of[b]) for a in bucket_of for b in bucket_of if numbers[a] == numbers[b]]
    assert all(a == b for a, b in same), "rows with one name are together"


FULL = """
import resource, signal, sys
import pyarrow as pa
from longtake.pipeline.run import batches
batches._HELD_BYTES = 0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
kept = batches.Batches(to_files=True)
first = kept.of(pa.table({"a": list(range(1000))}))
try:
    kept.of(pa.table({"a": [str(n * 7919 % 99991) for n in range(200_000)]}))
except Exception as error:
    print(type(error).__name__, error)
print(batches.table_of(first).num_rows)
"""


def test_a_full_disk_is_one_clear_error_and_what_was_written_is_whole(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", FULL], env=environment, capture_output=True, text=True, check=True)
    told, rows = ended.stdout.splitlines()
    assert told.startswith(f"{CorpusError.__name__} {tmp_path}/")
    assert "Make room, or set TMPDIR" in told
    assert rows == "1000"
    assert os.listdir(tmp_path) == [], "its scratch folder went with it"
