"""Two samples side by side: their frames put next to those that look alike, and the words in which their texts differ."""

import difflib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

_GAP = 0.3  # the cost of a frame without a partner; of two frames, half of their bits differing by chance costs 0.5
_MAX_WORDS = 4000  # of a text
_MAX_STEPS = 30_000_000  # pairs of equal words, for each word of the shorter text: two seconds at worst
_SIDE = 8  # of a picture's hash

Hash = int
Pair = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Run:
    """Words in a row. `kind` is "same", or "own" if the other text does not have them there."""

    kind: str
    text: str


def picture_hash(jpeg: bytes) -> Hash | None:
    """The difference hash of a picture (64 bits: is each of 8 x 8 parts brighter than the one to its left?); None if it cannot be
    decoded."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
            picture.draft("L", (4 * _SIDE, 4 * _SIDE))
            small = picture.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.BOX)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    parts = np.asarray(small, np.int16)
    return int.from_bytes(np.packbits(parts[:, 1:] > parts[:, :-1]).tobytes(), "big")


def aligned(left: Sequence[Hash | None], right: Sequence[Hash | None]) -> list[Pair]:
    """The frames of two samples in time order, those that look alike as pairs: the alignment of least cost (Needleman and Wunsch
    1970). A frame without a partner stands alone."""
    costs = np.zeros((len(left) + 1, len(right) + 1))
    costs[:, 0] = np.arange(len(left) + 1) * _GAP
    costs[0] = np.arange(len(right) + 1) * _GAP
    apart = [[_apart(a, b) for b in right] for a in left]
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            costs[i, j] = min(costs[i - 1, j - 1] + apart[i - 1][j - 1], costs[i - 1, j] + _GAP, costs[i, j - 1] + _GAP)
    found: list[Pair] = []
    i, j = len(left), len(right)
    while i or j:
        if i and j and np.isclose(costs[i, j], costs[i - 1, j - 1] + apart[i - 1][j - 1]):
            i, j = i - 1, j - 1
            found.append((i, j))
        elif i and np.isclose(costs[i, j], costs[i - 1, j] + _GAP):
            i -= 1
            found.append((i, None))
        else:
            j -= 1
            found.append((None, j))
    return found[::-1]


def _apart(a: Hash | None, b: Hash | None) -> float:
    """The share of bits in which two hashes differ; as if by chance if one is unknown."""
    return 0.5 if a is None or b is None else (a ^ b).bit_count() / _SIDE**2


def alike(left: Hash | None, right: Hash | None) -> float | None:
    """The share of bits that two hashes share; None if one is unknown."""
    return None if left is None or right is None else 1 - _apart(left, right)


def differences(left: str, right: str) -> tuple[list[Run], list[Run]] | None:
    """Two texts in runs of words that both have and that only one has; None if they are too long, or
    repeat too few words, to compare. Case and
    punctuation count."""
    a, b = left.split(), right.split()
    if len(a) > _MAX_WORDS or len(b) > _MAX_WORDS:
        return None
    counts = Counter(b)
    if sum(counts[word] for word in a) * min(len(a), len(b)) > _MAX_STEPS:
        return None
    ours: list[Run] = []
    theirs: list[Run] = []
    for tag, a1, a2, b1, b2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for runs, words in ((ours, a[a1:a2]), (theirs, b[b1:b2])):
            if words:
                runs.append(Run("same" if tag == "equal" else "own", " ".join(words)))
    return ours, theirs
