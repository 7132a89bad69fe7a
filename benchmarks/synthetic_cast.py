"""Who is where in the corpus of `synthetic_corpus.py`: videos, splits, shards, lost long clips, planted faults."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from synthetic_pictures import REAL
from synthetic_rows import Flags, Ints, Piece
from synthetic_text import Speech, Vocabulary, speech, word_counts

SHARD = 4096  # samples
VAL = 0.02
_LOST = 0.004  # of the planned long clips, in decoding
_NEEDLES = 7


@dataclass(frozen=True)
class Cast:
    """All rows, shard by shard, and what was planted among them."""

    pieces: list[Piece]
    videos: int
    copies: list[Speech]
    planted: dict[str, Any]


def cast(rows: int, seed: int, words: Vocabulary) -> Cast:
    """Who is where: videos, splits, shards, lost long clips, planted faults."""
    rng = np.random.default_rng([seed, 0])
    lost_number = int(_LOST * rows)
    total = rows + lost_number
    sizes = 1 + rng.poisson(2, total)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), total)) + 1]
    sizes[-1] -= sizes.sum() - total
    videos = len(sizes)
    video = np.repeat(np.arange(videos), sizes)
    number = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    val = (rng.random(videos) < VAL)[video]
    lost = np.zeros(total, bool)
    lost[rng.choice(np.flatnonzero(number == 1), lost_number, replace=False)] = True
    lost[np.isin(video, np.arange(2 * REAL))] = False  # the first rows are those of the real shard
    lost_number = int(lost.sum())
    keep = np.flatnonzero(~lost)
    surplus = len(keep) - rows  # those that were just saved
    if surplus:
        again = rng.choice(np.flatnonzero((number == 1) & ~lost & (video > 2 * REAL)), surplus, replace=False)
        lost[again] = True

    many = max(2, rows // 100_000)
    apart = rng.choice(np.flatnonzero((sizes >= 3) & ~val[np.cumsum(sizes) - 1]), many, replace=False)
    apart = apart[apart > 2 * REAL]
    val[np.cumsum(sizes)[apart] - 1] = True  # their last long clip went astray
    planted: dict[str, Any] = {"split_videos": len(apart)}

    free = rng.permutation(np.flatnonzero(~lost & ~np.isin(video, apart) & (video > 2 * REAL)))
    taken = 0

    def take(wanted: int) -> Ints:
        nonlocal taken
        taken += wanted
        return np.asarray(free[taken - wanted : taken])

    exact, near = max(4, rows // 500), max(4, rows // 1000)
    sentences = 4 + rng.choice(13, total, p=_falling())
    sentences[:REAL] = 4 + np.arange(REAL) % 13
    copies = [_copy(rng, words) for _ in range(exact + near)]
    originals, again = take(exact + near), take(exact + near)
    astray = free[taken:][val[free[taken:]]][
        : max(2, exact // 50)
    ]  # copies in validation of what is mostly in training
    again[: len(astray)] = astray
    free = np.concatenate([free[:taken], np.setdiff1d(free[taken:], astray)])
    rng.shuffle(free[taken:])
    copy = np.full(total, -1)
    copy[originals] = copy[again] = np.arange(exact + near)
    for rows_of in (originals, again):
        sentences[rows_of] = [len(one.counts) for one in copies]
    flags = {name: np.zeros(total, bool) for name in Flags.__dataclass_fields__ if name != "copy"}
    flags["near"][again[exact:]] = True
    for name, wanted in (
        ("email", rows // 1000), ("fast", rows // 2000), ("late", rows // 2000), ("misfit", rows // 200),
        ("overlap", rows // 5000), ("needle", _NEEDLES),
    ):  # fmt: skip
        flags[name][take(wanted)] = True
    for name, share in (("unlicensed", 300), ("homeless", 2000)):
        some = rng.choice(np.arange(2 * REAL, videos), max(1, videos // share), replace=False)
        flags[name] = np.isin(video, some)
    repeats, leaking = _repeats(rng, rows, video, val, lost)

    splits = np.where(val, "val", "train")
    planted |= {
        "split_texts": int((splits[originals[:exact]] != splits[again[:exact]]).sum()),
        "split_pictures": leaking,
        "exact_duplicates": exact,
        "near_duplicates": exact + near,
        "near_duplicates_across": int((splits[originals] != splits[again]).sum()),
        "contamination": int(flags["overlap"].sum()),
        "licences": int((flags["unlicensed"] & ~lost).sum()),
        "origins": int((flags["homeless"] & ~lost).sum()),
        "personal_data": int(flags["email"].sum()),
        "text_frames": int(flags["misfit"].sum()),
        "speech_rate": int(flags["fast"].sum()),
        "frame_times": int(flags["late"].sum()),
        "plan_lost": 0,
    }
    order = np.argsort(val, kind="stable")
    pieces = list(_pieces(seed, order, video, number, sentences, lost, repeats, val, Flags(copy=copy, **flags)))
    return Cast(pieces, videos, copies, planted)


def _falling() -> Any:
    """Chances of 4 to 16 sentences: 7.2 on the average."""
    chances = np.exp(-np.arange(13) / 4)
    return chances / chances.sum()


def _copy(rng: np.random.Generator, words: Vocabulary) -> Speech:
    return speech(rng, word_counts(rng, int(rng.integers(4, 9)), fewest=9), words)


def _repeats(rng: np.random.Generator, rows: int, video: Ints, val: Any, lost: Any) -> tuple[Ints, int]:
    """For each row the number of the video that its own repeats, or -1; and how many are in another split than that."""
    firsts = np.unique(video, return_index=True)[1]
    usable = rng.permutation(np.flatnonzero(np.arange(len(firsts)) > 2 * REAL))
    pairs = max(2, rows // 10_000)
    again, of = usable[:pairs], usable[pairs : 2 * pairs]
    others = usable[2 * pairs :][val[firsts[usable[2 * pairs :]]]][: max(1, pairs // 10)]
    of[: len(others)] = others
    target = np.full(len(firsts), -1)
    target[again] = of
    repeats = target[video]
    flagged = (repeats >= 0) & ~lost
    # A video in two splits is none of the check's business here: its first long clip stands for it, as in the audit.
    return repeats, int((val[flagged] != val[firsts[repeats[flagged]]]).sum())


def _pieces(
    seed: int, order: Ints, video: Ints, number: Ints, sentences: Ints, lost: Any, repeats: Ints, val: Any, flags: Flags
) -> Iterator[Piece]:
    for split, inside in (("train", order[~val[order]]), ("val", order[val[order]])):
        shards = max(1, round(len(inside) / SHARD))
        begins = np.flatnonzero(np.concatenate([[True], video[inside][1:] != video[inside][:-1]]))
        wanted = np.arange(shards) * len(inside) // shards
        cuts = [*begins[np.searchsorted(begins, wanted)], len(inside)]
        for shard, (first, last) in enumerate(pairwise(cuts)):
            own = inside[first:last]
            yield Piece(
                seed, split, shard, video[own], number[own], sentences[own], lost[own], repeats[own], flags.taken(own)
            )
