"""`longtake plan`: what it writes and prints, without decoding a video."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from sources import LAST_MAN, SourceSet, Video, longtake, rows_of, source_set, spoken

from longtake.jobs.plan import ProbeMode, current_plan, make_plan, print_plan
from longtake.pipeline.plan_summary import PlanSummary
from longtake.schemas.config import load_config
from longtake.schemas.layout import Layout


def planned(sources: SourceSet, probe: str = "none") -> tuple[PlanSummary, str]:
    config, printed = load_config(str(sources.config)), io.StringIO()
    console = Console(file=printed, width=120)
    summary = make_plan(config, ProbeMode(probe), 2, [], console)
    print_plan(summary, Layout(config.root), console)
    return summary, printed.getvalue()


VIDEOS = [Video("a", spoken(9)), Video("b", spoken(1), LAST_MAN), Video("c", spoken(3, 90_000, 2000))]


@pytest.mark.parametrize("probe", ["none", "header", "packets"])
def test_the_table_says_what_will_be(tmp_path: Path, probe: str) -> None:
    sources = source_set(tmp_path, VIDEOS, split={"train": 0.5, "val": 0.5})
    summary, printed = planned(sources, probe)
    past_end = 0 if probe == "none" else 1
    assert {s: (c.total, c.kept, c.dropped) for s, c in summary.counts.items()} == {
        "videos": (3, 2, 1),
        "sentences": (13, 12 - past_end, 1 + past_end),
        "clips": (4, 4, 0),
    }
    assert summary.words["in"]["sum"] == 39
    assert summary.words["out"]["sum"] == 3 * (12 - past_end)
    rows = rows_of(sources.output, "plan")
    assert summary.hours["out"] == round(sum(r["end_ms"] - r["start_ms"] for r in rows) / 3.6e6, 4)
    assert sum(s["samples"] for s in summary.splits.values()) == len(rows) == 4
    assert sum(s["frames"] for s in summary.splits.values()) == sum(len(r["frame_times_ms"]) for r in rows)
    for text in (
        "videos",
        "sentences",
        "long clips",
        "hours",
        "words, mean",
        "words, median",
        "run_too_short",
    ):
        assert text in printed
    for text in (*summary.splits, "CPU-seconds", "frames to decode", "Estimated", str(sources.output / "plan")):
        assert text in printed
    assert ("span_past_end" in printed) == (probe != "none")
    assert not list(sources.output.glob("staging/??/*")), "nothing is decoded"
    assert not (sources.output / "shards").exists()


def test_a_plan_depends_on_the_input_alone(tmp_path: Path) -> None:
    found = []
    for name, videos in (("a", VIDEOS), ("b", VIDEOS[::-1])):
        sources = source_set(tmp_path / name, videos)
        planned(sources)
        found.append({p.name: p.read_bytes() for p in sources.output.glob("plan/*")})
    assert found[0] == found[1]


def test_a_plan_is_used_while_nothing_changed(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS)
    summary, _ = planned(sources)
    assert current_plan(load_config(str(sources.config))) == summary
    sources.change(seed=1)
    assert current_plan(load_config(str(sources.config))) is None
    sources.change(seed=0)
    assert current_plan(load_config(str(sources.config))) == summary
    with (tmp_path / "videos.jsonl").open("a") as stream:
        stream.write("\n")
    assert current_plan(load_config(str(sources.config))) is None


def test_a_plan_with_too_many_failures_is_kept_for_reading_and_not_used(tmp_path: Path) -> None:
    from longtake.schemas.manifest import CorpusError

    sources = source_set(tmp_path, VIDEOS)
    (tmp_path / "videos" / "a.mp4").unlink()
    with pytest.raises(CorpusError, match="1 of 3 videos failed"):
        planned(sources, "header")
    raw = json.loads((sources.output / "plan" / "_plan.json").read_text())
    assert raw["failed_videos"] == 1
    assert current_plan(load_config(str(sources.config))) is None


def test_planning_waits_for_nobody_elses_build(tmp_path: Path) -> None:
    from longtake.jobs.job import locked

    sources = source_set(tmp_path, VIDEOS)
    with locked(str(sources.output)):
        done = longtake("plan", str(sources.config), "--probe=none")
    assert done.returncode == 1
    assert "another longtake is at work" in done.stderr
    assert not (sources.output / "plan").exists()
