"""Planned videos as tables on their way through a join, and back."""

import numpy as np
from paragraphs import clip_of

from longtake.pipeline.decode import Probe
from longtake.pipeline.plan.video import PlannedVideo
from longtake.pipeline.plan.video_rows import video_rows, videos_of
from longtake.pipeline.run.batches import Batches
from longtake.schemas.records import SourceInfo

FACTS = (
    None,
    Probe(SourceInfo(640, 360, 30000 / 1001, "h264", 61_000), True),
    Probe(SourceInfo(640, 360, 25.0, "vp9", 0, "bt709", "smpte2084", None, "tv"), False, (12, 60_500)),
)


def videos(number: int) -> list[PlannedVideo]:
    return [
        PlannedVideo(
            tuple(clip_of("one", f"two {n}", video_id=f"v{v}/\u00fc", start=n * 10_000) for n in range(1 + v % 4)),
            FACTS[v % len(FACTS)],
        )
        for v in range(number)
    ]


def test_videos_come_back_in_order_with_their_facts() -> None:
    some = videos(700)  # more long clips than become objects together
    batches = [Batches().of(video_rows(some[:300])), Batches().of(video_rows(some[300:]))]
    assert list(videos_of(batches)) == some
    assert list(videos_of([])) == []


def test_and_after_they_were_divided() -> None:
    some = videos(40)
    rows = video_rows(some)
    parts = Batches().by_number(rows, np.array([int(name[1:-2]) % 3 for name in rows["video_id"].to_pylist()]))
    found = [video for _, batch in parts for video in videos_of([batch])]
    assert found == [video for part in range(3) for video in some[part::3]]
