"""Which of several duplicates survives. The rule needs neither the whole corpus at once nor an order of the input.

A seeded hash of the id ranks the videos. Long clips rank as their videos do, then by a hash of the key; those of a video that was
flagged as a duplicate rank after all others. So the two searches agree: the one that stays of equal paragraphs is in a video that
stays, if any of them is. A long clip is dropped if it equals, or is verified to be similar to, one of a better rank. So the first
by rank survives in every group of duplicates, also in a chain A ~ B ~ C. Pairs decide everything, so the extent of a group over
the corpus never matters. Only the name of the survivor, for the ledger, is found by following pairs.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from longtake.schemas.keys import hash64
from longtake.schemas.records import compact

#: In a bucket with more members than this, each member is compared only with this many of the best rank, not with all.
HEADS = 32
_RANK = struct.Struct(">?QQ")  # whether its video repeats another, the hash of the video, the hash of the long clip
BAND_BYTES = 8


def ranked(video_id: str, seed: int, key: str | None = None, in_repeat: bool = False) -> bytes:
    """The name of a video in the search for duplicates, or of its long clip `key`: rank, then id or key. Sorts by rank.

    `in_repeat`: the video is flagged as a duplicate of another.
    """
    of_clip = 0 if key is None else hash64(f"duplicates:{key}", seed)
    rank = _RANK.pack(in_repeat, hash64(f"duplicates:{video_id}", seed), of_clip)
    return rank + (video_id if key is None else key).encode("utf-8", "surrogatepass")


def key_of(name: bytes) -> str:
    """The key, or the id of the video, in a ranked name."""
    return name[_RANK.size :].decode("utf-8", "surrogatepass")


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
