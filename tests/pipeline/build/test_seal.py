import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from longtake.pipeline.build.seal import final_counts, seal
from longtake.pipeline.plan.summary import PlanSummary, check_failed, read_summary, write_summary
from longtake.schemas import storage
from longtake.schemas.config import parse_config
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import Count, ShardRecord, read_manifest

CONFIG = parse_config({"name": "mini", "output": "/nowhere/out", "source": {"videos": "secret.jsonl"}})


def plan(**changes: Any) -> PlanSummary:
    counts = {
        "videos": Count(total=10, kept=8, dropped=2),
        "sentences": Count(total=100, kept=80, dropped=20),
        "clips": Count(total=20, kept=20, dropped=0),
    }
    empty: dict[str, Any] = {name: {} for name in ("hours", "words", "sentences_per_clip", "splits", "estimate")}
    return PlanSummary(
        **{"fingerprint": "f", "config": {}, "probe": "none", "counts": counts, "failed_videos": 1, "drops": {}}
        | empty
        | changes
    )


def shards(layout: Layout, *samples: int) -> list[ShardRecord]:
    """Shards, of which the index at least is there."""
    for i, n in enumerate(samples):
        row = {"video_id": "v", "n_sentences": 1, "n_words": 2, "start_ms": 0, "end_ms": 900, "meta": "{}"}
        storage.write_parquet(layout.shard_index(f"train-{i:06d}"), pa.Table.from_pylist([row] * n))
    return [
        ShardRecord(name=f"train-{i:06d}.tar", split="train", samples=n, frames=8 * n, bytes=9, sha256="0")
        for i, n in enumerate(samples)
    ]


LOST = Counter(
    {
        ("dropped", "clip", "decode", "missing"): 5,
        ("dropped", "sentence", "decode", "missing"): 20,
        ("dropped", "video", "decode", "missing"): 2,
        ("failed",): 2,
    }
)


def test_what_decoding_lost_is_taken_off(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    seal(layout, CONFIG, plan(), LOST, shards(layout, 8, 7)[::-1])
    manifest = read_manifest(layout)
    assert manifest is not None
    assert {s: (c.total, c.kept, c.dropped) for s, c in manifest.counts.items()} == {
        "videos": (10, 6, 4),
        "sentences": (100, 60, 40),
        "clips": (20, 15, 5),
    }
    assert [s.name for s in manifest.shards] == ["train-000000.tar", "train-000001.tar"]


def test_neither_clock_nor_path_nor_host_is_published(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        layout = Layout(str(tmp_path / name))
        seal(layout, CONFIG, plan(), LOST, shards(layout, 15))
        written.append([Path(path).read_text() for path in (layout.manifest, layout.card, layout.croissant)])
    assert written[0] == written[1]
    assert not any(secret in text for text in written[0] for secret in ("/nowhere", "secret", str(tmp_path)))
    assert json.loads(written[0][0])["config"]["name"] == "mini"
    assert written[0][1].startswith("---\npretty_name: mini\n")


def test_counts_that_do_not_balance_are_not_published(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="clips: 20 in, but 14 kept and 5 dropped"):
        seal(Layout(str(tmp_path)), CONFIG, plan(), LOST, shards(Layout(str(tmp_path)), 14))
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_an_empty_corpus_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="No sample is left"):
        seal(Layout(str(tmp_path)), CONFIG, plan(), LOST, [])
    assert not list(tmp_path.iterdir())


def test_final_counts_without_losses_are_those_of_the_plan() -> None:
    assert final_counts(plan(), Counter(), 20) == plan().counts


@pytest.mark.parametrize(("failed", "stops"), [(0, False), (2, False), (3, True)])
def test_the_share_of_failures_that_stops(failed: int, stops: bool) -> None:
    if not stops:
        assert check_failed(failed, 10, 0.2, "ledger") is None  # type: ignore[func-returns-value]
        return
    with pytest.raises(CorpusError, match=r"3 of 10 videos failed \(30%\); max_failed allows 20%.*ledger"):
        check_failed(failed, 10, 0.2, "ledger")


def test_a_plan_summary_comes_back(tmp_path: Path) -> None:
    assert read_summary(str(tmp_path)) is None
    write_summary(str(tmp_path), plan())
    assert read_summary(str(tmp_path)) == plan()


@pytest.mark.parametrize("damage", ["", "{", "null", '{"format": 99}', '{"format": 1}'])
def test_a_broken_plan_summary_is_a_clear_error(tmp_path: Path, damage: str) -> None:
    (tmp_path / "_plan.json").write_text(damage)
    with pytest.raises(CorpusError, match=r"plan\.json: "):
        read_summary(str(tmp_path))
