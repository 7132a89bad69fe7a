"""Which of several duplicates survives: a rule that needs no look at the whole corpus, and no order of its input.

Long clips are ranked by a seeded hash of their keys. A clip goes if it is the same as, or verified to be similar to, one
that ranks before it. So of every group of duplicates the first by rank survives, of a chain A ~ B ~ C too, and all of it is
decided by pairs: how far a group reaches over the corpus never matters. Only the name of the survivor, which the ledger
gives, is found by following the pairs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from longtake.schemas.keys import hash64
from longtake.schemas.records import compact

#: In a bucket of more members than this, each is compared with so many that rank first, not with all others.
HEADS = 32
_RANK_BYTES = 8
_BAND_BYTES = 8


def ranked(key: str, seed: int) -> bytes:
    """The name of a long clip (or video) in the search for duplicates: rank, then key (or id). Sorts by rank."""
    return hash64(f"duplicates:{key}", seed).to_bytes(_RANK_BYTES, "big") + key.encode("utf-8", "surrogatepass")


def key_of(name: bytes) -> str:
    """The key in a ranked name."""
    return name[_RANK_BYTES:].decode("utf-8", "surrogatepass")


@compact
@dataclass(frozen=True, slots=True)
class Duplicate:
    """A long clip or video that repeats another: `like` is the one it was compared with, `survivor` the one that stays (names).
    `similarity` is None where both are the same.
    """

    name: bytes
    like: bytes
    survivor: bytes
    similarity: float | None = None


def candidate_pairs(entries: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Pairs of names that share a band, the one that ranks first in front. `entries` are a band and a name each.

    A bucket of n members gives fewer than HEADS * n pairs, however large it is.
    """
    for _, group in groupby(sorted(set(entries)), key=lambda entry: entry[:_BAND_BYTES]):
        heads: list[bytes] = []
        for entry in group:
            name = entry[_BAND_BYTES:]
            yield from ((head, name) for head in heads)
            if len(heads) < HEADS:
                heads.append(name)
