"""Made-up speech for `synthetic_corpus.py`: Zipf's law over words of the examples and words that look like them.

A token is a number: the form of the word (plain, capitalised, with a comma, ...) times the size of the vocabulary, plus its rank.
"""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NEEDLE = "quincunx"  # in as many long clips as `synthetic_corpus.py` plants it in, and nowhere else
VOCABULARY = 40_000  # words
PLAIN, CAPITAL, COMMA, POINT, QUESTION = range(5)
_FORMS = 5
_EMAILS = 200
_EXPONENT, _SHIFT = 1.05, 2.7  # Zipf-Mandelbrot, as fits English
_PHRASED = 0.12  # of the sentences hold a phrase of two words from the examples
_FOLLOWERS = ".,;:!?\"'()[]"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """Words by rank. `tokens` has the text of each token, `cumulative` the chance of a rank or a lower one."""

    words: tuple[str, ...]
    tokens: Any
    cumulative: npt.NDArray[np.float64]
    phrases: Ints  # ranks, two by two, the most frequent first

    @property
    def size(self) -> int:
        return len(self.words)

    def rank(self, word: str) -> int:
        return self.words.index(word)

    def common(self, share: float) -> str:
        """The word that about this share of long clips of 100 words holds."""
        chances = np.diff(self.cumulative, prepend=0.0)
        wanted = 1 - (1 - share) ** (1 / 100)
        return self.words[int(np.abs(chances - wanted).argmin())]

    def emails(self, numbers: Ints) -> Ints:
        """Tokens of addresses."""
        return _FORMS * self.size + numbers % _EMAILS


@dataclass(frozen=True)
class Speech:
    """Sentences one after the other: `counts` words each, and all tokens."""

    counts: Ints
    tokens: Ints

    def sentences(self, vocabulary: Vocabulary) -> Any:
        """The text of each sentence."""
        return joined(vocabulary.tokens.take(pa.array(self.tokens, pa.int32())), self.counts)


def joined(parts: Any, counts: Ints) -> Any:
    """Parts joined by one space, so many at a time."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, parts), " ")


def vocabulary(seed: int) -> Vocabulary:
    """The words: those of the examples by how often they stand there, then made-up ones."""
    spoken = _spoken()
    real = [word for word, _ in Counter(spoken).most_common()]
    rng = np.random.default_rng([seed, 1])
    words = (*real, *_invented(real, VOCABULARY - len(real) - 1, rng), NEEDLE)
    chances = 1 / (np.arange(len(words)) + _SHIFT) ** _EXPONENT
    chances[-1] = 0  # the needle is planted
    ranks = {word: rank for rank, word in enumerate(words)}
    pairs = Counter(pairwise(spoken)).most_common(500)
    forms = [
        *words,
        *(word[:1].upper() + word[1:] for word in words),
        *(f"{word}," for word in words),
        *(f"{word}." for word in words),
        *(f"{word}?" for word in words),
        *(f"{words[3 * n + 40]}.{words[5 * n + 60]}@example.org." for n in range(_EMAILS)),
    ]
    return Vocabulary(
        words,
        pa.array(forms, pa.string()),
        np.cumsum(chances / chances.sum()),
        np.array([[ranks[a], ranks[b]] for (a, b), _ in pairs]),
    )


def _spoken() -> list[str]:
    """All words of the examples, in order."""
    found: list[str] = []
    for path in sorted((EXAMPLES / "demo" / "subs").glob("*.vtt")):
        lines = [line for line in path.read_text().splitlines() if "-->" not in line and not line.strip().isdigit()]
        found += re.findall(r"[a-z]+(?:'[a-z]+)?", re.sub(r"http\S+", "", " ".join(lines[1:])).lower())
    scenes = (EXAMPLES / "narrated" / "scenes.py").read_text()
    for line in re.findall(r'^ {4}"([^"]+)",$', scenes, re.MULTILINE):
        found += re.findall(r"[a-z]+(?:'[a-z]+)?", re.sub(r"\{\w+\}", "", line).lower())
    return found


def _invented(real: list[str], number: int, rng: np.random.Generator) -> list[str]:
    """Words in which each letter follows two others as it does in a real word."""
    follow: dict[str, list[str]] = {}
    for word in real:
        padded = f"^^{word}$"
        for at in range(len(padded) - 2):
            follow.setdefault(padded[at : at + 2], []).append(padded[at + 2])
    known, found = set(real) | {NEEDLE}, []
    while len(found) < number:
        word, draws = "^^", rng.random(14)
        for draw in draws:
            choices = follow[word[-2:]]
            letter = choices[int(draw * len(choices))]
            if letter == "$":
                break
            word += letter
        word = word[2:]
        if 2 < len(word) < 15 and "'" not in word and word not in known:
            known.add(word)
            found.append(word)
    return found


def word_counts(rng: np.random.Generator, sentences: int, fewest: int = 4) -> Ints:
    """Words of each sentence: 13.5 on the average, `fewest` to 40."""
    return np.clip(np.rint(rng.lognormal(2.5, 0.45, sentences)), fewest, 40).astype(np.int64)


def speech(rng: np.random.Generator, counts: Ints, vocabulary: Vocabulary) -> Speech:
    """Sentences with so many words."""
    ends = np.cumsum(counts)
    starts = ends - counts
    tokens = np.searchsorted(vocabulary.cumulative, rng.random(ends[-1] if len(ends) else 0), side="right")
    chosen = np.flatnonzero((counts >= 6) & (rng.random(len(counts)) < _PHRASED))
    at = starts[chosen] + 1 + (rng.random(len(chosen)) * (counts[chosen] - 4)).astype(np.int64)
    phrases = vocabulary.phrases[(len(vocabulary.phrases) * rng.random(len(chosen)) ** 3).astype(np.int64)]
    tokens[at], tokens[at + 1] = phrases[:, 0], phrases[:, 1]
    inside = np.ones(len(tokens), bool)
    inside[starts] = inside[ends - 1] = False
    tokens[inside & (rng.random(len(tokens)) < 0.05)] += COMMA * vocabulary.size
    tokens[starts] += CAPITAL * vocabulary.size
    tokens[ends - 1] += np.where(rng.random(len(ends)) < 0.07, QUESTION, POINT) * vocabulary.size
    return Speech(counts, tokens)


def ranks(tokens: Ints, vocabulary: Vocabulary) -> Ints:
    """The words of tokens, whatever their form; -1 for an address."""
    return np.where(tokens < _FORMS * vocabulary.size, tokens % vocabulary.size, -1)
