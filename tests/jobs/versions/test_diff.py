"""`longtake diff` on the command line."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from longtake.jobs.versions.diff import diff
from longtake.pipeline.merge.merge import long_clip
from longtake.pipeline.plan.summary import summarise, write_summary
from longtake.pipeline.plan.video import measure
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.records import Sentence, SourceVideo


def write(folder: Path, videos: int, quality: int = 90) -> str:
    config = CorpusConfig.model_validate(
        {"name": "d", "output": "o", "source": {"videos": "v"}, "frames": {"quality": quality}}
    )
    clips = [
        replace(
            long_clip(SourceVideo(f"v{v}", f"v{v}.mp4"), (Sentence("a", 0, 3_600_000, "[red]Words[/red]"),), 8),
            split="train", shard=0, position=v,
        )
        for v in range(videos)
    ]  # fmt: skip
    table = tables.table(map(tables.plan_row, clips), tables.PLAN)
    storage.write_parquet(str(folder / "plan" / "part-00000.parquet"), table)
    drops = Counter({("dropped", "sentence", "merge", "overlap"): 10 - videos})
    write_summary(str(folder / "plan"), summarise(config, "none", measure(clips, None, None, config), drops))
    return str(folder)


@pytest.fixture
def plans(tmp_path: Path) -> list[str]:
    return [write(tmp_path / "a", 8), write(tmp_path / "b", 6, quality=80)]


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(diff)
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120"}, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_tables_and_verdict(plans: list[str]) -> None:
    lines = run(*plans).splitlines()
    text = "\n".join(lines)
    cells = [[cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]] for line in lines]
    assert ["hours", "8.00", "6.00", "-2.00", "-25.0"] in cells
    assert ["long clips", "8", "6", "-2", "-25.0"] in cells
    assert ["frames.quality", "90", "80"] in cells
    assert ["sentence merge overlap", "2", "4", "+2", "+100.0"] in cells
    assert ["only in A", "2"] in cells
    assert "  v6-000000000-003600000: '[red]Words[/red]'" in text
    assert lines[-1].startswith("B keeps 25.0 % fewer hours and saves ")
    assert lines[-1].endswith(" CPU-hours of decoding.")


def test_json(plans: list[str]) -> None:
    found = json.loads(run(*plans, "--json"))
    assert found["figures"]["hours"] == {"a": 8.0, "b": 6.0}
    assert found["settings"] == {"frames.quality": {"a": 90, "b": 80}}
    assert found["shards"]["changed"] == 1


def test_what_is_not_known_is_said(plans: list[str]) -> None:
    (Path(plans[1]) / "plan" / "_plan.json").unlink()
    text = run(*plans)
    assert "B has no _plan.json" in text
    assert "unknown" in text
