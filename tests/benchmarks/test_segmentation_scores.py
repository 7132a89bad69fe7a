"""Pk and WindowDiff against values computed by hand, and against NLTK's where that is installed."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from segmentation_scores import half_mean_length, pk, window_diff


def test_by_hand() -> None:
    truth = [4, 4]  # 0000 1111
    assert half_mean_length(truth) == 2
    assert half_mean_length([1, 1, 1]) == 2
    assert half_mean_length([9, 10, 11]) == 5
    assert pk(truth, truth, 2) == window_diff(truth, truth, 2) == 0
    # Never a boundary: of the pairs (i, i + 2), i = 0 to 5, those that span it are i = 2 and 3.
    assert pk(truth, [8], 2) == window_diff(truth, [8], 2) == pytest.approx(2 / 6)
    # One too late: 0000 0111. Pairs 2 (true boundary only) and 4 (found only) disagree; pair 3 holds both boundaries.
    assert pk(truth, [5, 3], 2) == window_diff(truth, [5, 3], 2) == pytest.approx(2 / 6)
    # One more, next to the true one: Pk overlooks it in pair 3, WindowDiff does not.
    assert pk(truth, [4, 1, 3], 2) == pytest.approx(1 / 6)
    assert window_diff(truth, [4, 1, 3], 2) == pytest.approx(2 / 6)
    # Everywhere: Pk errs on the pairs inside segments, WindowDiff on all.
    assert pk(truth, [1] * 8, 2) == pytest.approx(4 / 6)
    assert window_diff(truth, [1] * 8, 2) == 1


def test_against_nltk() -> None:
    nltk = pytest.importorskip("nltk.metrics.segmentation")
    chance = random.Random(0)
    for _ in range(50):
        n = chance.randint(12, 60)
        truth, found = (lengths(chance, n) for _ in range(2))
        k = min(half_mean_length(truth), n - 1)
        # NLTK marks the last unit of a segment. Its windows hold k marks, the last window one past ours: where nothing ends
        # with the text, that is the same windows.
        a, b = marks(truth), marks(found)
        assert pk(truth, found, k) == pytest.approx(nltk.pk(a[:-1], b[:-1], k))
        assert window_diff(truth, found, k) == pytest.approx(nltk.windowdiff(a[:-1], b[:-1], k))


def lengths(chance: random.Random, n: int) -> list[int]:
    cuts = sorted(chance.sample(range(1, n), chance.randint(1, n // 4)))
    return [b - a for a, b in zip([0, *cuts], [*cuts, n], strict=True)]


def marks(segments: list[int]) -> str:
    return "".join("0" * (length - 1) + "1" for length in segments)


@pytest.mark.parametrize(("truth", "found", "k"), [([4, 4], [7], 2), ([4, 4], [8], 0), ([4, 4], [8], 8)])
def test_what_cannot_be_compared(truth: list[int], found: list[int], k: int) -> None:
    with pytest.raises(ValueError, match="units"):
        pk(truth, found, k)
