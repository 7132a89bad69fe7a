"""The split, shard and position of each long clip. They depend only on ids and counts, so the order of the input, the runner and
the number of workers cannot change them.

A hash of the id orders the videos, and the hash space is cut into the parts of the plan table. The only global data is the number
of long clips per part and split. From it, each part is assigned separately, and nothing is sorted as a whole.
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
    """The number of parts of a plan with `clips` long clips."""
    return min(max(1, -(-clips // _CLIPS_PER_PART)), _MAX_PARTS)


def part_of(video_id: str, seed: int, parts: int) -> int:
    """The part of the plan that holds a video's long clips. Parts are in the order of the corpus."""
    return hash64(video_id, seed) * parts >> 64


def split_of(video_id: str, shares: Mapping[str, float], seed: int) -> str:
    """The split of a video and so of all its long clips. It does not correlate with the order of the videos."""
    point = Fraction(hash64(f"split:{video_id}", seed), 1 << 64)
    edge = Fraction(0)
    for name, share in sorted(shares.items()):
        edge += Fraction(share).limit_denominator(10**9)
        if point < edge:
            return name
    return max(shares, key=lambda name: (shares[name], name))


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


def assign(clips: Iterable[LongClip], offset: Offsets, samples: int, seed: int) -> list[LongClip]:
    """Assign shards to the long clips of one part, whose `split` is set.

    The long clips of a split are cut into equal shards. A whole video goes to the shard of its middle, so shards differ by at
    most a video, and none is empty. A video with more long clips than a shard's share is spread over consecutive shards. `place`
    sets `position`, because it sees whole shards.
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
    """Map each part to the position of its first clip in each shard. `counts` maps (part, split, shard) to a number of clips."""
    filled: dict[tuple[str, int], int] = {}
    out: dict[int, dict[tuple[str, int], int]] = {}
    for part, split, shard in sorted(counts):
        out.setdefault(part, {})[split, shard] = filled.get((split, shard), 0)
        filled[split, shard] = filled.get((split, shard), 0) + counts[part, split, shard]
    return out


def place(clips: Iterable[LongClip], first: Mapping[tuple[str, int], int]) -> list[LongClip]:
    """Set the positions of the assigned clips of one part, in order, in their shards."""
    position = dict(first)
    out = []
    for clip in clips:
        where = clip.split, clip.shard
        out.append(replace(clip, position=position[where]))
        position[where] += 1
    return out
