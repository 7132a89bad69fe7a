"""Ranks, recall and alignment, against counting by hand over every order of tied items."""

import itertools
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from longtake.model.retrieval import metrics as retrieval
from longtake.model.retrieval.metrics import (
    Alignment,
    Ranks,
    alignment,
    chance,
    rank,
    rank_features,
    retrieval_metrics,
    summary,
)

NAN = float("nan")


def eye(queries: int, items: int | None = None) -> Tensor:
    return torch.eye(queries, items or queries).bool()


def first_places(scores: list[float], right: list[bool]) -> list[int]:
    """The place of the first right item, from 1, in every order of the items that descends in score."""
    orders = itertools.permutations(range(len(scores)))
    descending = [o for o in orders if all(scores[i] >= scores[j] for i, j in itertools.pairwise(o))]
    return [next(place for place, item in enumerate(order, 1) if right[item]) for order in descending]


@pytest.mark.parametrize("right", [(0,), (3,), (0, 1), (1, 4), (0, 2, 5)])
@pytest.mark.parametrize("scores", [(1, 1, 1, 1, 1, 1), (3, 2, 2, 2, 1, 1), (1, 2, 3, 3, 2, 2), (6, 5, 4, 3, 2, 1)])
def test_rank_and_recall_are_means_over_all_orders_of_ties(scores: tuple[int, ...], right: tuple[int, ...]) -> None:
    flags = [i in right for i in range(len(scores))]
    places = first_places(list(map(float, scores)), flags)
    found = rank(torch.tensor([scores]).float(), torch.tensor([flags]))
    assert float(found.mean_ranks()[0]) == pytest.approx(float(Fraction(sum(places), len(places))))
    for k in (1, 2, 5, 10):
        share = sum(place <= k for place in places) / len(places)
        assert float(found.recall(k)[0]) == pytest.approx(share)


def test_a_single_right_item_has_the_formula_of_the_docstring() -> None:
    found = rank(torch.tensor([[2.0, 2, 2, 3, 1]]), torch.tensor([[True, False, False, False, False]]))
    assert (int(found.above), int(found.ties), int(found.right)) == (1, 2, 1)
    assert float(found.mean_ranks()) == 1 + 1 + 2 / 2
    assert [float(found.recall(k)) for k in (1, 2, 3, 4, 5)] == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])


def test_right_features_are_found() -> None:
    features = F.normalize(torch.randn(50, 16), dim=1)
    found = retrieval_metrics(features, features)
    for way in ("paragraph_to_video", "video_to_paragraph"):
        assert found[f"{way}/r1"] == found[f"{way}/r5"] == found[f"{way}/median_rank"] == found[f"{way}/mean_rank"] == 1
        assert found[f"{way}/chance_r1"] == pytest.approx(1 / 50) and found[f"{way}/chance_r10"] == pytest.approx(
            10 / 50
        )
        assert found[f"{way}/chance_median_rank"] == found[f"{way}/chance_mean_rank"] == 25.5
    assert found["nan_scores"] == 0


def test_known_ranks() -> None:
    """Query i has i items above the right one."""
    scores = torch.zeros(12, 12)
    for i in range(12):
        scores[i, (i + torch.arange(1, i + 1)) % 12] = 1.0
        scores[i, i] = 0.5
    found = summary(rank(scores, eye(12)))
    assert found["r1"] == pytest.approx(1 / 12) and found["r5"] == pytest.approx(5 / 12)
    assert found["r10"] == pytest.approx(10 / 12)
    assert found["median_rank"] == 6.5 and found["mean_rank"] == 6.5


def test_a_constant_model_gets_chance_and_no_more() -> None:
    constant = torch.ones(40, 8) / 8**0.5
    found = retrieval_metrics(constant, constant)
    for name, value in found.items():
        if "/chance_" not in name and "/" in name:
            way, metric = name.split("/")
            assert value == pytest.approx(found[f"{way}/chance_{metric}"]), name


def test_half_precision_ties_do_not_add_recall() -> None:
    """The case of facts #17: a tied query counted once for each tie gives 0.6."""
    scores = torch.tensor([[1.0, 1, 0], [0, 1, 0], [0, 1, 1]])
    assert summary(rank(scores, eye(3)))["r1"] == pytest.approx((0.5 + 1 + 0.5) / 3)


@pytest.mark.parametrize("columns", [7, 37, 64, 129])
def test_equal_features_tie_wherever_they_stand(columns: int) -> None:
    queries, item = F.normalize(torch.randn(columns, 100), dim=1), F.normalize(torch.randn(1, 100), dim=1)
    found = rank_features(queries, item.expand(columns, 100).contiguous())
    assert bool((found.ties == columns - 1).all()) and bool((found.above == 0).all())


def test_stretches_change_nothing_and_bound_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, items = torch.randn(61, 8), torch.randn(23, 8)
    groups = torch.arange(61) % 23, torch.arange(23)
    whole = rank_features(queries, items, *groups)
    cells = []

    def spy(scores: Tensor, right: Tensor) -> Ranks:
        cells.append(scores.numel())
        return rank(scores, right)

    monkeypatch.setattr(retrieval, "_CELLS", 100)
    monkeypatch.setattr(retrieval, "_ROWS", 1)
    monkeypatch.setattr(retrieval, "rank", spy)
    pieces = rank_features(queries, items, *groups)
    assert max(cells) <= 100 and sum(cells) == 61 * 23
    assert all(torch.equal(a, b) for a, b in zip(whole[:3], pieces[:3], strict=True))


def test_a_hundred_thousand_items_are_never_held_against_each_other() -> None:
    rows = list(retrieval._stretches(100_000, 100_000))
    assert max(r.stop - r.start for r in rows) == 64  # 51 MB of float64, where all pairs would be 80 GB
    assert rows[0].start == 0 and rows[-1].stop == 100_000
    assert all(a.stop == b.start for a, b in itertools.pairwise(rows))


def test_several_captions_of_a_video() -> None:
    videos = torch.eye(3)
    captions = torch.eye(3)[[0, 0, 1, 2, 2]]
    captions[1] = torch.tensor([0.0, 1, 0])  # the second caption of video 0 describes video 1
    found = retrieval_metrics(captions, videos, torch.tensor([0, 0, 1, 2, 2]), torch.arange(3))
    assert found["paragraph_to_video/r1"] == pytest.approx(4 / 5)
    # Video 1 is as near to its own caption as to the wrong one of video 0; video 0 has another caption that is right.
    assert found["video_to_paragraph/r1"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert found["video_to_paragraph/chance_r1"] == pytest.approx((2 / 5 + 1 / 5 + 2 / 5) / 3)


def test_chance_is_what_random_scores_give() -> None:
    groups = torch.tensor([0, 0, 0, 1, 2, 2, 3]), torch.tensor([0, 1, 2, 2, 3])
    right = groups[0].unsqueeze(1) == groups[1]
    generator = torch.Generator().manual_seed(5)
    many = [summary(rank(torch.rand(7, 5, generator=generator), right)) for _ in range(4000)]
    expected = summary(chance(*groups))
    for name in ("r1", "r5", "mean_rank"):
        assert sum(one[name] for one in many) / len(many) == pytest.approx(expected[name], abs=0.03), name


def test_nan_ranks_last_and_is_counted() -> None:
    scores = torch.tensor([[NAN, 0.1, 0.2], [NAN, 0.5, 0.2], [NAN, NAN, NAN]])
    found = rank(scores, eye(3))
    assert found.mean_ranks().tolist() == [3, 1, 3] and found.nan == 5
    assert found.recall(1).tolist() == [0, 1, 0]


def test_a_model_of_nan_gets_nothing() -> None:
    found = retrieval_metrics(torch.full((30, 4), NAN), torch.randn(30, 4))
    assert found["paragraph_to_video/r10"] == found["video_to_paragraph/r10"] == 0
    assert found["paragraph_to_video/mean_rank"] == 30 and found["nan_scores"] == 900


def test_one_bad_video_costs_itself_only() -> None:
    features = F.normalize(torch.randn(20, 16), dim=1)
    broken = features.clone()
    broken[3] = NAN
    found = retrieval_metrics(features, broken)
    assert found["paragraph_to_video/r1"] == found["video_to_paragraph/r1"] == pytest.approx(19 / 20)
    assert found["nan_scores"] == 20


def test_no_query_is_no_number() -> None:
    found = summary(rank_features(torch.zeros(0, 4), torch.zeros(0, 4)))
    assert all(value != value for value in found.values())


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(ValueError, match="no right item"):
        rank(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]))
    with pytest.raises(ValueError, match="scores are"):
        rank(torch.zeros(2, 3), eye(2))
    with pytest.raises(ValueError, match="one group for each"):
        rank_features(torch.zeros(2, 3), torch.zeros(2, 3), torch.arange(3))


# -- alignment ---------------------------------------------------------------------------------------------------------


def all_present(samples: int, sentences: int) -> Tensor:
    return torch.ones(samples, sentences, dtype=torch.bool)


def test_alignment_of_right_and_swapped_clips() -> None:
    sentences = torch.eye(4).expand(3, 4, 4)
    found = alignment(sentences, sentences, all_present(3, 4)).metrics()
    assert found["clip_to_sentence/accuracy"] == found["sentence_to_clip/accuracy"] == 1
    assert found["clip_to_sentence/chance"] == 0.25 and found["aligned_sentences"] == 12
    swapped = sentences[:, [1, 0, 2, 3]]
    found = alignment(swapped, sentences, all_present(3, 4)).metrics()
    assert found["clip_to_sentence/accuracy"] == found["sentence_to_clip/accuracy"] == 0.5


def test_the_two_directions_differ() -> None:
    """Both clips are nearest to sentence 0; sentence 1 is nearest to clip 1."""
    clips = torch.tensor([[[1.0, 0], [0.8, 0.6]]])
    sentences = torch.tensor([[[1.0, 0], [0.0, 1.0]]])
    found = alignment(clips, sentences, all_present(1, 2)).metrics()
    assert found["clip_to_sentence/accuracy"] == 0.5 and found["sentence_to_clip/accuracy"] == 1


def test_padded_sentences_do_not_count() -> None:
    sentences = torch.eye(4).expand(2, 4, 4).clone()
    present = torch.tensor([[True, True, False, False], [True, False, True, True]])
    clips = sentences.clone()
    clips[0, 2:] = sentences[0, 0]  # clips of absent sentences lie on a real one
    sentences[~present] = clips[0, 0]  # and absent sentences too
    found = alignment(clips, sentences, present).metrics()
    assert found["clip_to_sentence/accuracy"] == found["sentence_to_clip/accuracy"] == 1
    assert found["aligned_sentences"] == 5
    assert found["clip_to_sentence/chance"] == pytest.approx((2 * 1 / 2 + 3 * 1 / 3) / 5)


def test_a_single_sentence_says_nothing() -> None:
    present = torch.tensor([[True, False, False]])
    found = alignment(torch.eye(3)[None], torch.eye(3)[None], present).metrics()
    assert found["aligned_sentences"] == 0 and found["clip_to_sentence/accuracy"] != found["clip_to_sentence/accuracy"]


def test_ties_share_the_point_and_nan_gets_none() -> None:
    same = torch.ones(5, 4, 2)
    found = alignment(same, same, all_present(5, 4)).metrics()
    assert found["clip_to_sentence/accuracy"] == found["clip_to_sentence/chance"] == 0.25
    broken = torch.eye(4).expand(1, 4, 4).clone()
    broken[0, 1] = NAN
    found = alignment(broken, torch.eye(4)[None], all_present(1, 4)).metrics()
    assert found["clip_to_sentence/accuracy"] == 0.75 and found["nan_alignment_scores"] == 4


def test_sums_of_batches_are_those_of_the_whole() -> None:
    clips, sentences = torch.randn(9, 4, 6), torch.randn(9, 4, 6)
    present = torch.rand(9, 4) < 0.8
    parts = sum(alignment(clips[i : i + 2], sentences[i : i + 2], present[i : i + 2]).sums for i in range(0, 9, 2))
    assert isinstance(parts, Tensor)
    assert Alignment(parts).metrics() == pytest.approx(alignment(clips, sentences, present).metrics())
