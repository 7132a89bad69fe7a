"""Coherence: scores and curves against hand-computed ones, and cuts against every possible cut."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.merge.coherence import (
    Topics,
    coherence,
    contrasted,
    cost_of_cut,
    curve,
    depth_scores,
    normalised,
    piece_costs,
)
from longtake.pipeline.merge.merge import cut, merge_video, split_at
from longtake.schemas.config import Merge
from longtake.schemas.records import Sentence, SourceVideo

VIDEO = SourceVideo("v", "v.mp4")


def said(n: int, length: int = 1000) -> tuple[Sentence, ...]:
    return tuple(Sentence(f"v.{i}", i * length, (i + 1) * length, f"text {i}") for i in range(n))


def limits(smallest: int = 4, largest: int = 16, duration: int = 240_000) -> Merge:
    return Merge(min_sentences=smallest, max_sentences=largest, max_duration_ms=duration)


def about(*topics: int, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Embeddings of sentences about topics, given by number; different topics have nothing in common."""
    rows = np.eye(max(topics) + 1 + 8)[list(topics)]
    return normalised(rows + noise * np.random.default_rng(seed).normal(size=rows.shape)).astype(np.float16)


def test_the_curve_is_the_similarity_of_both_sides_and_its_depth_is_hearsts() -> None:
    found = curve(normalised(about(0, 0, 1, 1)), 2)
    assert found.similarity == (0.707, 0.0, 0.707)  # (0) and (0, 1): 1 / sqrt 2; (0, 0) and (1, 1): 0
    assert found.depth == (0.0, 1.414, 0.0)
    assert curve(normalised(about(0)), 2).similarity == ()
    assert depth_scores([0.5, 0.2, 0.4, 0.1, 0.9, 0.9, 0.3]) == [0.0, 0.5, 0.0, 1.1, 0.0, 0.0, 0.6]


def test_coherence_is_the_mean_similarity_to_the_mean() -> None:
    assert coherence(normalised(about(0, 0, 0))) == 1
    assert coherence(normalised(about(0, 1, 2, 3))) == 0.5
    unit = normalised(np.random.default_rng(1).normal(size=(7, 5)))
    mean = unit.mean(axis=0)
    assert coherence(unit) == pytest.approx(np.mean(unit @ mean) / np.linalg.norm(mean), abs=6e-4)


def test_a_cost_is_what_is_lost_by_pointing_elsewhere() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    assert piece_costs(vectors, 1, 5, 0.5) == {1: [500, 500, 500], 2: [1086, 500], 3: [1338]}
    assert piece_costs(vectors, 4, 5, 0.5) == {}


def test_what_all_sentences_share_is_taken_off_in_part() -> None:
    unit = normalised(np.random.default_rng(2).normal(size=(32, 6)) + 3)
    rest = contrasted(unit)
    assert np.mean(np.sum(rest**2, axis=1)) == pytest.approx(1)
    half = unit - unit.mean(axis=0) / 2
    assert rest / rest[0, 0] == pytest.approx(half / half[0, 0])
    assert not contrasted(np.zeros((3, 4))).any()
    assert contrasted(np.zeros((0, 4))).shape == (0, 4)


def test_a_cut_costs_less_where_neighbours_are_alike() -> None:
    assert cost_of_cut(normalised(about(*range(9))), 5.0) == 5
    assert cost_of_cut(normalised(about(0, 1, 0, 1, 0, 1)), 5.0) == 5 * (1 - 0.333) ** 3  # 4 of 12 pairs are alike
    assert cost_of_cut(normalised(about(*[0] * 9)), 5.0) == 5 / 8
    assert cost_of_cut(normalised(about(0)), 5.0) == 5
    assert cost_of_cut(normalised(-about(0, 1)), 0.0) == 0


def least(run: Sequence[Sentence], merge: Merge, costs: Mapping[int, Sequence[int]]) -> tuple[int, int]:
    """(dropped sentences, cost) of the best cut, by trying every one."""
    n, found = len(run), []

    def go(i: int, dropped: int, cost: int) -> None:
        if i == n:
            found.append((dropped, cost))
            return
        go(i + 1, dropped + 1, cost)
        for size in range(merge.min_sentences, min(merge.max_sentences, n - i) + 1):
            if run[i + size - 1].end_ms - run[i].start_ms <= merge.max_duration_ms:
                go(i + size, dropped, cost + costs[size][i])

    go(0, 0, 0)
    return min(found)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=11),
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(20, 120),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 1.0, 3.0]),
)
def test_no_cut_costs_less(
    lengths: list[int], smallest: int, more: int, longest: int, seed: int, cut_cost: float
) -> None:
    merge = limits(smallest, smallest + more, longest * 100)
    ends = list(itertools.accumulate(lengths))
    run = tuple(
        Sentence(f"v.{i}", (end - length) * 100, end * 100, "")
        for i, (end, length) in enumerate(zip(ends, lengths, strict=True))
    )
    vectors = contrasted(normalised(np.random.default_rng(seed).normal(size=(len(run), 3))))
    costs = piece_costs(vectors, merge.min_sentences, merge.max_sentences, cut_cost)
    result = cut(run, merge, costs)
    for piece in result.pieces:
        assert merge.min_sentences <= len(piece) <= merge.max_sentences
        assert piece[-1].end_ms - piece[0].start_ms <= merge.max_duration_ms
    total = sum(costs[len(piece)][int(piece[0].clip_id[2:])] for piece in result.pieces)
    assert (len(result.remainder), total) == least(run, merge, costs)
    taken = sorted([s for piece in result.pieces for s in piece] + list(result.remainder), key=lambda s: s.start_ms)
    assert tuple(taken) == run


@pytest.mark.parametrize("join", [4, 7, 12])
def test_the_cut_lies_where_the_topic_turns(join: int) -> None:
    run = said(16)
    embeddings = about(*[0] * join, *[1] * (16 - join), noise=0.1)
    topics = Topics.of(run, embeddings, 5.0)
    clips = merge_video(VIDEO, run, limits(), 1, topics).clips
    assert [len(clip.sentences) for clip in clips] == [join, 16 - join]
    assert [len(clip.sentences) for clip in merge_video(VIDEO, run, limits(), 1).clips] == [16]
    assert topics.coherence(clips[0].sentences) > 0.9 > topics.coherence(run)
    lowest = min(range(15), key=topics.curve(run, 3).similarity.__getitem__)
    assert lowest == join - 1


def test_one_topic_is_not_cut_for_the_sake_of_it() -> None:
    run = said(16)
    topics = Topics.of(run, about(*[0] * 16, noise=0.1), 5.0)
    assert [len(clip.sentences) for clip in merge_video(VIDEO, run, limits(), 1, topics).clips] == [16]


def test_limits_hold_also_where_the_topic_does_not_turn() -> None:
    run = said(40)
    topics = Topics.of(run, about(*[0] * 40, noise=0.1), 5.0)
    sizes = [len(clip.sentences) for clip in merge_video(VIDEO, run, limits(), 1, topics).clips]
    assert sum(sizes) == 40
    assert all(4 <= size <= 16 for size in sizes)


def test_the_order_of_the_sentences_does_not_matter() -> None:
    run, embeddings = said(30), about(*[0] * 9, *[1] * 21, noise=0.4, seed=3)
    topics = Topics.of(run, embeddings, 5.0)
    order = np.random.default_rng(4).permutation(30)
    other = Topics.of([run[i] for i in order], embeddings[order], 2.0)
    assert other.rows == topics.rows
    assert np.array_equal(other.contrasted, topics.contrasted)


def test_a_vector_of_zeros_does_no_harm() -> None:
    embeddings = about(0, 0, 0, 1, 1, 1)
    embeddings[2] = 0
    topics = Topics.of(said(6), embeddings, 5.0)
    assert sum(len(c.sentences) for c in merge_video(VIDEO, said(6), limits(2, 4), 1, topics).clips) == 6
    assert all(-1 <= s <= 1 for s in topics.curve(said(6), 2).similarity)


def test_no_long_clip_spans_two_chapters() -> None:
    run = said(10)
    assert [len(part) for part in split_at([run], [0, 4000])] == [4, 6]
    assert [len(part) for part in split_at([run], [4400])] == [4, 6]  # nearer to its start than to its end
    assert [len(part) for part in split_at([run], [4600])] == [5, 5]
    assert split_at([run], []) == [run]
    clips = merge_video(VIDEO, run, limits(), 1, None, [0, 5000]).clips
    assert [len(clip.sentences) for clip in clips] == [5, 5]
