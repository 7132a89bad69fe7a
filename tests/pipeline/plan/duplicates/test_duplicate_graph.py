"""Duplicate paragraphs: against brute force, whatever the order, and where one paragraph is everywhere."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from paragraphs import clip_of, clips_of_file, texts_of
from sources import DEMO

from longtake.pipeline.plan.duplicates import find
from longtake.pipeline.plan.duplicates.find import FindDuplicates, duplicates_of
from longtake.pipeline.plan.duplicates.footprint import N_FRAMES, OF_VIDEOS, SAME_SHARE, Footprint
from longtake.pipeline.plan.duplicates.graph import FILTERED, LeaveOutDuplicates
from longtake.pipeline.plan.duplicates.similarity import (
    BANDS,
    OF_TEXTS,
    Likeness,
    bands,
    normalised,
    shingles,
    similarity,
)
from longtake.pipeline.plan.duplicates.survivors import HEADS, Duplicate, candidate_pairs, key_of, ranked
from longtake.pipeline.plan.video import PlannedVideo
from longtake.pipeline.read.rows import DROPS
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas.config import Duplicates
from longtake.schemas.reasons import Reason, Subject
from longtake.schemas.records import Drop, LongClip

THRESHOLD = 0.8
REAL = [text for path in sorted(DEMO.glob("subs/*.vtt")) for text in texts_of(clips_of_file(path, 8))]


KEPT: dict[str, list[Any]] = {}  # what the last pipeline put out; it runs in this process


def _keep(values: list[Any], name: str) -> None:
    KEPT[name] = values


def keep(collection: Any, name: str) -> None:
    _ = collection | f"List {name}" >> beam.combiners.ToList() | f"Keep {name}" >> beam.Map(_keep, name)


def running() -> beam.Pipeline:
    return beam.Pipeline(options=pipeline_options(["--direct_running_mode=in_memory", "--direct_num_workers=1"], 1))


def found_in(
    values: Sequence[tuple[bytes, Any]], threshold: float = THRESHOLD, likeness: Likeness = OF_TEXTS
) -> list[Duplicate]:
    """What the graph finds."""
    with running() as root:
        keep(root | beam.Create(list(values), reshuffle=False) | FindDuplicates(threshold, likeness), "found")
    return sorted(duplicates_of(KEPT["found"]), key=lambda duplicate: duplicate.name)


def by_brute_force(paragraphs: Sequence[tuple[bytes, str]], threshold: float = THRESHOLD) -> dict[bytes, bytes]:
    """Each paragraph that has a like one before it in rank, and the first of those: the rule, applied to all pairs."""
    distinct: dict[str, bytes] = {}
    out: dict[bytes, bytes] = {}
    for name, text in sorted(paragraphs):
        if text in distinct:
            out[name] = distinct[text]
            continue
        like = [other for known, other in distinct.items() if similarity(known, text) >= threshold]
        if like:
            out[name] = min(like)
        distinct[text] = name
    return out


def changed(text: str, words: int, rng: random.Random) -> str:
    """`text` with some words replaced by others."""
    spoken = text.split()
    for at in rng.sample(range(len(spoken)), words):
        spoken[at] = f"other{rng.randrange(10**6)}"
    return " ".join(spoken)


def corpus(seed: int) -> list[tuple[bytes, str]]:
    rng = random.Random(seed)
    texts = []
    for text in map(normalised, REAL):
        texts += [text, text, changed(text, 1, rng), changed(text, 2, rng), changed(text, 12, rng)]
    return [(ranked(f"v{n}-000000000-000001000", seed), text) for n, text in enumerate(texts)]


@pytest.mark.parametrize("seed", [0, 1])
def test_real_paragraphs_against_brute_force(seed: int) -> None:
    paragraphs = corpus(seed)
    random.Random(7).shuffle(paragraphs)
    found = found_in(paragraphs)
    wanted = by_brute_force(paragraphs)
    assert {d.name: d.like for d in found} == wanted
    assert len(wanted) > len(REAL)
    dropped = {d.name for d in found}
    assert all(d.survivor not in dropped for d in found), "who is named as staying stays"
    assert [d.similarity is None for d in found].count(True) >= len(REAL)


def test_the_order_of_the_input_does_not_matter() -> None:
    paragraphs = corpus(3)
    assert found_in(paragraphs) == found_in(paragraphs[::-1])


def test_many_parts_and_batches_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    paragraphs = corpus(4)
    whole = found_in(paragraphs)
    monkeypatch.setattr(find, "_ENTRIES_PER_PART", 4 * BANDS)
    monkeypatch.setattr(find, "_ROWS", 7)
    monkeypatch.setattr(find, "_PAIRS", 5)
    assert len(paragraphs) > 3 * 4
    assert found_in(paragraphs) == whole
    assert {d.name: d.like for d in whole} == by_brute_force(paragraphs)


def test_a_chain_leads_to_the_one_that_stays() -> None:
    rng, text = random.Random(0), " ".join(f"w{n}" for n in range(200))
    names = sorted(ranked(f"v{n}-000000000-000001000", 0) for n in range(9))
    texts = [text]
    for _ in names[1:]:
        texts.append(changed(texts[-1], 3, rng))
    assert similarity(texts[0], texts[-1]) < THRESHOLD < similarity(texts[0], texts[1])
    found = found_in(list(zip(names, texts, strict=True)))
    assert [d.name for d in found] == names[1:]
    assert {d.survivor for d in found} == {names[0]}


def test_videos_against_brute_force() -> None:
    """Films, copies of them with up to 6 bits of each picture changed, and films that share their first and last pictures."""
    rng = random.Random(5)
    intro, videos = [rng.getrandbits(64) for _ in range(4)], list[Footprint]()
    for _ in range(60):
        pictures = [*intro[:2], *(rng.getrandbits(64) for _ in range(N_FRAMES - 4)), *intro[2:]]
        length = rng.randrange(60_000, 62_000)
        videos.append(Footprint(length, tuple(pictures)))
        for _ in range(rng.randrange(3)):
            flips = (sum(1 << bit for bit in rng.sample(range(64), rng.randrange(7))) for _ in pictures)
            longer = int(length * rng.uniform(1, 1.01))
            copied = [p ^ flip for p, flip in zip(pictures, flips, strict=True)]
            videos.append(Footprint(longer, (None, *copied[1:])))
    named = [(ranked(f"v\u00e9{n}", 0), video) for n, video in enumerate(videos)]
    wanted: dict[bytes, bytes] = {}
    for name, video in named:
        like = [n for n, v in named if n < name and OF_VIDEOS.similarity(v, video) >= SAME_SHARE]
        if like:
            wanted[name] = min(like)
    found = found_in(named, SAME_SHARE, OF_VIDEOS)
    assert {d.name: d.like for d in found} == wanted
    assert len(wanted) == len(videos) - 60
    assert [OF_VIDEOS.from_bytes(OF_VIDEOS.to_bytes(video)) for video in videos] == videos
    assert key_of(named[3][0]) == "v\u00e93"


def test_a_paragraph_that_is_everywhere() -> None:
    common = normalised(REAL[0])
    paragraphs = [(ranked(f"v{n}-000000000-000001000", 0), common) for n in range(3000)]
    found = found_in(paragraphs)
    assert len(found) == 2999
    assert {d.survivor for d in found} == {min(paragraphs)[0]}


def test_a_full_bucket_gives_pairs_in_proportion() -> None:
    names = [ranked(f"v{n}-000000000-000001000", 0) for n in range(500)]
    pairs = list(candidate_pairs(b"12345678" + name for name in names))
    assert len(pairs) == len(set(pairs)) == HEADS * (HEADS - 1) // 2 + (500 - HEADS) * HEADS
    assert all(first < second for first, second in pairs)
    assert {second for _, second in pairs} == set(names) - {min(names)}, "all but the first are compared with it"
    assert list(candidate_pairs([b"1234567aX", b"1234567bY"])) == []


def test_bands_find_what_is_similar() -> None:
    """The promise of `similarity`: 95 % of pairs at 0.8 and nearly all at 0.9 share a band."""
    rng = random.Random(1)
    met, pairs = 0, 0
    for number in range(60):
        text = " ".join(f"w{rng.randrange(10**6)}" for _ in range(300))
        other = changed(text, 6, rng)  # 6 of 300 words: 30 of 296 shingles, similarity about 0.82
        if similarity(text, other) >= THRESHOLD:
            pairs += 1
            met += not set(bands(text)).isdisjoint(bands(other))
        assert set(bands(text)).isdisjoint(bands(f"x{number} y z")), "no band in common where nothing is"
    assert pairs >= 40
    assert met / pairs >= 0.85
    assert len(bands("a")) == len(set(bands("a"))) == BANDS


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.lists(st.sampled_from("abc"), min_size=1, max_size=12)
)
def test_similarity(one: list[str], other: list[str]) -> None:
    a, b = " ".join(one), " ".join(other)
    assert similarity(a, a) == 1
    assert similarity(a, b) == similarity(b, a)
    assert (similarity(a, b) == 0) == shingles(a).isdisjoint(shingles(b))
    assert shingles(a) == ({" ".join(one[i : i + 5]) for i in range(len(one) - 4)} or {a})


def leave_out(videos: Sequence[PlannedVideo], seed: int = 0, **more: object) -> tuple[list[LongClip], list[Drop], int]:
    chosen = Duplicates.model_validate({"paragraphs": "drop"} | more)
    with running() as root:
        found = root | beam.Create(list(videos), reshuffle=False) | LeaveOutDuplicates(chosen, seed)
        for name, collection in (("videos", found.videos), ("drops", found[DROPS]), ("counts", found[FILTERED])):
            keep(collection, name)
    clips = [clip for planned in KEPT["videos"] for clip in planned.clips]
    return sorted(clips, key=lambda clip: clip.key), sorted(KEPT["drops"]), sum(KEPT["counts"])


def videos() -> list[PlannedVideo]:
    spoken = ["The polar bear is the largest of the bears", "and it lives on the ice of the far north all year."]
    return [
        PlannedVideo((clip_of(*spoken, video_id="a"), clip_of("Another", "thing.", video_id="a", start=90_000))),
        PlannedVideo((clip_of(*(s.upper() for s in spoken), video_id="b/ü"),)),
        PlannedVideo((clip_of("...", video_id="c"), clip_of("!", video_id="c", start=90_000))),
    ]


def test_what_repeats_is_left_out_with_its_sentences_and_its_video() -> None:
    clips, drops, left_out = leave_out(videos())
    assert (len(clips), left_out) == (4, 1)
    own = next(row for row in drops if row.subject is Subject.CLIP)
    stays = next(c for c in clips if "olar" in c.paragraph or "OLAR" in c.paragraph)
    assert own.reason is Reason.EXACT_DUPLICATE
    assert own.detail == f"the same words, like {stays.key}, which stays"
    assert sum(row.subject is Subject.SENTENCE for row in drops) == 2
    whole = [row for row in drops if row.subject is Subject.VIDEO]
    assert len(whole) == (own.video_id == "b/ü"), "a video of which nothing is left has a row"


def test_or_marked() -> None:
    clips, drops, left_out = leave_out(videos(), paragraphs="flag")
    assert (len(clips), drops, left_out) == (5, [], 0)
    (marked,) = (c for c in clips if c.duplicate_of is not None)
    assert marked.duplicate_of in {c.key for c in clips if c.duplicate_of is None}


def test_the_searches_for_videos_and_paragraphs_agree() -> None:
    """Whoever drops what is flagged in either column keeps each text of a video that stays."""
    said = ["The polar bear is the largest of the bears on this earth", "and the seal is what it likes best of all."]
    for seed in range(8):
        some = [f"v{n}" for n in range(6)]
        stays = {name: min(group, key=lambda n: ranked(n, seed)) for group in (some[:3], some[3:]) for name in group}
        films = [
            PlannedVideo(
                tuple(
                    replace(
                        clip_of(text, video_id=name, start=at),
                        duplicate_video_of=None if stays[name] == name else stays[name],
                    )
                    for at, text in enumerate(said, 1)
                )
            )
            for name in some
        ]
        clips, _, _ = leave_out(films, seed=seed, paragraphs="flag")
        kept = [clip for clip in clips if clip.duplicate_of is None and clip.duplicate_video_of is None]
        first = min(set(stays.values()), key=lambda name: ranked(name, seed))
        assert [(clip.video.video_id, clip.paragraph) for clip in kept] == [(first, text) for text in said]


def test_a_paragraph_that_only_a_repeat_has_stays_there() -> None:
    only = replace(clip_of("What nobody else says", "in any other film.", video_id="a"), duplicate_video_of="b")
    clips, _, _ = leave_out([PlannedVideo((only,)), PlannedVideo((clip_of("Another", "text.", video_id="b"),))])
    assert only in clips


def test_names_sort_by_rank_and_give_their_key() -> None:
    keys = [f"v{n}-000000000-000001000" for n in range(50)]
    names = {key: ranked(key, 5) for key in keys}
    assert [key_of(names[key]) for key in keys] == keys
    assert sorted(names.values()) != [names[key] for key in keys]
    assert sorted(names.values()) != sorted(ranked(key, 6) for key in keys)
