"""Which split, shard and position each long clip gets: a function of the ids and counts alone, so that the order of the input,
the runner and the number of workers cannot change it.

Videos are put in the order of a hash of their id, and the hash space is cut into the parts of the plan table. The number of clips
per part and split is all that has to be known globally; each part is then assigned on its own, and nothing is sorted as a whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby

from longtake.schemas.keys import hash64
from longtake.schemas.records import LongClip

_CLIPS_PER_PART = 20_000
_MAX_PARTS = 4096


def order_of(video_id: str, seed: int) -> tuple[int, str]:
    """The place of a video in the order of the corpus."""
    return hash64(video_id, seed), video_id


def part_count(clips: int) -> int:
    """How many parts a plan of so many clips has."""
    return min(max(1, -(-clips // _CLIPS_PER_PART)), _MAX_PARTS)


def part_of(video_id: str, seed: int, parts: int) -> int:
    """The part of the plan that a video's clips are in; parts follow each other in the order of the corpus."""
    return hash64(video_id, seed) * parts >> 64


def split_of(video_id: str, shares: Mapping[str, float], seed: int) -> str:
    """The split of a video. All clips of a video share it. Not correlated with the order of the videos."""
    point = Fraction(hash64(f"split:{video_id}", seed), 1 << 64)
    edge = Fraction(0)
    for name, share in sorted(shares.items()):
        edge += Fraction(share).limit_denominator(10**9)
        if point < edge:
            return name
    return max(shares, key=lambda name: (shares[name], name))


@dataclass(frozen=True, slots=True)
class Offsets:
    """For each split, how many clips lie in the parts before this one, and how many there are in all."""

    before: Mapping[str, int]
    total: Mapping[str, int]


def offsets(counts: Mapping[tuple[int, str], int]) -> dict[int, Offsets]:
    """`counts` maps (part, split) to a number of clips; the result has an entry for each part that occurs."""
    total: dict[str, int] = {}
    out: dict[int, Offsets] = {}
    for part, group in groupby(sorted(counts), key=lambda pair: pair[0]):
        splits = [split for _, split in group]
        out[part] = Offsets(dict(total), total)
        for split in splits:
            total[split] = total.get(split, 0) + counts[part, split]
    return out


def shard_count(total: int, samples: int) -> int:
    """How many shards `total` clips fill, at about `samples` each."""
    return max(1, round(Fraction(total, samples)))


def assign(clips: Iterable[LongClip], offset: Offsets, samples: int, seed: int) -> list[LongClip]:
    """Give the clips of one part, whose `split` is set, their shards.

    A split's clips are cut into shards of equal share; a video goes whole to the shard its middle falls into, so that shards
    differ by no more than a video, and none is empty. A video with more clips than a shard's share is spread over
    consecutive shards. `position` is left to `place`, which sees whole shards.
    """
    ordered = sorted(clips, key=lambda c: (order_of(c.video.video_id, seed), c.start_ms, c.key))
    start = dict(offset.before)
    out: list[LongClip] = []
    for _, group in groupby(ordered, key=lambda c: c.video.video_id):
        video = list(group)
        split = video[0].split
        first, total = start.get(split, 0), offset.total[split]
        start[split] = first + len(video)
        shards = shard_count(total, samples)
        if len(video) * shards <= total:
            shard = (2 * first + len(video)) * shards // (2 * total)
            out += [replace(clip, shard=shard) for clip in video]
        else:
            out += [replace(clip, shard=(2 * (first + i) + 1) * shards // (2 * total)) for i, clip in enumerate(video)]
    return out


def starts(counts: Mapping[tuple[int, str, int], int]) -> dict[int, dict[tuple[str, int], int]]:
    """`counts` maps (part, split, shard) to clips; the result maps a part to the position its first clip has in each shard."""
    filled: dict[tuple[str, int], int] = {}
    out: dict[int, dict[tuple[str, int], int]] = {}
    for part, split, shard in sorted(counts):
        out.setdefault(part, {})[split, shard] = filled.get((split, shard), 0)
        filled[split, shard] = filled.get((split, shard), 0) + counts[part, split, shard]
    return out


def place(clips: Iterable[LongClip], first: Mapping[tuple[str, int], int]) -> list[LongClip]:
    """Give the assigned clips of one part, in order, their positions in their shards."""
    position = dict(first)
    out = []
    for clip in clips:
        where = clip.split, clip.shard
        out.append(replace(clip, position=position[where]))
        position[where] += 1
    return out
