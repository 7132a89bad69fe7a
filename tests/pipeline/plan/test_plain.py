"""Plans by columns against plans video by video: the same rows, ledger and figures from whatever comes in."""

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
from longtake.pipeline.plan import graph, plain
from longtake.schemas.config import parse_config

WORDS = ["one", "two,", "three.", "\u00c9t\u00e9", "--", "it's", "42", "\u4e2d\u6587", "...", "A"]


def write_input(folder: Path, videos: int, seed: int) -> None:
    """Metadata and texts with overlaps, sentences that start together, long ones, gaps, empty videos, and broken rows."""
    rng, records, texts = random.Random(seed), [], []
    for number in range(videos):
        at, clips = 0, []
        for n in range(rng.choice([0, 1, 3, 5, 17, 40])):
            start = max(0, at - rng.choice([0, 0, 0, 0, 200, 5000]))
            end = start + rng.choice([1, 900, 4000, 20_000, 20_000, 90_000])
            span: Any = [timecode(start), timecode(end)]
            clips.append({"clip_id": f"v{number}.{n}", "span": span if rng.random() > 0.01 else [1.5, "x"]})
            at = start if rng.random() < 0.02 else end + rng.choice([0, 0, 500, 2000, 2001, 60_000])
            texts.append({"clip_id": f"v{number}.{n}", "text": " ".join(rng.choices(WORDS, k=rng.randint(0, 12)))})
        records.append({"video_id": f"v{number}", "clip": clips, "url": f"https://example.org/{number}"})
    rng.shuffle(texts)
    for name, rows in (("videos", records), ("text", texts)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def planned(folder: Path, merge: dict[str, int], output: str) -> dict[str, Any]:
    """The files of a plan by name, the summary as an object."""
    source = {"videos": "videos.jsonl", "uri": "v/{video_id}.mp4", "text": {"format": "hdvila", "path": "text.jsonl"}}
    settings = {"name": "plain", "source": source, "merge": merge, "split": {"train": 0.7, "val": 0.3}}
    settings |= {"shards": {"samples": 9}, "max_failed": 1.0}
    config = parse_config(settings | {"output": output, "base": str(folder)})
    make_plan(BuildRequest(config, ProbeMode.NONE, 1, ()), Console(quiet=True))
    files = sorted((folder / output).glob("plan/*.parquet")) + sorted((folder / output).glob("ledger/*.parquet"))
    tables = {file.name: pq.read_table(file).to_pylist() for file in files}
    return tables | {"summary": json.loads((folder / output / "plan" / "_plan.json").read_text())}


@pytest.mark.parametrize(
    "merge",
    [
        {},
        {"min_sentences": 1, "max_sentences": 1},
        {"min_sentences": 2, "max_sentences": 7, "max_duration_ms": 30_000},
    ],
)
def test_by_columns_or_one_by_one_is_the_same_plan(
    tmp_path: Path, merge: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path, 120, seed=len(merge))
    taken: list[int] = []
    whole = plain.plan_plain

    def watched(*args: Any) -> plain.PlainPlan:
        found = whole(*args)
        taken.append(found.tally[("videos",)])
        return found

    monkeypatch.setattr(plain, "plan_plain", watched)
    by_columns = planned(tmp_path, merge, "columns")
    assert 40 < sum(taken) < 115, "some videos are left to the other way"
    monkeypatch.setattr(graph, "is_plain", lambda *_: False)
    assert by_columns == planned(tmp_path, merge, "single")
    assert len(by_columns["part-00000.parquet"]) > 20
