"""Two samples side by side: frames aligned by what they show, texts compared by words."""

import io
import itertools

import numpy as np
import pytest
from browsing import ALPHA, ALPHA_2, HOST, PATH_ID, SCRIPT, client_of
from PIL import Image, ImageEnhance
from sources import REPOSITORY

from longtake.pipeline.browse.pairs import Run, aligned, alike, differences, picture_hash
from longtake.pipeline.browse.server import Server
from longtake.schemas.keys import sample_key

PHOTOS = [
    REPOSITORY / "docs" / "pictures" / name for name in ("browse-list.png", "audit-kept.png", "browse-sample.png")
]


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def test_a_hash_stands_changes_of_size_quality_and_light() -> None:
    pictures = [Image.open(path).convert("RGB") for path in PHOTOS]
    own = [picture_hash(jpeg(one)) for one in pictures]
    changed = [picture_hash(jpeg(ImageEnhance.Brightness(one.resize((320, 200))).enhance(0.8), 40)) for one in pictures]
    for (a, b), (c, d) in itertools.product(enumerate(own), enumerate(changed)):
        likeness = alike(b, d)
        assert likeness is not None
        assert (likeness > 0.9) == (a == c), (a, c, likeness)
    assert picture_hash(b"no picture") is None and alike(None, 3) is None


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        ("abcd", "abcd", ["aa", "bb", "cc", "dd"]),
        ("abcd", "bcd", ["a-", "bb", "cc", "dd"]),
        ("abd", "abcd", ["aa", "bb", "-c", "dd"]),
        ("abab", "xab", ["a-", "bx", "aa", "bb"]),
        ("", "ab", ["-a", "-b"]),
        ("", "", []),
    ],
)
def test_frames_are_aligned_in_order(left: str, right: str, pairs: list[str]) -> None:
    rng = np.random.default_rng(1)
    hashes = {name: int.from_bytes(rng.bytes(8), "big") for name in "abcd"}
    hashes["x"] = hashes["b"] ^ 0b1011  # nearly b
    found = aligned([hashes[one] for one in left], [hashes[one] for one in right])
    assert [
        "".join(("-" if n is None else text[n]) for n, text in zip(pair, (left, right), strict=True)) for pair in found
    ] == pairs


def test_an_alignment_is_the_cheapest_of_all() -> None:
    rng = np.random.default_rng(2)
    left, right = ([int.from_bytes(rng.bytes(8), "big") for _ in range(n)] for n in (4, 3))
    right[1] = left[2]

    def cheapest(i: int, j: int) -> float:
        """By trying all, from the ends."""
        if i == len(left) or j == len(right):
            return 0.3 * (len(left) - i + len(right) - j)
        both = (left[i] ^ right[j]).bit_count() / 64
        return min(both + cheapest(i + 1, j + 1), 0.3 + cheapest(i + 1, j), 0.3 + cheapest(i, j + 1))

    found = sum(
        0.3 if a is None or b is None else (left[a] ^ right[b]).bit_count() / 64 for a, b in aligned(left, right)
    )
    assert found == pytest.approx(cheapest(0, 0))


def test_texts_differ_by_words() -> None:
    ours, theirs = differences("The whale swims in the cold sea", "The whale sings in the sea") or ([], [])
    assert ours == [
        Run("same", "The whale"),
        Run("own", "swims"),
        Run("same", "in the"),
        Run("own", "cold"),
        Run("same", "sea"),
    ]
    assert theirs == [Run("same", "The whale"), Run("own", "sings"), Run("same", "in the"), Run("same", "sea")]
    assert differences("a " * 5000, "b") is None
    assert differences("you " * 4000, "you no " * 2000) is None  # would take a quarter of an hour


def test_the_page_shows_both_and_nothing_of_them_becomes_markup(server: Server) -> None:
    client = client_of(server)
    hostile = sample_key(PATH_ID, 1000, 21502)
    for other in (ALPHA_2, hostile):
        text = client.get(f"/compare/{ALPHA}?with={other}", headers=HOST).text
        assert f"/frame/{ALPHA}/0.jpg" in text and f"/frame/{other}/0.jpg" in text
        assert SCRIPT not in text and "100 %" in text
        assert f'data-key="{ALPHA}"' in text
    for path in (f"/compare/{ALPHA}", f"/compare/{ALPHA}?with=../../etc", "/compare/nowhere?with=x"):
        assert client.get(path, headers=HOST).status_code == 404
