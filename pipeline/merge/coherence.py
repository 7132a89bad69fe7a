"""Topical coherence: which sentences of a video belong together, from their embeddings.

The method is content vector segmentation (Alemi and Ginsparg 2015, "Text Segmentation based on Semantic Word Embeddings",
arXiv:1503.05543), with embeddings of sentences instead of words. Of all ways to cut a run, it takes the one in which the
sentences point most nearly in the direction of the sum of their long clip. With embeddings y, it maximises the sum of |sum of y|
over all long clips, less a cost for each long clip: without the cost, every sentence would be a long clip. Dynamic programming
(merge.cut) finds the best cut. Longtake adds two adjustments to the video: `contrasted` and `cost_of_cut`.

A curve helps people see the cuts: the similarity before and after each gap, and its depth score (TextTiling, Hearst 1997,
"TextTiling: Segmenting Text into Multi-paragraph Subtopic Passages"; with embeddings as in Solbiati et al. 2021,
"Unsupervised Topic Segmentation of Meetings with BERT Embeddings", arXiv:2106.12978).

All compared values are rounded to thousandths first, so that a decision does not depend on the last bits of a float.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longtake.schemas.records import Sentence

Embeddings = npt.NDArray[np.float16]  # [n, d], each of unit length; row i belongs to sentence i
Vectors = npt.NDArray[np.float64]

_UNIT = 1000  # decisions and scores are in thousandths
#: With this many sentences, half of the mean of all sentences of a video is subtracted from each. Words said throughout do not
#: tell topics apart, but a few sentences cannot show which words these are.
_HALF_SHARED = 32
_NEAR = 3  # sentences up to this far apart are neighbours
_MOST_ALIKE = 0.5  # neighbours more alike than this say the same over and over, as in a song


@dataclass(frozen=True, slots=True)
class Curve:
    """For each of the n - 1 gaps between sentences: the cosine similarity of the sums of the sentences before and after it, and
    the depth score: the rise of the similarity to the nearest peak on the left plus the rise to the nearest on the right."""

    similarity: tuple[float, ...]
    depth: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Topics:
    """The embeddings of the sentences of one video by clip id, and the cost of a long clip."""

    rows: dict[str, int]
    unit: Vectors  # [n, d]
    contrasted: Vectors  # [n, d]
    cost: float

    @classmethod
    def of(cls, sentences: Sequence[Sentence], embeddings: Embeddings, cut_cost: float) -> "Topics":
        """The topics of `sentences`, in any order. `embeddings` [n, d] has a row for each sentence."""
        order = sorted(range(len(sentences)), key=lambda i: (sentences[i].start_ms, sentences[i].clip_id))
        unit = normalised(embeddings[order])
        rows = {sentences[i].clip_id: row for row, i in enumerate(order)}
        return cls(rows, unit, contrasted(unit), cost_of_cut(unit, cut_cost))

    def costs(self, run: Sequence[Sentence], smallest: int, largest: int) -> dict[int, list[int]]:
        """Return costs for merge.cut: by size, the cost of a piece that starts at each sentence of `run`."""
        return piece_costs(self.contrasted[self._rows(run)], smallest, largest, self.cost)

    def coherence(self, sentences: Sequence[Sentence]) -> float:
        """The coherence score of a long clip."""
        return coherence(self.unit[self._rows(sentences)])

    def curve(self, sentences: Sequence[Sentence], window: int) -> Curve:
        """The curve of sentences in time order."""
        return curve(self.unit[self._rows(sentences)], window)

    def _rows(self, sentences: Sequence[Sentence]) -> list[int]:
        return [self.rows[sentence.clip_id] for sentence in sentences]


def normalised(embeddings: npt.NDArray[np.floating]) -> Vectors:
    """Scale rows to unit length in double precision: in half precision they are a little longer or shorter."""
    vectors = np.asarray(embeddings, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def contrasted(unit: Vectors) -> Vectors:
    """Subtract n / (n + 32) of their mean from the embeddings [n, d], then scale them to a mean square length of 1."""
    n = len(unit)
    if not n:
        return unit
    rest = unit - n / (n + _HALF_SHARED) * unit.mean(axis=0)
    scale = np.sqrt(np.square(rest).sum(axis=1).mean())
    scaled: Vectors = rest / scale if scale > 0 else rest
    return scaled


def cost_of_cut(unit: Vectors, cut_cost: float) -> float:
    """The cost of a long clip in a video with the embeddings [n, d]: `cut_cost` x (1 - u)^3, where u is the mean similarity of
    sentences up to three apart, at most 0.5. The less neighbours have in common, the more a meaningless cut gains.
    """
    pairs = [np.sum(unit[apart:] * unit[:-apart], axis=1) for apart in range(1, _NEAR + 1)]
    similar = np.concatenate(pairs)
    near = min(max(float(similar.mean()), 0.0), _MOST_ALIKE) if len(similar) else 0.0
    return cut_cost * (1 - _rounded(near)) ** 3


def piece_costs(vectors: Vectors, smallest: int, largest: int, cost: float) -> dict[int, list[int]]:
    """Return by size, for each start: the sum of the lengths of that many vectors, less the length of their sum, plus `cost`.

    The costs are in thousandths, whole and not negative. Their sum over the pieces of a cut is smallest where Alemi and
    Ginsparg's objective is largest.
    """
    n, d = vectors.shape
    sums = np.vstack([np.zeros((1, d)), np.cumsum(vectors, axis=0)])
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(vectors, axis=1))])
    costs = {}
    for size in range(smallest, min(largest, n) + 1):
        together = np.linalg.norm(sums[size:] - sums[:-size], axis=1)
        loss = np.maximum(lengths[size:] - lengths[:-size] - together, 0)
        costs[size] = np.rint(_UNIT * (loss + cost)).astype(np.int64).tolist()
    return costs


def coherence(unit: Vectors) -> float:
    """The mean cosine similarity of sentences to the mean of their embeddings [n, d]: 1 if all say the same, about 1 / sqrt(n)
    if they have nothing in common."""
    return _rounded(float(np.linalg.norm(unit.mean(axis=0))))


def curve(unit: Vectors, window: int) -> Curve:
    """The curve of n embeddings [n, d] of unit length in time order, with `window` sentences on each side, fewer at the ends."""
    n = len(unit)
    sums = np.vstack([np.zeros((1, unit.shape[1])), np.cumsum(unit, axis=0)])
    similarity = []
    for gap in range(1, n):
        before = sums[gap] - sums[max(0, gap - window)]
        after = sums[min(n, gap + window)] - sums[gap]
        lengths = float(np.linalg.norm(before) * np.linalg.norm(after))
        similarity.append(_rounded(float(before @ after) / lengths) if lengths > 0 else 0.0)
    return Curve(tuple(similarity), tuple(depth_scores(similarity)))


def depth_scores(similarity: Sequence[float]) -> list[float]:
    """Hearst's depth score of each gap: the rise from its similarity to the nearest peak on the left, plus that on the right."""
    return [
        _rounded(_peak(similarity, gap, -1) + _peak(similarity, gap, 1) - 2 * similarity[gap])
        for gap in range(len(similarity))
    ]


def _peak(similarity: Sequence[float], gap: int, step: int) -> float:
    highest = similarity[gap]
    at = gap + step
    while 0 <= at < len(similarity) and similarity[at] >= highest:
        highest = similarity[at]
        at += step
    return highest


def _rounded(value: float) -> float:
    return round(value * _UNIT) / _UNIT
