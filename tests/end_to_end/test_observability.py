"""What a build tells while it runs: metrics of Beam that agree with the corpus, and a log that agrees with the ledger."""

import json
from pathlib import Path
from typing import Any

import pytest
from sources import (
    LAST_MAN,
    REPOSITORY,
    SourceSet,
    Video,
    ledger,
    longtake,
    longtake_here,
    manifest,
    rows_of,
    source_set,
    spoken,
)

from longtake.pipeline.run import metrics as step_metrics
from longtake.schemas.reasons import Stage

SAID = "zanzibar quokka"
VIDEOS = [Video(f"v{i}", spoken(5, 500 * i, says=SAID), LAST_MAN) for i in range(4)]
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 2}, "max_failed": 0.8}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[SourceSet, list[dict[str, Any]], str]:
    """A build with a video that is missing and one that is noise, its log, and all that it printed."""
    sources = source_set(tmp_path_factory.mktemp("told"), VIDEOS, **SETTINGS)
    (sources.folder / "videos" / "v1.mp4").unlink()
    (sources.folder / "videos" / "v2.mp4").unlink()
    (sources.folder / "videos" / "v2.mp4").write_bytes(bytes(range(256)) * 400)
    done = longtake_here(
        "build", str(sources.config), "--probe=none", "--log-json", env={"LONGTAKE_LOG_LEVEL": "debug"}
    )
    assert done.returncode == 0, done.stderr
    return sources, [json.loads(line) for line in done.stderr.splitlines()], done.stderr


def events(log: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [line for line in log if line["event"] == name]


def test_the_log_agrees_with_ledger_and_corpus(told: tuple[SourceSet, list[dict[str, Any]], str]) -> None:
    sources, log, _ = told
    assert {line["video_id"] for line in events(log, "task_done")} == {"v0", "v3"}
    lost = {row["subject_id"]: row["reason"] for row in ledger(sources.output) if row["subject"] == "video"}
    assert (
        {line["video_id"]: line["reason"] for line in events(log, "task_failed")}
        == lost
        == {"v1": "missing", "v2": "unreadable"}
    )
    assert {line["level"] for line in events(log, "task_failed")} == {"warning"}
    packed = {line["shard"]: line["bytes"] for line in events(log, "shard_packed")}
    assert packed == {shard["name"]: shard["bytes"] for shard in manifest(sources.output)["shards"]}
    assert {line["event"] for line in log} == {
        "job_started",
        "video_planned",
        "job_done",
        "task_done",
        "task_failed",
        "shard_packed",
    }


def test_no_sentence_is_in_the_log(told: tuple[SourceSet, list[dict[str, Any]], str]) -> None:
    sources, _, printed = told
    assert any(SAID in row["paragraph"] for row in rows_of(sources.output, "plan"))
    assert not any(word in printed for word in SAID.split())


def test_the_metrics_agree_with_the_corpus(told: tuple[SourceSet, list[dict[str, Any]], str]) -> None:
    sources, log, _ = told
    plan, build = (line for line in events(log, "job_done"))
    counts, shards = manifest(sources.output)["counts"], manifest(sources.output)["shards"]
    assert (plan["plan/videos"], plan["plan/sentences"], plan["plan/clips"]) == (4, 20, counts["clips"]["in"])
    assert (build["decode/tasks"], build["decode/videos"]) == (4, 4)
    assert build["decode/clips"] == build["pack/clips"] == counts["clips"]["kept"]
    assert build["decode/frames"] == build["pack/frames"] == sum(shard["frames"] for shard in shards)
    assert build["pack/shards"] == build["pack/shard_bytes:count"] == len(shards)
    assert build["pack/bytes"] == build["pack/shard_bytes:sum"] == sum(shard["bytes"] for shard in shards)
    assert build["decode/bytes"] == sum(path.stat().st_size for path in sources.output.glob("staging/??/*.frag"))
    assert build["decode/task_ms:count"] == 4, "failures take time as well"
    assert build["decode/decode_ms:count"] == 2
    assert build["decode/task_ms:max"] > 0
    found: dict[str, int] = {}
    for row in ledger(sources.output):
        name = f"{row['stage']}/dropped_{row['subject']}_{row['reason']}"
        found[name] = found.get(name, 0) + 1
    assert {name: n for name, n in (plan | build).items() if "/dropped_" in name} == found


def test_a_build_is_quiet_unless_asked(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    (tmp_path / "videos" / "v1.mp4").unlink()
    done = longtake("build", str(sources.config), "--probe=none")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_documentation_names_every_metric_and_event() -> None:
    text = (REPOSITORY / "docs" / "operations.md").read_text()
    for table in (step_metrics.COUNTERS, step_metrics.DISTRIBUTIONS):
        for step, names in table.items():
            for name in names:
                assert f"| `{step}` | `{name}`" in text, f"{step}/{name}"
    assert set(step_metrics.COUNTERS) | set(step_metrics.DISTRIBUTIONS) == {"fetch", "hear", "plan", "decode", "pack"}
    code = "".join(path.read_text() for folder in ("pipeline", "jobs") for path in (REPOSITORY / folder).rglob("*.py"))
    import re

    for name in set(re.findall(r'event\(logging\.[A-Z]+, "(\w+)"', code)):
        assert f"| `{name}` |" in text, name
    for stage in Stage:
        assert stage.value in step_metrics.STEPS
