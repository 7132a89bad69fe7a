from pathlib import Path

import pytest

from longtake.pipeline.fragments import plan_table
from longtake.pipeline.fragments.plan_table import clips_of, clips_of_shard, plan_parts, tasks_of
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip, Sentence, SourceVideo


def clip(video_id: str, start: int, shard: int, position: int, uri: str = "") -> LongClip:
    sentence = Sentence(f"{video_id}.{start}", start, start + 1000, "text")
    video = SourceVideo(video_id, uri or f"{video_id}.mp4")
    return LongClip(f"{video_id}-{start}", video, (sentence,), (start, start + 500), None, "train", shard, position)


CLIPS = [
    clip("a", 0, 0, 0),
    clip("a", 2000, 0, 1),
    clip("long", 0, 0, 2),
    clip("long", 400_000, 1, 0),
    clip("long", 700_000, 1, 1),
    clip("long", 2_000_000, 1, 2),
    clip("b", 0, 1, 3),
]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(str(tmp_path))
    for number, part in enumerate((CLIPS[:3], CLIPS[3:])):
        path = storage.join(found.plan, f"part-{number:05d}.parquet")
        storage.write_parquet(path, tables.table(map(tables.plan_row, part), tables.PLAN), row_group_size=2)
    return found


def config(tmp_path: Path, **settings: object) -> CorpusConfig:
    return parse_config({"name": "t", "output": "o", "source": {"videos": "v"}, "base": str(tmp_path)} | settings)


def test_tasks_cover_every_row_once_and_hold_one_video(layout: Layout, tmp_path: Path) -> None:
    tasks = [task for part in plan_parts(layout) for task in tasks_of(part, config(tmp_path), {})]
    found = [clips_of(task) for task in tasks]
    assert [c for clips in found for c in clips] == CLIPS
    assert [{c.video.video_id for c in clips} for clips in found] == [{t.video_id} for t in tasks]
    assert [len(clips) for clips in found] == [2, 1, 2, 1, 1]
    assert len({task.digest for task in tasks}) == len(tasks)


def test_long_videos_are_cut_into_ranges_of_ten_minutes(layout: Layout, tmp_path: Path) -> None:
    for task in (t for part in plan_parts(layout) for t in tasks_of(part, config(tmp_path), {})):
        clips = clips_of(task)
        assert len(clips) == 1 or clips[-1].end_ms - clips[0].start_ms <= plan_table._TASK_MS


def test_the_digest_follows_source_frames_and_versions(layout: Layout, tmp_path: Path) -> None:
    part = plan_parts(layout)[0]

    def digests(cfg: CorpusConfig, versions: dict[str, str]) -> list[str]:
        return [task.digest for task in tasks_of(part, cfg, versions)]

    before = digests(config(tmp_path), {})
    assert digests(config(tmp_path, seed=4, shards={"samples": 9}), {}) == before, "a plan may change in these"
    assert digests(config(tmp_path, frames={"quality": 50}), {}) != before
    assert digests(config(tmp_path), {"av": "19"}) != before
    (tmp_path / "a.mp4").write_bytes(b"now it is there")
    changed = digests(config(tmp_path), {})
    assert [one == other for one, other in zip(before, changed, strict=True)] == [False, True]


def test_a_shard_is_read_over_parts_by_position(layout: Layout) -> None:
    assert clips_of_shard(plan_parts(layout), "train", 0) == CLIPS[:3]
    assert clips_of_shard(plan_parts(layout), "train", 1) == CLIPS[3:]
    assert clips_of_shard(plan_parts(layout), "val", 0) == []
