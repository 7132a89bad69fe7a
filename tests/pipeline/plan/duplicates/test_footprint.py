"""Footprints of videos: what is the same film under two ids, what is not, and what cannot be told."""

import io
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from media import make, shared
from PIL import Image
from sources import LAST_MAN, MAMMALS, POLAR_MAMMALS

from longtake.pipeline.decode import SourceError
from longtake.pipeline.plan.duplicates.footprint import (
    DIFFERENT,
    N_FRAMES,
    SAME_SHARE,
    Footprint,
    bands,
    different,
    digest,
    footprint_of,
    picture_hash,
    similarity,
)
from longtake.schemas.config import Limits

SMALLER = make(
    "smaller.mp4",
    ["-i", MAMMALS, "-vf", "scale=-2:120", "-c:v", "mpeg4", "-q:v", "12", "-an", "-threads", "1"],
)
OTHER_CODEC = make(
    "again.avi", ["-i", LAST_MAN, "-vf", "scale=320:180,fps=12", "-c:v", "mpeg4", "-q:v", "12", "-an", "-threads", "1"]
)
STILL = make("still.mp4", ["-f", "lavfi", "-i", "smptebars=size=320x180:rate=10:duration=6", "-threads", "1"])
BLACK = make("black.mp4", ["-f", "lavfi", "-i", "color=black:size=320x180:rate=10:duration=6", "-threads", "1"])


def taken(path: Path) -> Footprint:
    return footprint_of(str(path), Limits())


@pytest.mark.parametrize(("film", "copy"), [(MAMMALS, SMALLER), (LAST_MAN, OTHER_CODEC)])
def test_a_copy_in_another_size_and_codec(film: Path, copy: Path) -> None:
    one, other = taken(film), taken(copy)
    assert similarity(one, other) == similarity(other, one) == 1
    assert not set(bands(one)).isdisjoint(bands(other))
    assert digest(one) != digest(other) or one == other


def test_films_of_one_maker_with_the_same_start_and_end() -> None:
    one, other = taken(MAMMALS), taken(POLAR_MAMMALS)
    assert similarity(one, other) == 0
    as_long = Footprint(one.duration_ms, other.hashes)
    assert sum(a == b for a, b in zip(one.hashes, other.hashes, strict=True)) > 0
    assert similarity(one, as_long) < SAME_SHARE


@pytest.mark.shared_data
def test_real_videos_are_like_their_own_copies_only() -> None:
    found: dict[str, Footprint] = {}
    for path in shared("videos"):
        found[path.name] = taken(path)
    alike = {
        (a, b): similarity(found[a], found[b])
        for a, b in combinations(found, 2)
        if similarity(found[a], found[b]) >= SAME_SHARE
    }
    films = ("Mammals", "PolarMammals")
    assert alike == ({(f"{film}.mp4", f"{film}.webm"): 1.0 for film in films} if found else {})


def test_a_still_and_a_black_video_cannot_be_told() -> None:
    still, black = taken(STILL), taken(BLACK)
    assert different(still.hashes) == 1
    assert black.hashes == (None,) * N_FRAMES
    assert bands(black) == []
    assert similarity(still, still) == similarity(black, black) == 0


def test_a_cover_and_two_titles_are_not_enough() -> None:
    """Two talks with one cover picture throughout, and the same title and end screen."""
    cover, title, end = 0, 2**32 - 1, 2**64 - 1
    pictures = (title, *[cover] * 10, end)
    assert different(pictures) == 3 < DIFFERENT
    assert similarity(Footprint(60_000, pictures), Footprint(60_500, pictures)) == 0


def test_half_of_a_video_is_another_length() -> None:
    half = make("half.mp4", ["-i", MAMMALS, "-t", "40", "-c", "copy"])
    assert similarity(taken(MAMMALS), taken(half)) == 0


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "none.mp4").write_bytes(b"")
    for name in ("none.mp4", "missing.mp4"):
        with pytest.raises(SourceError):
            taken(tmp_path / name)


def test_a_flat_picture_has_no_hash() -> None:
    def jpeg(picture: Image.Image) -> bytes:
        out = io.BytesIO()
        picture.save(out, "JPEG")
        return out.getvalue()

    assert picture_hash(jpeg(Image.new("RGB", (64, 64), "black"))) is None
    assert picture_hash(jpeg(Image.linear_gradient("L"))) is not None


HASHES = st.lists(st.none() | st.integers(0, 2**64 - 1), min_size=N_FRAMES, max_size=N_FRAMES).map(tuple)


@given(HASHES, HASHES, st.integers(1, 10**7), st.floats(1, 1.0199))
def test_similarity_is_symmetric_and_lengths_within_two_percent_meet(
    one: tuple[int | None, ...], other: tuple[int | None, ...], length: int, ratio: float
) -> None:
    a, b = Footprint(length, one), Footprint(max(length, int(length * ratio)), other)
    assert similarity(a, b) == similarity(b, a)
    assert 0 <= similarity(a, b) <= 1
    if any(value is not None for value in one):
        assert not set(bands(a)).isdisjoint(bands(Footprint(b.duration_ms, one)))
    if different(one) >= DIFFERENT:
        assert similarity(a, a) == 1
