"""`longtake plan`: what it writes and prints, without decoding a video."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from sources import LAST_MAN, ONE_THREAD, SourceSet, Video, longtake_here, rows_of, source_set, spoken

from longtake.jobs.build import plan as plan_command
from longtake.jobs.build.plan import current_plan, make_plan
from longtake.jobs.build.report import print_plan
from longtake.jobs.build.request import BuildRequest, ProbeMode
from longtake.pipeline.plan.summary import PlanSummary, check_plan
from longtake.schemas.config import load_config
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout


def planned(sources: SourceSet, probe: str = "none") -> tuple[PlanSummary, str]:
    config, printed = load_config(str(sources.config)), io.StringIO()
    console = Console(file=printed, width=120)
    summary = make_plan(BuildRequest(config, ProbeMode(probe), 2, ONE_THREAD), console)
    print_plan(summary, Layout(config.root), console)
    check_plan(summary, config, Layout(config.root).ledger)
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
    said = [s["end_ms"] - s["start_ms"] for r in rows for s in r["sentences"]]
    assert summary.hours["said"] == round(sum(said) / 3.6e6, 4), "without the pauses, as what came in"
    came_in = sum(b - a for v in VIDEOS for a, b, _ in v.spans)
    lost = 2000 if probe != "none" else 0  # the one that lies after the end of its video
    assert summary.hours["in"] == round((came_in - lost) / 3.6e6, 4)
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
    sources = source_set(tmp_path, VIDEOS)
    (tmp_path / "videos" / "a.mp4").unlink()
    with pytest.raises(CorpusError, match="1 of 3 videos failed"):
        planned(sources, "header")
    raw = json.loads((sources.output / "plan" / "_plan.json").read_text())
    assert raw["failed_videos"] == 1
    assert current_plan(load_config(str(sources.config))) is None


def test_planning_waits_for_nobody_elses_build(tmp_path: Path) -> None:
    from longtake.jobs.lock import locked

    sources = source_set(tmp_path, VIDEOS)
    with locked(str(sources.output)):
        done = longtake_here("plan", str(sources.config), "--probe=none")
    assert done.returncode == 1
    assert "another longtake command is working" in done.stderr
    assert not (sources.output / "plan").exists()


def test_a_manifest_of_broken_lines_is_refused_by_plan_and_build(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[:1])
    lines = (tmp_path / "videos.jsonl").read_text()
    (tmp_path / "videos.jsonl").write_text(lines + "{broken\n" * 8 + '["a list"]\n')
    for command in ("plan", "build"):
        done = longtake_here(command, str(sources.config), "--probe=none")
        assert done.returncode == 1
        assert "9 of 10 lines of videos.jsonl could not be read (90%); max_failed allows 20%" in done.stderr
        assert "9 malformed, as videos.jsonl:10: holds a list, not a JSON object" in done.stderr
        assert (sources.output / "plan" / "_plan.json").exists()
        assert "The plan stays in " in done.stderr or command == "build"
        assert "Input and plan" in done.stdout or command == "build", "the plan is there to be seen"
    sources.change(max_failed=0.9)
    assert planned(sources)[0].counts["videos"].kept == 1


def test_a_text_file_of_broken_lines_is_refused(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[:1], "hdvila")
    with open(tmp_path / "text.jsonl", "ab") as stream:
        stream.write(b'{"clip_id": "x", "text": "\xc3\x28"}\n' * 3)
    with pytest.raises(
        CorpusError, match=r"3 of 12 lines of text.jsonl could not be read \(25%\)(?s:.*)3 invalid_utf8, as"
    ):
        planned(sources)


def test_a_list_in_the_place_of_lines_is_told(tmp_path: Path) -> None:
    """As `json.dump` writes it: one list of all records, in one line or in many."""
    sources = source_set(tmp_path, VIDEOS)
    records = [json.loads(line) for line in (tmp_path / "videos.jsonl").read_text().splitlines()]
    for indent in (None, 1):
        (tmp_path / "videos.jsonl").write_text(json.dumps(records, indent=indent))
        with pytest.raises(
            CorpusError, match=r"no record of a video could be read(?s:.*)write one JSON object per line"
        ):
            planned(sources)


def test_a_split_that_comes_out_empty_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = source_set(tmp_path, VIDEOS[:1], split={"train": 0.999, "val": 0.001, "none": 0.0})
    planned(sources)
    assert "warning: The split val has no sample" in capsys.readouterr().err
    assert "split none" not in planned(sources)[1]


def test_a_large_plan_says_how_much_disk_its_rows_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = source_set(tmp_path, VIDEOS, "hdvila")
    _, printed = planned(sources)
    assert "Rows on their way" not in printed, "too little to speak of"
    monkeypatch.setattr(plan_command, "_MUCH_SCRATCH", 1)
    size = sum(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
    _, printed = planned(sources)
    (line,) = (line for line in printed.splitlines() if line.startswith("Rows on their way"))
    assert f"take about {2.7 * size / 1000:.1f} KB in" in line and "free." in line
