"""Long clips in their places: what the steps of the plan graph do with the functions of plan/assign.py, without Beam."""

from collections import Counter
from dataclasses import replace
from itertools import groupby

from longtake.pipeline.plan.assign import assign, offsets, place, starts
from longtake.schemas.keys import hash64
from longtake.schemas.records import LongClip


def order_of(video_id: str, seed: int) -> tuple[int, str]:
    return hash64(video_id, seed), video_id


def part_of(video_id: str, seed: int, parts: int) -> int:
    return hash64(video_id, seed) * parts >> 64


def placed(clips: list[LongClip], samples: int, parts: int = 1, seed: int = 0) -> list[LongClip]:
    """Clips by part in their order, each part assigned and placed with no more than counts of the others."""
    by_part: dict[int, list[LongClip]] = {}
    for clip in sorted(clips, key=lambda c: (order_of(c.video.video_id, seed), c.start_ms, c.key)):
        by_part.setdefault(part_of(clip.video.video_id, seed, parts), []).append(clip)
    per_split = Counter((part, clip.split) for part, inside in by_part.items() for clip in inside)
    assigned: dict[int, list[LongClip]] = {}
    for part, inside in by_part.items():
        videos = [(next(group).split, 1 + sum(1 for _ in group)) for _, group in groupby(inside, key=lambda c: c.video)]
        shards = assign(videos, offsets(per_split)[part], samples)
        assigned[part] = [replace(clip, shard=shard) for clip, shard in zip(inside, shards, strict=True)]
    per_shard = Counter((part, c.split, c.shard) for part, inside in assigned.items() for c in inside)
    planned = []
    for part in sorted(assigned):
        positions = place([(c.split, c.shard) for c in assigned[part]], starts(per_shard)[part])
        planned += [replace(c, position=at) for c, at in zip(assigned[part], positions, strict=True)]
    return planned
