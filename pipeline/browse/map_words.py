"""Words of texts: vectors of texts where no model made any, and the words that stand for a group."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from longtake.schemas.words import words_of

WIDTH = 128  # of a vector
WORDS = 8  # that stand for a group
_COMMON = 0.25  # words of more texts than this share tell nothing, if there are several groups
_SHORTEST = 3  # letters, in scripts that spell words with letters

Texts = Callable[[], Iterable[str]]  # gives all texts, each time it is called


def distinct(text: str) -> list[str]:
    """The words of a text in lower case, each once, in order."""
    return list(dict.fromkeys(word.casefold() for word in words_of(text)))


def text_vectors(texts: Texts, number: int) -> npt.NDArray[np.float16]:
    """Vectors [number, WIDTH] of texts by random indexing (Kanerva et al. 2000): a text is the sum of the signs that a hash gives
    its words, weighed by their inverse frequency over texts. A text without words is 0."""
    seen: Counter[str] = Counter()
    for text in texts():
        seen.update(distinct(text))
    found = np.zeros((number, WIDTH), np.float16)
    signs: dict[str, npt.NDArray[np.float32]] = {}
    for n, text in enumerate(texts()):
        words = [word for word in distinct(text) if seen[word] > 1]
        if not words:
            continue
        for word in words:
            if word not in signs:
                signs[word] = _signs(word) * np.float32(np.log(number / seen[word] + 1e-9).clip(min=0))
        total = np.sum([signs[word] for word in words], axis=0)
        length = float(np.linalg.norm(total))
        found[n] = total / length if length else 0
    return found


def _signs(word: str) -> npt.NDArray[np.float32]:
    digest = np.frombuffer(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=WIDTH // 8).digest(), np.uint8)
    return np.unpackbits(digest).astype(np.float32) * 2 - 1


def words_of_groups(texts: Iterable[str], groups: Sequence[int], number: int) -> list[list[str]]:
    """The words that stand for each of `number` groups of texts by c-TF-IDF (Grootendorst 2022): a word weighs its share in the
    group times log(1 + words per group / its number in all groups). A group below 0 is none."""
    counts: list[Counter[str]] = [Counter() for _ in range(number)]
    seen: Counter[str] = Counter()
    size = 0
    for text, own in zip(texts, groups, strict=True):
        words = distinct(text)
        seen.update(words)
        size += 1
        if own >= 0:
            counts[own].update(words)
    everywhere: Counter[str] = Counter()
    for one in counts:
        everywhere.update(one)
    common = max(_COMMON, 1.5 / max(1, number)) * size
    average = sum(everywhere.values()) / max(1, number)

    def tells(word: str) -> bool:
        is_long = len(word) >= _SHORTEST or not word.isascii()
        return is_long and not word.isdigit() and seen[word] <= common

    found = []
    for one in counts:
        weights = {w: n * np.log1p(average / everywhere[w]) for w, n in one.items() if n > 1 and tells(w)}
        found.append(sorted(weights, key=lambda word: (-weights[word], word))[:WORDS])
    return found
