"""Which of several duplicates survives. The rule needs neither the whole corpus at once nor an order of the input.

A seeded hash of the key ranks the long clips. A long clip is dropped if it equals, or is verified to be similar to, one of a
better rank. So the first by rank survives in every group of duplicates, also in a chain A ~ B ~ C. Pairs decide everything, so
the extent of a group over the corpus never matters. Only the name of the survivor, for the ledger, is found by following pairs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from longtake.schemas.keys import hash64
from longtake.schemas.records import compact

#: In a bucket with more members than this, each member is compared only with this many of the best rank, not with all.
HEADS = 32
_RANK_BYTES = 8
BAND_BYTES = 8


def ranked(key: str, seed: int) -> bytes:
    """The name of a long clip (or video) in the search for duplicates: rank, then key (or id). Sorts by rank."""
    return hash64(f"duplicates:{key}", seed).to_bytes(_RANK_BYTES, "big") + key.encode("utf-8", "surrogatepass")


def key_of(name: bytes) -> str:
    """The key in a ranked name."""
    return name[_RANK_BYTES:].decode("utf-8", "surrogatepass")


@compact
@dataclass(frozen=True, slots=True)
class Duplicate:
    """A long clip or video that repeats another. `like` is the name of the one it was compared with, `survivor` of the one that
    stays. `similarity` is None if both are the same.
    """

    name: bytes
    like: bytes
    survivor: bytes
    similarity: float | None = None


def candidate_pairs(entries: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield pairs of names that share a band, the name of better rank first. Each entry is a band plus a name.

    A bucket of n members gives fewer than HEADS * n pairs, however large it is.
    """
    for _, group in groupby(sorted(set(entries)), key=lambda entry: entry[:BAND_BYTES]):
        heads: list[bytes] = []
        for entry in group:
            name = entry[BAND_BYTES:]
            yield from ((head, name) for head in heads)
            if len(heads) < HEADS:
                heads.append(name)
