from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest

from longtake.pipeline.ledger import write as ledger
from longtake.pipeline.ledger.counts import count, dropped
from longtake.pipeline.ledger.write import WriteLedger, write_part
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas import tables
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

DROPS = [
    Drop(f"v{i}", subject, f"v{i}.{subject}", Stage.READ, reason, "d")
    for i in range(30)
    for subject, reason in (
        (Subject.VIDEO, Reason.MISSING),
        (Subject.SENTENCE, Reason.MISSING),
        (Subject.VIDEO, Reason.NO_TEXT),
    )
]
_TALLIES: list[object] = []


def _collect(tally: object) -> None:
    _TALLIES.append(tally)


def write(folder: Path, drops: list[Drop]) -> object:
    _TALLIES.clear()
    with beam.Pipeline(options=pipeline_options([], 1, one_thread=True)) as root:
        tally = root | beam.Create(drops) | WriteLedger(str(folder), "part-plan")
        _ = tally | beam.Map(_collect)
    (found,) = _TALLIES
    return found


@pytest.mark.parametrize("rows_per_part", [7, 1000])
def test_every_drop_is_one_row_whatever_the_number_of_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_part: int
) -> None:
    monkeypatch.setattr(ledger, "_ROWS_PER_PART", rows_per_part)
    tally = write(tmp_path, DROPS)
    parts = sorted(tmp_path.glob("part-plan-*.parquet"))
    assert (len(parts) > 1) == (rows_per_part == 7)
    rows = [tables.drop_from_row(row) for part in parts for row in pq.read_table(part).to_pylist()]
    assert sorted(rows) == sorted(DROPS)
    assert tally == count(DROPS)


def test_a_part_does_not_depend_on_the_order_of_its_rows(tmp_path: Path) -> None:
    write_part(((0, 1), DROPS), str(tmp_path / "a"), "p")
    write_part(((0, 1), DROPS[::-1]), str(tmp_path / "b"), "p")
    assert (tmp_path / "a" / "p-00000.parquet").read_bytes() == (tmp_path / "b" / "p-00000.parquet").read_bytes()


def test_a_ledger_without_rows_has_no_part_and_leaves_none_of_an_earlier_attempt(tmp_path: Path) -> None:
    (tmp_path / "part-plan-00000.parquet").write_bytes(b"of an attempt that was killed")
    assert write(tmp_path, []) == {}
    assert list(tmp_path.iterdir()) == []


def test_counting() -> None:
    tally = count(DROPS)
    assert dropped(tally, "video") == 60
    assert dropped(tally, "sentence") == 30
    assert dropped(tally, "clip") == 0
    assert tally[("failed",)] == 30
