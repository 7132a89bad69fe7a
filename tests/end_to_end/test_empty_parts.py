"""No Parquet file without rows is written: many readers fail on one, or take it for the whole table."""

import ast
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources import Video, longtake_here, source_set, spoken

from longtake.pipeline.ledger.write import ledger_rows, write_part
from longtake.pipeline.run.batches import Batches
from longtake.schemas import storage
from longtake.schemas.decisions import read_decisions, write_decisions
from longtake.schemas.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent
#: All code that writes Parquet. `storage.write_parquet` is for everything in a corpus; the others write files that users name,
#: and neither writes one without rows.
WRITERS = {"schemas/storage.py", "schemas/decisions.py", "jobs/retrieve/table.py"}


def parts(folder: Path) -> dict[str, int]:
    """The rows of every Parquet file."""
    found = {}
    for path in folder.rglob("*.parquet"):
        about = pq.ParquetFile(path).metadata
        assert all(about.row_group(n).num_rows for n in range(about.num_row_groups)), path
        found[str(path.relative_to(folder))] = about.num_rows
    return found


def test_all_parts_of_corpora_have_rows(tmp_path: Path) -> None:
    """With a split that is empty, a ledger without rows, and what each command leaves behind."""
    videos = [Video(f"v{n}", spoken(4)) for n in range(2)]
    sources = source_set(tmp_path, videos, split={"train": 1.0, "val": 0.0}, shards={"samples": 1})
    assert longtake_here("plan", str(sources.config), "--probe", "header").returncode == 0
    planned = parts(sources.output)
    assert planned and 0 not in planned.values() and not any(name.startswith("ledger/") for name in planned)
    assert longtake_here("build", str(sources.config)).returncode == 0
    built = parts(sources.output)
    assert {name for name in built if name.startswith("index/")} == {
        "index/train-000000.parquet",
        "index/train-000001.parquet",
    }
    assert 0 not in built.values() and not any(name.startswith("ledger/") for name in built)
    (tmp_path / "gone.txt").write_text("v0\n")
    assert longtake_here("takedown", str(sources.output), "--videos", str(tmp_path / "gone.txt")).returncode == 0
    left = parts(sources.output)
    assert 0 not in left.values() and sum(rows for name, rows in left.items() if name.startswith("index/")) == 1


def test_tables_without_rows_are_no_files(tmp_path: Path) -> None:
    path = str(tmp_path / "part-00000.parquet")
    storage.write_parquet(path, pa.table({"a": [1]}))
    storage.write_parquet(path, pa.table({"a": pa.array([], pa.int64())}))
    assert list(tmp_path.iterdir()) == []
    assert not write_part(((0, 1), [Batches().of(ledger_rows([]))]), str(tmp_path), "part-build")
    assert list(tmp_path.iterdir()) == []


def test_a_log_of_no_decisions_is_no_parquet_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"both\.parquet: there is no decision to write\. Name a \.csv file"):
        write_decisions(str(tmp_path / "both.parquet"), [])
    assert list(tmp_path.iterdir()) == []
    write_decisions(str(tmp_path / "both.csv"), [])
    assert read_decisions(str(tmp_path / "both.csv")) == []


def test_parquet_is_written_in_known_places_only() -> None:
    means = {"write_table", "ParquetWriter", "write_to_dataset", "to_parquet", "WriteToParquet"}
    files = [path for package in ("schemas", "pipeline", "model", "jobs") for path in (ROOT / package).rglob("*.py")]
    found = {
        str(path.relative_to(ROOT))
        for path in files
        if any(isinstance(node, ast.Attribute) and node.attr in means for node in ast.walk(ast.parse(path.read_text())))
    }
    assert found == WRITERS
