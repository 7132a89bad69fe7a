"""Splits by exact quota: so many whole videos for each split, not as many as their hashes happen to give it.

Videos are ordered by the hash that `assign.split_of` cuts at the shares; here the cuts are at the quotas. Quotas are those of
Webster's method, with at least one video for each split while there are enough. They never shrink when videos are added, so one
more video moves at most one other video across each cut.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from fractions import Fraction

from longtake.schemas.keys import hash64

Place = tuple[int, str]  # hash and id: the place of a video in the order in which it is cut into splits
_BUCKET_BITS = 16
END: Place = (1 << 63, "")


def place_of(video_id: str, seed: int) -> Place:
    """The place of a video. It does not correlate with the order of the corpus."""
    return hash64(f"split:{video_id}", seed) >> 1, video_id  # as a signed number of 64 bits


def bucket_of(place: Place) -> int:
    """The bucket of a place. Buckets are in the order of places."""
    return place[0] >> (63 - _BUCKET_BITS)


def quotas(videos: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Return how many of `videos` each split gets, by name in order. Splits with a share of 0 get none."""
    wanted = {name: Fraction(share).limit_denominator(10**9) for name, share in sorted(shares.items()) if share > 0}
    # Webster's method gives more than this, so starting here gives the same as starting with nothing.
    sure = 2 * len(wanted) + 2
    held = {name: max(0, int(videos * share) - sure) for name, share in wanted.items()}
    for _ in range(videos - sum(held.values())):
        # The first video of each split comes before all second ones.
        held[min(wanted, key=lambda name: (held[name] > 0, -wanted[name] / (held[name] + Fraction(1, 2)), name))] += 1
    return held


def wanted_places(counts: Mapping[int, int], shares: Mapping[str, float]) -> dict[int, dict[int, int]]:
    """Return where the cuts are: for each bucket with any, the numbers of the cuts by the rank of the place in the bucket.

    `counts` has the number of videos in each bucket. A cut is the first place of the next split; one after all places has none.
    """
    cuts, before = [], 0
    for size in list(quotas(sum(counts.values()), shares).values())[:-1]:
        before += size
        cuts.append(before)
    found: dict[int, dict[int, int]] = {}
    passed = 0
    for bucket in sorted(counts):
        for number, rank in enumerate(cuts):
            if passed <= rank < passed + counts[bucket]:
                found.setdefault(bucket, {})[number] = rank - passed
        passed += counts[bucket]
    return found


def cuts_in(places: Iterable[Place], ranks: Mapping[int, int]) -> list[tuple[int, Place]]:
    """Return the number and place of each cut in a bucket with these places."""
    ordered = sorted(places)
    return [(number, ordered[rank]) for number, rank in ranks.items()]


def split_by(place: Place, cuts: Mapping[int, Place], shares: Mapping[str, float]) -> str:
    """Return the split of a video."""
    names = [name for name, share in sorted(shares.items()) if share > 0]
    return names[bisect_right([cuts.get(number, END) for number in range(len(names) - 1)], place)]
