"""Retrieval metrics: ranks with fair ties, recall, clip-sentence alignment. Pure functions of features.

Of the wrong items, `a` score higher than the right one and `e` score the same. If ties are broken at random, the right one
stands at each place from a + 1 to a + e + 1 equally often. So its rank is a + 1 + e / 2 on average. It is among the first K
with probability min(max(K - a, 0), e + 1) / (e + 1), and adds this probability to R@K. So a model that gives every pair the
same score gets the result of chance. (The released code counts a tied query once for each tie, facts #17.)
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

RECALLS = (1, 5, 10)
_CELLS, _ROWS = 1 << 20, 64  # scores and queries per product; fewer than _ROWS queries make slow products


class Ranks(NamedTuple):
    """The place of the best right item of each query. Tensors are (Q,), int64, on the CPU."""

    above: Tensor  # wrong items that score higher
    ties: Tensor  # wrong items that score as high
    right: Tensor  # right items that score as high: 1, unless a query has several right items
    nan: int = 0  # scores that were NaN

    def mean_ranks(self) -> Tensor:
        """Return the rank (Q,), float64, of the first right item, from 1: a + 1 + e / (r + 1), the mean over orders of ties."""
        return self.above + 1 + self.ties.double() / (self.right + 1)

    def recall(self, k: int) -> Tensor:
        """Return the probability (Q,), float64, that a right item is among the first `k`.

        1 - prod_{j < k - a} (e - j) / (e + r - j), which for r = 1 is min(max(k - a, 0), e + 1) / (e + 1).
        """
        none = torch.ones(len(self.above), dtype=torch.float64)
        for j in range(k):
            left = (self.ties - j).clamp(min=0).double()  # tied wrong items left, after j of them
            step = left / (left + self.right)
            none = torch.where(j < k - self.above, none * step, none)
        return 1 - none


def rank(scores: Tensor, right: Tensor) -> Ranks:
    """Rank from scores (Q, N) and `right` (Q, N) bool. Raises ValueError if a query has no right item.

    NaN ranks after all numbers. A query whose right items are all NaN ranks last, after the other NaNs too: a model that
    gives only NaN must not look like chance.
    """
    if scores.shape != right.shape or scores.ndim != 2:
        raise ValueError(f"scores are {tuple(scores.shape)}, right items {tuple(right.shape)}")
    if not bool(right.any(1).all()):
        raise ValueError("a query has no right item")
    number = ~scores.isnan()
    best = scores.masked_fill(~(right & number), -torch.inf).amax(1, keepdim=True)
    found = (right & number).any(1)
    wrong = ~right
    above = torch.where(found, ((scores > best) & wrong).sum(1), wrong.sum(1))
    level = (scores == best) & number
    ties = torch.where(found, (level & wrong).sum(1), 0)
    tied_right = torch.where(found, (level & right).sum(1), 1)
    return Ranks(above.cpu(), ties.cpu(), tied_right.cpu(), int((~number).sum()))


def rank_features(
    queries: Tensor, items: Tensor, query_group: Tensor | None = None, item_group: Tensor | None = None
) -> Ranks:
    """Rank items (N, C) for queries (Q, C) by their scalar product, a stretch of queries at a time.

    The items of a query's group are right. Groups (Q,) and (N,) are integers, by default 0, 1, 2, ...: one right item each.
    Scores are summed in float64 and rounded to float32, so that equal features score equally at any place.
    """
    query_group = torch.arange(len(queries)) if query_group is None else query_group
    item_group = torch.arange(len(items)) if item_group is None else item_group
    if len(query_group) != len(queries) or len(item_group) != len(items):
        raise ValueError("one group for each query and each item")
    columns, item_group = items.double().T, item_group.to(items.device)
    # Allocated first: small results that stay between large ones that are freed would fragment the heap.
    found, nan = torch.zeros(3, len(queries), dtype=torch.int64), 0
    for rows in _stretches(len(queries), max(1, len(items))):
        scores = (queries[rows].double() @ columns).float()
        part = rank(scores, query_group[rows].to(items.device).unsqueeze(1) == item_group)
        found[:, rows] = torch.stack(part[:3])
        nan += part.nan
    return Ranks(found[0], found[1], found[2], nan)


def _stretches(rows: int, columns: int) -> Iterator[slice]:
    step = max(_ROWS, _CELLS // columns)
    return (slice(first, min(first + step, rows)) for first in range(0, rows, step))


def chance(query_group: Tensor, item_group: Tensor) -> Ranks:
    """Return the ranks of a model to which all items look alike: every wrong item is tied with every right one."""
    groups, inverse = torch.unique(torch.cat([query_group, item_group]), return_inverse=True)
    sizes = torch.bincount(inverse[len(query_group) :], minlength=len(groups))
    right = sizes[inverse[: len(query_group)]]
    return Ranks(torch.zeros_like(right), len(item_group) - right, right)


def summary(ranks: Ranks) -> dict[str, float]:
    """Return `r1`, `r5`, `r10` from 0 to 1, `median_rank` and `mean_rank` from 1. They are NaN if there is no query.

    The median of an even number of ranks is the mean of the middle two.
    """
    places = ranks.mean_ranks()
    found = {f"r{k}": float(ranks.recall(k).mean()) for k in RECALLS}
    return found | {"median_rank": _median(places), "mean_rank": float(places.mean())}


def _median(places: Tensor) -> float:
    if not len(places):
        return float("nan")
    ordered = places.sort().values
    return float(ordered[[(len(places) - 1) // 2, len(places) // 2]].mean())


def retrieval_metrics(
    paragraphs: Tensor, videos: Tensor, paragraph_group: Tensor | None = None, video_group: Tensor | None = None
) -> dict[str, float]:
    """Measure retrieval in both directions.

    Args:
        paragraphs: features (P, C).
        videos: features (V, C).
        paragraph_group: (P,): the video group that is right for each paragraph; None: the video of the same row.
        video_group: (V,): the group of each video; None: its row.

    Returns:
        `paragraph_to_video/r1` and so on, with `.../chance_r1` beside each. `nan_scores` counts the pairs whose score is NaN;
        they rank last.

    Raises:
        ValueError: a query has no right item.
    """
    paragraph_group = torch.arange(len(paragraphs)) if paragraph_group is None else paragraph_group.cpu()
    video_group = torch.arange(len(videos)) if video_group is None else video_group.cpu()
    out: dict[str, float] = {}
    nan = 0
    for name, queries, items, of_query, of_item in (
        ("paragraph_to_video", paragraphs, videos, paragraph_group, video_group),
        ("video_to_paragraph", videos, paragraphs, video_group, paragraph_group),
    ):
        ranks = rank_features(queries, items, of_query, of_item)
        by_chance = summary(chance(of_query, of_item))
        for metric, value in summary(ranks).items():
            out[f"{name}/{metric}"] = value
            out[f"{name}/chance_{metric}"] = by_chance[metric]
        nan = max(nan, ranks.nan)
    return out | {"nan_scores": float(nan)}


class Alignment(NamedTuple):
    """Sums over sentences, a float64 tensor (5,). Add them up over batches and ranks."""

    sums: Tensor

    def metrics(self) -> dict[str, float]:
        """Return `clip_to_sentence/accuracy`, `sentence_to_clip/accuracy`, `.../chance` for each (NaN over none), and counts."""
        forth, back, by_chance, count, nan = self.sums.tolist()
        share = (lambda x: x / count) if count else (lambda _: float("nan"))
        return {
            "clip_to_sentence/accuracy": share(forth),
            "clip_to_sentence/chance": share(by_chance),
            "sentence_to_clip/accuracy": share(back),
            "sentence_to_clip/chance": share(by_chance),
            "aligned_sentences": count,
            "nan_alignment_scores": nan,
        }


def alignment(clips: Tensor, sentences: Tensor, present: Tensor) -> Alignment:
    """Count how often clip k is nearest to sentence k among the sentences of its sample, and the other way round.

    clips and sentences (B, M, C) have unit length; present (B, M) says which sentences are real. Clips of absent sentences do
    not count, nor do samples with a single sentence, which say nothing. Ties share the point; NaN is never nearest. Chance is
    1 / the number of real sentences, averaged over sentences.
    """
    scores = (clips.double() @ sentences.double().transpose(1, 2)).float()  # (B, clip, sentence)
    present = present.bool() & (present.sum(1, keepdim=True) > 1)
    pairs = present.unsqueeze(2) & present.unsqueeze(1)
    nan = (scores.isnan() & pairs).sum()
    scores = scores.nan_to_num(nan=-torch.inf).masked_fill(~pairs, -torch.inf)
    points = [_points(scores, 2, present), _points(scores, 1, present)]
    by_chance = (present.double() / present.sum(1, keepdim=True).clamp(min=1)).sum()
    return Alignment(torch.stack([p.double().cpu() for p in (*points, by_chance, present.sum(), nan)]))


def _points(scores: Tensor, over: int, present: Tensor) -> Tensor:
    """Return the sum of 1 / (number of nearest) where the right one is among the nearest along dimension `over`."""
    own = scores.diagonal(dim1=1, dim2=2)  # (B, M)
    best = scores.amax(over)
    tied = (scores == best.unsqueeze(over)).sum(over)
    hit = (own == best) & present & own.isfinite()
    return (hit.double() / tied).sum()
