"""The split, shard and position of each long clip. They depend only on ids and counts, so the order of the input, the runner and
the number of workers cannot change them.

A hash of the id orders the videos, and the hash space is cut into the parts of the plan table. The only global data is the number
of long clips per part and split. From it, each part is assigned separately, and nothing is sorted as a whole.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, groupby

from longtake.schemas.keys import hash64

CLIPS_PER_PART = 20_000  # of the plan


def split_of(video_id: str, shares: Mapping[str, float], seed: int) -> str:
    """The split of a video and so of all its long clips. It does not correlate with the order of the videos."""
    point = hash64(f"split:{video_id}", seed)
    for name, edge in _edges(tuple(sorted(shares.items()))):
        if point < edge:
            return name
    return max(shares, key=lambda name: (shares[name], name))


@lru_cache(maxsize=16)
def _edges(shares: tuple[tuple[str, float], ...]) -> tuple[tuple[str, int], ...]:
    """The end of each split in the space of 64-bit hashes."""
    edges = accumulate(Fraction(share).limit_denominator(10**9) for _, share in shares)
    return tuple((name, math.ceil(edge * (1 << 64))) for (name, _), edge in zip(shares, edges, strict=True))


@dataclass(frozen=True, slots=True)
class Offsets:
    """For each split, the number of long clips in the parts before this one, and in all parts."""

    before: Mapping[str, int]
    total: Mapping[str, int]


def offsets(counts: Mapping[tuple[int, str], int]) -> dict[int, Offsets]:
    """Return the offsets of each part in `counts`, which maps (part, split) to a number of long clips."""
    total: dict[str, int] = {}
    out: dict[int, Offsets] = {}
    for part, group in groupby(sorted(counts), key=lambda pair: pair[0]):
        splits = [split for _, split in group]
        out[part] = Offsets(dict(total), total)
        for split in splits:
            total[split] = total.get(split, 0) + counts[part, split]
    return out


def shard_count(total: int, samples: int) -> int:
    """The number of shards for `total` long clips, at about `samples` each."""
    return max(1, round(Fraction(total, samples)))


def assign(videos: Iterable[tuple[str, int]], offset: Offsets, samples: int) -> list[int]:
    """Return the shard of each long clip of one part. `videos` are (split, number of long clips), in the order of the corpus.

    The long clips of a split are cut into equal shards. A whole video goes to the shard of its middle, so shards differ by at
    most a video, and none is empty. A video with more long clips than a shard's share is spread over consecutive shards. `place`
    finds the positions, because it sees whole shards.
    """
    start = dict(offset.before)
    out: list[int] = []
    for split, clips in videos:
        first, total = start.get(split, 0), offset.total[split]
        start[split] = first + clips
        shards = shard_count(total, samples)
        if clips * shards <= total:
            out += [(2 * first + clips) * shards // (2 * total)] * clips
        else:
            out += [(2 * (first + i) + 1) * shards // (2 * total) for i in range(clips)]
    return out


def starts(counts: Mapping[tuple[int, str, int], int]) -> dict[int, dict[tuple[str, int], int]]:
    """Map each part to the position of its first clip in each shard. `counts` maps (part, split, shard) to a number of clips."""
    filled: dict[tuple[str, int], int] = {}
    out: dict[int, dict[tuple[str, int], int]] = {}
    for part, split, shard in sorted(counts):
        out.setdefault(part, {})[split, shard] = filled.get((split, shard), 0)
        filled[split, shard] = filled.get((split, shard), 0) + counts[part, split, shard]
    return out


def place(clips: Iterable[tuple[str, int]], first: Mapping[tuple[str, int], int]) -> list[int]:
    """Return the positions of long clips of one part in their shards. `clips` are (split, shard), in order."""
    position = dict(first)
    out = []
    for where in clips:
        out.append(position[where])
        position[where] += 1
    return out
