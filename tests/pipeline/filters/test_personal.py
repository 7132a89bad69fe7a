"""Personal data: what is found, and what only looks like it."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from paragraphs import clip_of, clips_of_file
from sources import DEMO

from longtake.pipeline.filters.personal import KINDS, find, find_in_clip, luhn, mask, mask_clip


def found(text: str, region: str = "US") -> list[tuple[str, str]]:
    return [(f.kind, text[f.start : f.end]) for f in find(text, KINDS, region)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to jane.doe+x@mail.example.co.uk.", "email", "jane.doe+x@mail.example.co.uk"),
        ("(a_b@c-d.org)", "email", "a_b@c-d.org"),
        ("call 650-253-0000 now", "phone", "650-253-0000"),
        ("from abroad +33 1 42 68 53 00, please", "phone", "+33 1 42 68 53 00"),
        ("card 4111 1111 1111 1111 exp", "card", "4111 1111 1111 1111"),
        ("card 5500-0055-5555-5559.", "card", "5500-0055-5555-5559"),
        ("amex 378282246310005", "card", "378282246310005"),
        ("ping 192.168.10.1 and", "ip", "192.168.10.1"),
        ("at 2001:db8::ff00:42:8329 it", "ip", "2001:db8::ff00:42:8329"),
    ],
)
def test_found(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "meet me @home at 5",
        "a@b is no address",
        "user@localhost",
        "card 4111 1111 1111 1112",  # the check digit is wrong
        "0000 0000 0000 0000",
        "1234567812345670",  # right check digit, and no card starts with 1
        "from 1914 to 1918 and 1939 to 1945",
        "2021-10-04 12:30:15",
        "pi is 3.14159265358979",
        "ISBN 978-3-16-148410-0",
        "version 1.2.3.4.5 and 300.1.1.1",
        "the ratio is 12:30:45, std::vector and :: too",
        "5 million 555 1234",
    ],
)
def test_near_misses(text: str) -> None:
    assert found(text) == []


def test_a_number_without_a_plus_depends_on_the_country() -> None:
    assert found("01 42 68 53 00", "FR") == [("phone", "01 42 68 53 00")]
    assert found("01 42 68 53 00", "US") == []


def test_only_the_kinds_that_are_asked() -> None:
    text = "a@b.org or 192.168.10.1"
    assert [f.kind for f in find(text, ("email",), "US")] == ["email"]
    assert find(text, (), "US") == []


def test_masking_keeps_all_but_the_text() -> None:
    clip = clip_of("Write to a@b.org or c@d.org.", "No more.", "Or 650-253-0000!")
    masked = mask_clip(clip, find_in_clip(clip, KINDS, "US"))
    assert masked.paragraph == "Write to [email] or [email]. No more. Or [phone]!"
    assert (masked.key, masked.frame_times_ms) == (clip.key, clip.frame_times_ms)
    assert find_in_clip(masked, KINDS, "US") == [[], [], []]


def test_real_subtitles_hold_none() -> None:
    for path in DEMO.glob("subs/*.vtt"):
        assert all(not any(find_in_clip(clip, KINDS, "US")) for clip in clips_of_file(path))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="0123456789-+ ().@ab:", max_size=60))
def test_masks_never_overlap_and_leave_the_rest(text: str) -> None:
    places = find(text, KINDS, "US")
    assert all(a.end <= b.start for a, b in pairwise(places))
    rest = "".join(
        text[a:b] for a, b in zip([0, *(f.end for f in places)], [*(f.start for f in places), None], strict=True)
    )
    masked = mask(text, places)
    for place in places:
        masked = masked.replace(f"[{place.kind}]", "", 1)
    assert masked == rest


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**15))
def test_luhn_has_one_check_digit_for_each_number(number: int) -> None:
    assert sum(luhn(f"{number}{digit}") for digit in range(10)) == 1
