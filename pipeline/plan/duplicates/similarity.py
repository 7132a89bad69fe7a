"""Compares two paragraphs by the Jaccard similarity of their word 5-grams. MinHash bands find the candidates.

MinHash over 5-grams and a Jaccard similarity of 0.8 follow Lee et al. 2021 (arXiv:2107.06499); hashes come from datasketch. Here
a candidate counts only if its true similarity, computed afterwards, is high enough.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from longtake.pipeline.filters.words import words


@dataclass(frozen=True, slots=True)
class Likeness:
    """The way to find similar values among many: values with equal digests are the same, similar values very likely share one of
    `n_bands` bands (8 bytes each), and `similarity` (0 to 1, symmetric) decides. Values travel as bytes."""

    digest: Callable[[Any], bytes]
    bands: Callable[[Any], list[bytes]]
    n_bands: int
    similarity: Callable[[Any, Any], float]
    to_bytes: Callable[[Any], bytes]
    from_bytes: Callable[[bytes], Any]


_N = 5
# Two paragraphs of similarity s share a band with probability 1 - (1 - s^8)^16: 0.95 at 0.8, 0.9998 at 0.9; 0.06 at 0.5.
BANDS, ROWS = 16, 8
_BAND_BYTES = 8


def normalised(text: str) -> str:
    """The words of `text`, joined by one space. Texts that differ only in case and punctuation become equal."""
    return " ".join(words(text))


def digest(text: str) -> bytes:
    """16 bytes that stand for a normalised text."""
    return hashlib.blake2b(to_bytes(text), digest_size=16).digest()


def to_bytes(text: str) -> bytes:
    """A text as bytes, whatever characters it has."""
    return text.encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> str:
    """The text of `to_bytes`."""
    return data.decode("utf-8", "surrogatepass")


def shingles(text: str) -> set[str]:
    """The word 5-grams of a normalised text; a shorter text is one shingle."""
    spoken = text.split(" ")
    return {" ".join(spoken[at : at + _N]) for at in range(max(1, len(spoken) - _N + 1))}


def similarity(one: str, other: str) -> float:
    """The Jaccard similarity of the shingles of two normalised texts, 0 to 1."""
    ours, theirs = shingles(one), shingles(other)
    return len(ours & theirs) / len(ours | theirs)


def bands(text: str) -> list[bytes]:
    """The bands of a normalised text, 8 bytes each. Similar texts very likely share a band."""
    sketch = _empty_sketch().copy()
    sketch.update_batch([to_bytes(shingle) for shingle in shingles(text)])
    values = sketch.hashvalues.astype("<u4").reshape(BANDS, ROWS)
    return [
        hashlib.blake2b(row.tobytes(), digest_size=_BAND_BYTES, salt=bytes([band])).digest()
        for band, row in enumerate(values)
    ]


@cache
def _empty_sketch() -> Any:
    from datasketch import MinHash

    return MinHash(num_perm=BANDS * ROWS, hashfunc=zlib.crc32, scheme="affine32")


#: For normalised texts.
OF_TEXTS = Likeness(digest, bands, BANDS, similarity, to_bytes, from_bytes)
