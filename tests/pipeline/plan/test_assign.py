import random
from collections import Counter
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from assigned import order_of, part_of, placed
from hypothesis import given, settings, strategies as st

from longtake.pipeline.plan.assign import CLIPS_PER_PART, shard_count, split_of
from longtake.pipeline.run.parts import number_of_parts, part_numbers
from longtake.schemas.records import LongClip, Sentence, SourceVideo

SHARES = {"train": 0.7, "val": 0.2, "test": 0.1}


def clips_of(video_id: str, count: int) -> list[LongClip]:
    video = SourceVideo(video_id, f"{video_id}.mp4")
    return [
        LongClip(
            f"{video_id}-{i:09d}", video, (Sentence(f"{video_id}.{i}", 1000 * i, 1000 * i + 900, "text"),), (1000 * i,)
        )
        for i in range(count)
    ]


def corpus(sizes: list[int], seed: int = 0) -> list[LongClip]:
    clips = [clip for n, size in enumerate(sizes) for clip in clips_of(f"v{n}", size)]
    return [replace(clip, split=split_of(clip.video.video_id, SHARES, seed)) for clip in clips]


def where(clips: list[LongClip]) -> dict[str, tuple[str, int, int]]:
    return {clip.key: (clip.split, clip.shard, clip.position) for clip in clips}


corpora = st.lists(st.one_of(st.integers(1, 4), st.integers(1, 60)), min_size=1, max_size=60)


@given(corpora, st.integers(1, 25), st.integers(1, 9), st.integers(0, 3))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_a_plan_is_whole_and_even(sizes: list[int], samples: int, parts: int, seed: int) -> None:
    clips = corpus(sizes, seed)
    planned = placed(clips, samples, parts, seed)

    assert Counter(c.key for c in planned) == Counter(c.key for c in clips), "every clip is placed once"
    assert where(planned) == where(placed(random.Random(5).sample(clips, len(clips)), samples, 1, seed)), (
        "neither the order of the input nor the number of parts matters"
    )
    shards: dict[str, Counter[int]] = {}
    positions: dict[tuple[str, int], list[int]] = {}
    for clip in planned:
        shards.setdefault(clip.split, Counter())[clip.shard] += 1
        positions.setdefault((clip.split, clip.shard), []).append(clip.position)
    for found in positions.values():
        assert found == list(range(len(found))), "positions count from 0 in the order of the plan"
    largest: dict[str, int] = {}
    for video_id, group in groupby(planned, key=lambda c: c.video.video_id):
        video = list(group)
        assert len(video) == sizes[int(video_id[1:])], "the clips of a video follow each other"
        assert len({c.split for c in video}) == 1, "a video is in one split"
        assert [c.start_ms for c in video] == sorted(c.start_ms for c in video)
        largest[video[0].split] = max(largest.get(video[0].split, 0), len(video))
        numbers = sorted({c.shard for c in video})
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "a big video is in consecutive shards"
        if len(video) <= shards_share(video[0].split, planned, samples):
            assert len(numbers) == 1, "a video that fits into a shard's share is in one shard"
    for split, counts in shards.items():
        total = counts.total()
        assert sorted(counts) == list(range(shard_count(total, samples))), "shards are numbered from 0; none is empty"
        share = total / len(counts)
        for number, count in counts.items():
            assert abs(count - share) <= min(largest[split], share) + 1, (split, number, count, share)


def shards_share(split: str, planned: list[LongClip], samples: int) -> float:
    total = sum(c.split == split for c in planned)
    return total / shard_count(total, samples)


def test_big_video_spans_consecutive_shards_evenly() -> None:
    clips = [replace(c, split="train") for c in clips_of("talk", 100)]
    planned = placed(clips, samples=10, parts=3)
    assert Counter(c.shard for c in planned) == Counter(dict.fromkeys(range(10), 10))


def test_a_different_seed_gives_a_different_order() -> None:
    ids = [f"v{i}" for i in range(50)]
    assert sorted(ids, key=lambda i: order_of(i, 0)) != sorted(ids, key=lambda i: order_of(i, 1))


def test_parts_follow_the_order_of_the_corpus() -> None:
    ids = sorted((f"v{i}" for i in range(300)), key=lambda i: order_of(i, 4))
    parts = [part_of(i, 4, 7) for i in ids]
    assert parts == sorted(parts)
    assert set(parts) == set(range(7))


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.integers(1, 4096))
@settings(derandomize=True, max_examples=200)
def test_the_part_of_a_hash_is_exact_beyond_64_bits(hashes: list[int], parts: int) -> None:
    found = part_numbers(np.array(hashes, np.uint64), parts)
    assert found.tolist() == [value * parts >> 64 for value in hashes]


@pytest.mark.parametrize(("clips", "parts"), [(0, 1), (1, 1), (20_000, 1), (20_001, 2), (10**12, 4096)])
def test_number_of_parts(clips: int, parts: int) -> None:
    assert number_of_parts(clips, CLIPS_PER_PART) == parts


def test_splits_have_about_their_shares_and_do_not_depend_on_how_they_are_listed() -> None:
    ids = [f"video {i}" for i in range(4000)]
    counts = Counter(split_of(i, SHARES, 0) for i in ids)
    assert {name: round(counts[name] / len(ids), 1) for name in SHARES} == SHARES
    backwards = dict(reversed(SHARES.items()))
    assert [split_of(i, SHARES, 0) for i in ids] == [split_of(i, backwards, 0) for i in ids]


def test_shares_that_miss_1_by_a_rounding_error_leave_no_video_out() -> None:
    shares = {"a": 0.1 + 0.2, "b": 0.7 - 1e-9}
    assert {split_of(f"v{i}", shares, 0) for i in range(200)} == {"a", "b"}
    assert {split_of(f"v{i}", {"a": 0.0, "b": 1.0}, 0) for i in range(200)} == {"b"}


def test_split_and_order_are_independent() -> None:
    ids = sorted((f"v{i}" for i in range(2000)), key=lambda i: order_of(i, 0))
    early = sum(split_of(i, {"a": 0.5, "b": 0.5}, 0) == "a" for i in ids[:1000])
    assert 420 < early < 580
