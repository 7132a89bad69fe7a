import itertools
import time

import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.merge.merge import Cut, cut, merge_video, order, runs
from longtake.schemas.config import Merge
from longtake.schemas.keys import is_sample_key
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Sentence, SourceVideo

VIDEO = SourceVideo("v", "v.mp4")


def merge_of(smallest: int = 4, largest: int = 16, gap: int = 2000, duration: int = 240_000) -> Merge:
    return Merge(min_sentences=smallest, max_sentences=largest, max_gap_ms=gap, max_duration_ms=duration)


def said(*spans: tuple[int, int]) -> list[Sentence]:
    return [Sentence(f"v.{n}", start, end, f"text {n}") for n, (start, end) in enumerate(spans, 1)]


def even(n: int, length: int = 1000) -> tuple[Sentence, ...]:
    return tuple(said(*((i * length, (i + 1) * length) for i in range(n))))


def sizes(result: Cut) -> list[int]:
    return [len(piece) for piece in result.pieces]


def test_order_ends_a_sentence_where_the_next_one_starts() -> None:
    ordered = order("v", said((1000, 5000), (0, 1500), (2000, 3000)))
    assert [(s.clip_id, s.start_ms, s.end_ms) for s in ordered.sentences] == [
        ("v.2", 0, 1000),
        ("v.1", 1000, 2000),
        ("v.3", 2000, 3000),
    ]
    assert ordered.trimmed == 2
    assert ordered.drops == []


def test_of_sentences_that_start_together_the_longest_stays() -> None:
    ordered = order("v", said((0, 900), (0, 500), (0, 900), (700, 1000)))
    assert [(s.clip_id, s.end_ms) for s in ordered.sentences] == [("v.3", 700), ("v.4", 1000)]
    assert [(d.subject_id, d.stage, d.reason) for d in ordered.drops] == [
        ("v.2", Stage.MERGE, Reason.OVERLAP),
        ("v.1", Stage.MERGE, Reason.OVERLAP),
    ]


def test_runs_split_at_silence() -> None:
    sentences = said((0, 1000), (3000, 4000), (6001, 7000))
    assert runs(sentences, 2000) == [tuple(sentences[:2]), (sentences[2],)]
    assert runs([], 2000) == []
    assert [len(run) for run in runs(sentences, 0)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("n", "expected"),
    [(4, [4]), (16, [16]), (17, [9, 8]), (32, [16, 16]), (33, [11, 11, 11]), (35, [12, 12, 11]), (3, []), (0, [])],
)
def test_a_long_run_is_cut_evenly(n: int, expected: list[int]) -> None:
    result = cut(even(n), merge_of())
    assert sizes(result) == expected
    assert len(result.remainder) == n - sum(expected)


def test_a_run_that_no_sizes_add_up_to_leaves_a_remainder() -> None:
    result = cut(even(5), merge_of(3, 4))
    assert sizes(result) == [4]
    assert [s.clip_id for s in result.remainder] == ["v.5"]


def test_duration_bounds_a_piece() -> None:
    assert sizes(cut(even(10, 1000), merge_of(1, 16, duration=5000))) == [5, 5]
    assert sizes(cut(even(10, 1000), merge_of(1, 16, duration=4000))) == [4, 3, 3]
    assert sizes(cut(even(10, 1000), merge_of(4, 16, duration=3999))) == []
    long_one = said((0, 1000), (1000, 9000), (9000, 10_000), (10_000, 11_000))
    result = cut(long_one, merge_of(1, 16, duration=3000))
    assert [[s.clip_id for s in piece] for piece in result.pieces] == [["v.1"], ["v.3", "v.4"]]
    assert [s.clip_id for s in result.remainder] == ["v.2"]


def test_uneven_durations_move_the_cut() -> None:
    spans = [(0, 4000), (4000, 8000), (8000, 9000), (9000, 10_000), (10_000, 11_000), (11_000, 12_000)]
    assert sizes(cut(said(*spans), merge_of(2, 4, duration=8000))) == [2, 4]


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=14).map(
    lambda pairs: [(start * 100, (start + length) * 100) for start, length in pairs]
)
merges = st.builds(
    lambda smallest, more, gap, duration: merge_of(smallest, smallest + more, gap, duration),
    *(st.integers(1, 5), st.integers(0, 5), st.integers(0, 1500), st.integers(100, 6000)),
)


def best_cost(run: tuple[Sentence, ...], merge: Merge) -> tuple[int, int, int, tuple[int, ...]]:
    """By trying every way to label the sentences: 0 for dropped, else the size of the piece that starts there."""
    n = len(run)
    found = []

    def go(i: int, steps: tuple[int, ...]) -> None:
        if i == n:
            pieces = [s for s in steps if s]
            found.append((steps.count(0), len(pieces), sum(s * s for s in pieces), tuple(-s for s in steps)))
            return
        go(i + 1, (*steps, 0))
        for size in range(merge.min_sentences, min(merge.max_sentences, n - i) + 1):
            if run[i + size - 1].end_ms - run[i].start_ms <= merge.max_duration_ms:
                go(i + size, (*steps, size))

    go(0, ())
    return min(found)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=11), merges)
def test_no_cut_is_better(lengths: list[int], merge: Merge) -> None:
    ends = list(itertools.accumulate(lengths))
    run = tuple(said(*(((end - length) * 100, end * 100) for end, length in zip(ends, lengths, strict=True))))
    result = cut(run, merge)
    dropped, pieces, squares, steps = best_cost(run, merge)
    assert len(result.remainder) == dropped
    assert len(result.pieces) == pieces
    assert sum(s * s for s in sizes(result)) == squares
    assert sizes(result) == [-s for s in steps if s]
    taken = sorted([s for piece in result.pieces for s in piece] + list(result.remainder), key=lambda s: s.start_ms)
    assert tuple(taken) == run


@pytest.mark.parametrize("duration", [10**9, 30_000, 5000])
def test_a_very_long_run_is_cut_quickly(duration: int) -> None:
    lengths = [500 + (i * 7919) % 4000 for i in range(10_000)]
    ends = list(itertools.accumulate(lengths))
    run = said(*((end - length, end) for end, length in zip(ends, lengths, strict=True)))
    started = time.process_time()
    cut(run, merge_of(duration=duration))
    assert time.process_time() - started < 1


def test_merges_a_video() -> None:
    spoken = said(*((i * 1000, i * 1000 + 1000) for i in range(5)), (9000, 10_000), (10_500, 11_000))
    merged = merge_video(VIDEO, spoken, merge_of(), 2)
    (clip,) = merged.clips
    assert clip.key == "v-000000000-000005000"
    assert (clip.split, clip.shard, clip.position) == ("", -1, -1)
    assert clip.frame_times_ms == (0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500)
    assert [(d.subject, d.subject_id, d.reason, d.detail) for d in merged.drops] == [
        (Subject.SENTENCE, "v.6", Reason.RUN_TOO_SHORT, "run of 2 sentences, min_sentences is 4"),
        (Subject.SENTENCE, "v.7", Reason.RUN_TOO_SHORT, "run of 2 sentences, min_sentences is 4"),
    ]


def test_what_no_piece_takes_is_a_remainder() -> None:
    merged = merge_video(VIDEO, even(5), merge_of(3, 4), 1)
    assert [(d.subject_id, d.reason) for d in merged.drops] == [("v.5", Reason.CUT_REMAINDER)]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(spans, merges, st.integers(1, 9), st.randoms(use_true_random=False))
def test_every_sentence_ends_in_one_place(
    times: list[tuple[int, int]], merge: Merge, frames: int, random: object
) -> None:
    sentences = said(*times)
    merged = merge_video(VIDEO, sentences, merge, frames)
    placed = [s.clip_id for clip in merged.clips for s in clip.sentences] + [d.subject_id for d in merged.drops]
    assert sorted(placed) == sorted(s.clip_id for s in sentences)
    assert len({clip.key for clip in merged.clips}) == len(merged.clips)
    for clip in merged.clips:
        assert is_sample_key(clip.key)
        assert merge.min_sentences <= len(clip.sentences) <= merge.max_sentences
        assert clip.end_ms - clip.start_ms <= merge.max_duration_ms
        assert len(clip.frame_times_ms) == frames * len(clip.sentences)
        assert list(clip.frame_times_ms) == sorted(clip.frame_times_ms)
        assert all(s.start_ms < s.end_ms for s in clip.sentences)
        for this, following in itertools.pairwise(clip.sentences):
            assert 0 <= following.start_ms - this.end_ms <= merge.max_gap_ms
    for clip, following_clip in itertools.pairwise(merged.clips):
        assert clip.end_ms <= following_clip.start_ms
    random.shuffle(sentences)  # type: ignore[attr-defined]
    assert merge_video(VIDEO, sentences, merge, frames) == merged
