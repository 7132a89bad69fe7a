"""Splits by exact quota: how many, which, and what moves when a video is added."""

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, strategies as st
from sources import LAST_MAN, Video, longtake_here, manifest, published, rows_of, source_set, spoken

from longtake.pipeline.plan.quota import bucket_of, cuts_in, place_of, quotas, split_by, wanted_places
from longtake.pipeline.plan.quota_graph import SplitByQuota
from longtake.pipeline.run.runner import LocalRunner

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
some_shares = st.lists(st.integers(1, 1000), min_size=1, max_size=6).map(
    lambda parts: {f"s{n}": part / sum(parts) for n, part in enumerate(parts)}
)


def splits_of(ids: Iterable[str], shares: dict[str, float], seed: int = 0) -> dict[str, str]:
    """What the Beam step does, without Beam."""
    places = [place_of(one, seed) for one in ids]
    wanted = wanted_places(Counter(map(bucket_of, places)), shares)
    cuts = [
        cut
        for bucket, ranks in wanted.items()
        for cut in cuts_in([place for place in places if bucket_of(place) == bucket], ranks)
    ]
    return {place[1]: split_by(place, dict(cuts), shares) for place in places}


def sorted_and_cut(ids: Iterable[str], shares: dict[str, float], seed: int = 0) -> dict[str, str]:
    """The same in the plainest way: sort all, cut at the quotas."""
    ordered = sorted(ids, key=lambda one: place_of(one, seed))
    names = [name for name, size in quotas(len(ordered), shares).items() for _ in range(size)]
    return dict(zip(ordered, names, strict=True))


@pytest.mark.parametrize(
    ("videos", "sizes"),
    [
        (0, (0, 0, 0)), (1, (0, 1, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (1, 2, 1)), (10, (1, 8, 1)), (15, (2, 12, 1)),
        (20, (2, 16, 2)), (1000, (100, 800, 100)),
    ],
)  # fmt: skip
def test_quotas_are_exact_and_leave_no_split_empty(videos: int, sizes: tuple[int, ...]) -> None:
    assert quotas(videos, SHARES) == dict(zip(("test", "train", "val"), sizes, strict=True))


def test_a_share_of_nothing_gets_nothing() -> None:
    assert quotas(5, {"train": 1.0, "test": 0.0}) == {"train": 5}


@given(st.integers(0, 3000), some_shares)
def test_quotas_add_up_and_never_shrink(videos: int, shares: dict[str, float]) -> None:
    sizes, more = quotas(videos, shares), quotas(videos + 1, shares)
    assert sum(sizes.values()) == videos
    assert sorted(more[name] - sizes[name] for name in sizes) == [*[0] * (len(sizes) - 1), 1]
    if videos >= len(shares):
        assert min(sizes.values()) >= 1
    for name, share in shares.items():
        assert abs(sizes[name] - videos * share) <= len(shares)


@given(st.integers(0, 60), some_shares, st.integers(0, 3), st.randoms(use_true_random=False))
def test_one_more_video_moves_at_most_one_other_across_each_cut(
    videos: int, shares: dict[str, float], seed: int, chance: random.Random
) -> None:
    ids = [f"{n}-{chance.random()}" for n in range(videos)]
    before, after = splits_of(ids, shares, seed), splits_of([*ids, "one more"], shares, seed)
    assert before == sorted_and_cut(reversed(ids), shares, seed)
    assert sum(before[one] != after[one] for one in ids) <= len(shares) - 1


def test_ids_with_one_hash_keep_their_order() -> None:
    places = [(7, "b"), (7, "a"), (7, "c")]
    ((number, cut),) = cuts_in(places, wanted_places({0: 3}, {"x": 0.5, "y": 0.5})[0])
    assert (number, cut) == (0, (7, "c"))
    assert [split_by(place, {0: cut}, {"x": 0.5, "y": 0.5}) for place in sorted(places)] == ["x", "x", "y"]


@pytest.mark.parametrize("videos", [0, 2, 300])
def test_the_step_is_the_same_as_sorting_all(videos: int) -> None:
    ids = [f"v{n}" for n in range(videos)]
    elements = [(one, clip, "") for one in ids for clip in range(2)]
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        found = (
            pipeline
            | beam.Create(elements, reshuffle=False)
            | SplitByQuota(
                SHARES, 5, lambda element: [element[0]], lambda element, of: [(*element[:2], of(element[0]))]
            )
        )
        expected = sorted_and_cut(ids, SHARES, 5)
        assert_that(found, equal_to([(one, clip, expected[one]) for one, clip, _ in elements]))


def test_a_small_corpus_gets_its_splits_in_any_order_of_input_and_resharded_or_not(tmp_path: Path) -> None:
    videos = [Video(f"v{n}", spoken(4), LAST_MAN) for n in range(5)]
    tiny = {"frames": {"short_side": 16, "per_sentence": 1}, "split_by": "quota"}
    made = {}
    for name, given_videos, shares in (
        ("a", videos, SHARES),
        ("b", videos[::-1], SHARES),
        ("c", videos, {"train": 1.0}),
    ):
        sources = source_set(tmp_path / name, given_videos, split=shares, **tiny)
        done = longtake_here("build", str(sources.config), "--probe=none", "--workers=1", "--json")
        assert done.returncode == 0, done.stderr
        assert ("val" in json.loads(done.stdout)["splits"]) == (name != "c")
        made[name] = sources.output
    assert published(made["a"]) == published(made["b"])
    assert Counter(row["split"] for row in rows_of(made["a"], "plan")) == {"train": 3, "val": 1, "test": 1}
    assert manifest(made["a"])["config"]["split_by"] == "quota"
    wanted = longtake_here("reshard", str(made["c"]), "--split", "train=0.8,val=0.1,test=0.1")
    assert wanted.returncode == 0, wanted.stderr
    assert [rows_of(made["c"], table) for table in ("plan", "index")] == [
        rows_of(made["a"], table) for table in ("plan", "index")
    ]
    assert longtake_here("verify", str(made["c"])).returncode == 0
