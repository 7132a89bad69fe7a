"""Words of texts: vectors of texts where no model made any, and the words that stand for a group."""

import hashlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longtake.schemas.words import words_of

WIDTH = 128  # of a vector
WORDS = 8  # that stand for a group
_COMMON = 0.25  # words of more texts than this share tell nothing, if there are several groups
_SHORTEST = 3  # letters, in scripts that spell words with letters
_AT_ONCE = 2000  # texts

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WordTable:
    """The distinct words of texts. Text n has the words `vocabulary[i]` for i in `ids[starts[n] : starts[n + 1]]`; `seen` is the
    number of texts of each word."""

    vocabulary: list[str]
    ids: npt.NDArray[np.int32]
    starts: Numbers
    seen: Numbers

    def __len__(self) -> int:
        return len(self.starts) - 1


def read_words(texts: Iterable[str]) -> WordTable:
    """The words of texts in lower case, each once per text."""
    numbers: dict[str, int] = {}
    ids, starts = array("i"), array("q", [0])
    for text in texts:
        own = dict.fromkeys(word.casefold() for word in words_of(text))
        ids.extend([numbers.setdefault(word, len(numbers)) for word in own])
        starts.append(len(ids))
    flat = np.frombuffer(ids, np.int32) if ids else np.empty(0, np.int32)
    seen = np.bincount(flat, minlength=len(numbers)).astype(np.int64)
    return WordTable(list(numbers), flat, np.frombuffer(starts, np.int64), seen)


def text_vectors(table: WordTable) -> npt.NDArray[np.float16]:
    """Vectors [texts, WIDTH] of unit length by random indexing (Kanerva et al. 2000): a text is the sum of the signs that a hash
    gives its words, weighed by their inverse frequency over texts. A text without words that another text has too is 0."""
    number = len(table)
    found = np.zeros((number, WIDTH), np.float16)
    shared = np.flatnonzero(table.seen > 1)
    if not len(shared):
        return found
    weights = np.log(number / table.seen[shared]).astype(np.float32)
    signs = np.stack([_signs(table.vocabulary[n]) for n in shared]) * weights[:, None]
    place = np.full(len(table.vocabulary), -1, np.int32)
    place[shared] = np.arange(len(shared), dtype=np.int32)
    for start in range(0, number, _AT_ONCE):
        end = min(start + _AT_ONCE, number)
        own = place[table.ids[table.starts[start] : table.starts[end]]]
        texts = np.repeat(np.arange(end - start), np.diff(table.starts[start : end + 1]))[own >= 0]
        own = own[own >= 0]
        sums = np.zeros((end - start, WIDTH), np.float32)
        first = np.flatnonzero(np.diff(texts, prepend=-1))
        if len(first):
            sums[texts[first]] = np.add.reduceat(signs[own], first, axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        found[start:end] = np.divide(sums, lengths, out=sums, where=lengths > 0)
    return found


def _signs(word: str) -> npt.NDArray[np.float32]:
    digest = np.frombuffer(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=WIDTH // 8).digest(), np.uint8)
    return np.unpackbits(digest).astype(np.float32) * 2 - 1


def words_of_groups(table: WordTable, groups: npt.NDArray[np.int16], number: int) -> list[list[str]]:
    """The words that stand for each of `number` groups of texts by c-TF-IDF (Grootendorst 2022): a word weighs its texts in the
    group times log(1 + words per group / its texts in all groups). `groups` has the group of each text; below 0 is none."""
    owners = np.repeat(groups, np.diff(table.starts))
    placed = table.ids[owners >= 0]
    everywhere = np.bincount(placed, minlength=len(table.vocabulary))
    average = len(placed) / max(1, number)
    most = max(_COMMON, 1.5 / max(1, number)) * len(table)
    found = []
    for group in range(number):
        counts = np.bincount(table.ids[owners == group], minlength=len(table.vocabulary))
        weights = counts * np.log1p(average / np.maximum(everywhere, 1))
        weights[(counts < 2) | (table.seen > most)] = 0
        words: list[str] = []
        for n in np.lexsort((np.arange(len(weights)), -weights)):
            if len(words) == WORDS or not weights[n]:
                break
            if _tells(table.vocabulary[n]):
                words.append(table.vocabulary[n])
        found.append(words)
    return found


def _tells(word: str) -> bool:
    return (len(word) >= _SHORTEST or not word.isascii()) and not word.isdigit()
