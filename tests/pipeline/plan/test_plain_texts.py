"""Transcripts planned by columns against transcripts planned video by video: the same rows, ledger and figures."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from sources import timecode

from longtake.jobs.build.plan import make_plan
from longtake.jobs.build.request import BuildRequest, ProbeMode
from longtake.pipeline.plan import graph, plain_texts
from longtake.schemas.config import CorpusConfig, parse_config

SAID = [
    "So we go.",
    "so we",
    "go on and on.",
    "[Music]",
    "<v Ann>Why?",
    "- No.",
    "\u00c9t\u00e9. --",
    "\u4e2d\u6587\u3002",
    "A. B. 42 ...",
    "and",
]


def write_input(folder: Path, videos: int) -> None:
    """Transcripts with overlaps, cues that start together, long ones, gaps, times of words, broken cues; some are missing."""
    rng = random.Random(5)
    (folder / "t").mkdir()
    for number in range(videos):
        at, cues = 0, ["WEBVTT\n"]
        for _ in range(rng.choice([0, 1, 3, 9, 30])):
            start = max(0, at - rng.choice([0, 0, 0, 0, 200, 5000]))
            end = start + rng.choice([1, 900, 4000, 20_000, 90_000])
            arrow = "-->" if rng.random() > 0.02 else "->"
            cues.append(
                f"{timecode(start)} {arrow} {timecode(end)}\n{' '.join(rng.choices(SAID, k=rng.randint(1, 3)))}\n"
            )
            at = start if rng.random() < 0.05 else end + rng.choice([0, 0, 500, 2001, 60_000])
        if number % 17:
            (folder / "t" / f"v{number}.vtt").write_text("\n".join(cues), encoding="utf-8")
    records = [{"video_id": f"v{number}", "meta": {"n": number}} for number in range(videos)]
    (folder / "videos.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def configured(folder: Path, output: str, more: dict[str, Any]) -> CorpusConfig:
    text = {"format": "vtt", "path": "t/{video_id}.vtt"}
    settings = {"name": "plain", "source": {"videos": "videos.jsonl", "uri": "v/{video_id}.mp4", "text": text}}
    settings |= {"split": {"train": 0.7, "val": 0.3}, "shards": {"samples": 9}, "max_failed": 1.0}
    return parse_config(settings | {"output": output, "base": str(folder)} | more)


def planned(folder: Path, output: str, more: dict[str, Any]) -> dict[str, Any]:
    """The files of a plan by name, the summary as an object."""
    make_plan(BuildRequest(configured(folder, output, more), ProbeMode.NONE, 1, ()), Console(quiet=True))
    files = sorted((folder / output).glob("plan/*.parquet")) + sorted((folder / output).glob("ledger/*.parquet"))
    tables = {file.name: pq.read_table(file).to_pylist() for file in files}
    return tables | {"summary": json.loads((folder / output / "plan" / "_plan.json").read_text())}


def test_by_columns_or_one_by_one_is_the_same_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"merge": {"min_sentences": 2, "max_sentences": 7, "max_duration_ms": 30_000}}
    write_input(tmp_path, 100)
    monkeypatch.setattr(plain_texts, "_SENTENCES", 150)  # several tables, and a rest
    taken: list[int] = []
    whole = plain_texts.plan_plain

    def watched(*args: Any) -> Any:
        found = whole(*args)
        taken.append(found.tally[("videos",)])
        return found

    monkeypatch.setattr(plain_texts, "plan_plain", watched)
    by_columns = planned(tmp_path, "columns", more)
    assert len(taken) > 3 and 20 < sum(taken) < 75, "some videos are left to the other way"
    monkeypatch.setattr(graph, "has_plain_texts", lambda *_: False)
    assert by_columns == planned(tmp_path, "single", more)
    assert len(by_columns["part-00000.parquet"]) > 20
    rows = [sentence for row in by_columns["part-00000.parquet"] for sentence in row["sentences"]]
    assert {row["timing"] for row in rows} == {"cue", "interpolated"} and "Ann" in {row["speaker"] for row in rows}


def test_plans_that_need_more_than_sentences_go_video_by_video(tmp_path: Path) -> None:
    assert plain_texts.has_plain_texts(configured(tmp_path, "out", {}), "none")
    assert not plain_texts.has_plain_texts(configured(tmp_path, "out", {}), "header")
    for more in ({"split_by": "quota"}, {"duplicates": {"paragraphs": "drop"}}, {"filters": {"languages": ["en"]}}):
        assert not plain_texts.has_plain_texts(configured(tmp_path, "out", more), "none"), more
