"""Pk and WindowDiff: how far a segmentation is from the true one. 0 is perfect; cutting at random or never scores about 0.5."""

from collections.abc import Sequence
from itertools import accumulate


def half_mean_length(truth: Sequence[int]) -> int:
    """The window of both scores: half the mean length of the true segments, as Beeferman et al. set it, at least 2."""
    return max(2, round(sum(truth) / len(truth) / 2))


def pk(truth: Sequence[int], found: Sequence[int], k: int) -> float:
    """Beeferman, Berger and Lafferty 1999, "Statistical Models for Text Segmentation": how often the two disagree on whether
    units i and i + k are in one segment. Segmentations are given by the lengths of their segments."""
    return _disagreement(truth, found, k, lambda a, b: (a == 0) != (b == 0))


def window_diff(truth: Sequence[int], found: Sequence[int], k: int) -> float:
    """Pevzner and Hearst 2002, "A Critique and Improvement of an Evaluation Metric for Text Segmentation": how often the number
    of boundaries between units i and i + k differs."""
    return _disagreement(truth, found, k, lambda a, b: a != b)


def _disagreement(truth, found, k, differ):
    n = sum(truth)
    if sum(found) != n:
        raise ValueError(f"segments of {sum(found)} units, the true ones are of {n}")
    if not 1 <= k < n:
        raise ValueError(f"a window of {k} does not fit into {n} units")
    a, b = _segment_of(truth), _segment_of(found)
    return sum(differ(a[i + k] - a[i], b[i + k] - b[i]) for i in range(n - k)) / (n - k)


def _segment_of(lengths):
    starts = set(accumulate(lengths))
    return list(accumulate((1 if i in starts else 0) for i in range(sum(lengths))))
