import re
import subprocess
import sys

import pytest
from hypothesis import given, settings, strategies as st

from longtake.schemas.keys import hash64, is_sample_key, safe_name, sample_key

ids = st.one_of(
    st.text(min_size=1, max_size=80),
    st.text("abAB-_./\x00\u00e9", min_size=1, max_size=6),
    st.builds(
        lambda t, h: f"{t}-h{h}", st.text("ab_/", max_size=3), st.text("0123456789abcdef", min_size=12, max_size=12)
    ),
)


@given(ids)
@settings(derandomize=True, max_examples=500)
def test_a_safe_name_is_legal_everywhere(video_id: str) -> None:
    name = safe_name(video_id)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,72}", name)
    key = sample_key(video_id, 0, 999_999_999)
    assert is_sample_key(key)
    assert len(f"{key}.1000.jpg") <= 100, "it fits into a plain tar header"


@given(ids, ids)
@settings(derandomize=True, max_examples=500)
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)
    for video_id in (one, other):
        assert safe_name(safe_name(video_id)) == safe_name(video_id) or safe_name(video_id) != video_id


def test_a_name_that_was_made_cannot_be_taken_by_an_id() -> None:
    made = safe_name("a/b")
    assert made != "a/b"
    assert safe_name(made) not in (made, safe_name("a_b"), "a_b")


@pytest.mark.parametrize("video_id", ["QMi8x8o55Ns", "-rf", "_", "a-b_c", "x" * 56])
def test_a_safe_id_is_its_own_name(video_id: str) -> None:
    assert safe_name(video_id) == video_id


def test_keys_sort_by_time() -> None:
    keys = [sample_key("v", s, s + 10) for s in (0, 9, 10, 99_999, 1_000_000, 86_400_000)]
    assert keys == sorted(keys)
    assert keys[0] == "v-000000000-000000010"


@pytest.mark.parametrize(
    "key", ["", "v", "v-1-2", "../v-000000000-000000001", "v.x-000000000-000000001", "v-000000000-000000001\n"]
)
def test_what_is_no_key(key: str) -> None:
    assert not is_sample_key(key)


def test_the_hash_is_the_same_in_every_process() -> None:
    code = "from longtake.schemas.keys import hash64; print(hash64('v1', 7))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == hash64("v1", 7) == 7201294193733198827 != hash64("v1", 8)
    assert 0 <= hash64("\ud800") < 1 << 64
