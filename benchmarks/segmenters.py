"""Ways to cut a document: the baselines, and Longtake's own code. Each returns the lengths of its segments."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from segmentation_material import LONGEST, SHORTEST, Document

from longtake.pipeline.merge.coherence import contrasted, cost_of_cut, curve, depth_scores, normalised, piece_costs
from longtake.pipeline.merge.merge import cut, runs
from longtake.schemas.config import Merge
from longtake.schemas.records import Sentence

LIMITS = Merge(min_sentences=SHORTEST, max_sentences=LONGEST, max_gap_ms=2000, max_duration_ms=10**9)
_ANY = 10**9


def spans(document: Document) -> list[Sentence]:
    """The sentences with times: each starts after its pause."""
    found, at = [], 0
    for number, said in enumerate(document.sentences):
        start = at + said.pause_ms if number else 0
        at = start + max(said.length_ms, 1)
        found.append(Sentence(str(number), start, at, said.text))
    return found


def even(document: Document, number: int | None = None) -> list[int]:
    """Pieces of equal length: the fewest that the limits allow, as merging cuts without coherence, or as many as are true."""
    n = len(document.sentences)
    if number is None:
        return _lengths(cut(spans(document), LIMITS).pieces, spans(document))
    size, more = divmod(n, number)
    return [size + 1] * more + [size] * (number - more)


def at_random(document: Document, number: int) -> list[int]:
    n = len(document.sentences)
    chance = random.Random(document.sentences[0].text)
    return _between([0, *sorted(chance.sample(range(1, n), number - 1)), n])


def at_pauses(document: Document, number: int | None = None) -> list[int]:
    """At silences of more than two seconds, and evenly where a run is longer than the limit; or at the longest pauses."""
    n = len(document.sentences)
    if number is None:
        found = []
        for run in runs(spans(document), LIMITS.max_gap_ms):
            found += [len(run)] if len(run) < SHORTEST else _lengths(cut(run, LIMITS).pieces, run)
        return found
    return _between([0, *sorted(_best([s.pause_ms for s in document.sentences[1:]], number - 1)), n])


def texttiling(similarity: Sequence[float], number: int | None = None) -> list[int]:
    """Hearst 1997: cut where the depth score is above the mean less half the standard deviation, deepest first and at least
    SHORTEST apart; or at the deepest gaps."""
    smooth = [float(np.mean(similarity[max(0, i - 1) : i + 2])) for i in range(len(similarity))]
    depth = depth_scores(smooth)
    floor = -1.0 if number is not None else float(np.mean(depth) - np.std(depth) / 2)
    wanted, chosen = number - 1 if number is not None else _ANY, []
    for gap in sorted(range(len(depth)), key=lambda g: (-depth[g], g)):
        ends = [0, len(depth) + 1, *chosen]
        if len(chosen) < wanted and depth[gap] > max(floor, 0) and all(abs(gap + 1 - e) >= SHORTEST for e in ends):
            chosen.append(gap + 1)
    return _between([0, *sorted(chosen), len(similarity) + 1])


def word_similarity(document: Document, window: int, stop_words: frozenset[str]) -> list[float]:
    """Cosine of the words before and after each gap."""
    bags = [
        Counter(w for w in re.findall(r"[^\W\d_]+", s.text.lower()) if w not in stop_words) for s in document.sentences
    ]
    found = []
    for gap in range(1, len(bags)):
        a, b = sum(bags[max(0, gap - window) : gap], Counter()), sum(bags[gap : gap + window], Counter())
        lengths = (sum(x * x for x in a.values()) * sum(x * x for x in b.values())) ** 0.5
        found.append(sum(a[w] * b[w] for w in a) / lengths if lengths else 0.0)
    return found


def embedding_similarity(embeddings, window: int) -> list[float]:
    return list(curve(normalised(embeddings), window).similarity)


def longtake(
    document: Document, embeddings, cut_cost: float, number: int | None = None, pauses: bool = False
) -> list[int]:
    """Merging with coherence: as many pieces as it finds, or with the cost set so that there are as many as are true or nearly.
    With `pauses`, the runs between silences of more than two seconds are cut, as a plan does."""
    unit, sentences = normalised(embeddings), spans(document)
    vectors, cost = contrasted(unit), cost_of_cut(unit, cut_cost)
    if pauses:
        found = []
        for run in runs(sentences, LIMITS.max_gap_ms):
            rows = vectors[int(run[0].clip_id) : int(run[-1].clip_id) + 1]
            found += [len(run)] if len(run) < SHORTEST else _by_topic(run, rows, cost)
        return found
    if number is None:
        return _by_topic(sentences, vectors, cost)
    low, high, best = 0.0, 32.0, None
    for _ in range(16):
        middle = (low + high) / 2
        found = _by_topic(sentences, vectors, middle)
        if best is None or abs(len(found) - number) < abs(len(best) - number):
            best = found
        if len(found) == number:
            break
        low, high = (middle, high) if len(found) > number else (low, middle)
    return best


def _by_topic(sentences, vectors, cost):
    costs = piece_costs(vectors, SHORTEST, LONGEST, cost)
    return _lengths(cut(sentences, LIMITS, costs).pieces, sentences)


def _lengths(pieces, sentences):
    """The lengths of the pieces; what no piece takes is added to the one before it, or to the first."""
    first = int(sentences[0].clip_id)
    return _between([0, *(int(piece[0].clip_id) - first for piece in pieces[1:]), len(sentences)])


def _best(values, number):
    return [i + 1 for i in sorted(range(len(values)), key=lambda i: (-values[i], i))[:number]]


def _between(bounds):
    return [b - a for a, b in pairwise(bounds)]
