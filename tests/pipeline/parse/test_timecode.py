import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.parse.timecode import (
    MAX_MS,
    format_timecode,
    parse_seconds,
    parse_timecode,
    parse_timecodes,
    short_timecode,
)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("00:00:17.759", 17_759),
        ("00:00:23,279", 23_279),
        ("04:52.140", 292_140),
        ("00:04:52", 292_000),
        ("123:00:00.000", 442_800_000),
        ("90:00.5", 5_400_500),
        ("00:00:01.0004", 1000),
        ("00:00:01.0005", 1001),
        ("00:00:01.9995", 2000),
        ("00:00:01.99949999999999999999", 1999),
        (" 00:00:01.5 ", 1500),
        ("1:2:3.004", 3_723_004),
        ("-00:00:01.500", -1500),
    ],
)
def test_reads_a_time_exactly(text: str, ms: int) -> None:
    assert parse_timecode(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "17",
        "17.759",
        "00:60:00",
        "00:00:60",
        "00:00:1d.890",
        "00:00:01:12",
        "00:00:01.",
        "1e3:00",
        "\u0660\u0660:\u0660\u0660:\u0660\u0661",
        "00:00:00.000\x00",
        "999999999:00:00",
        "9" * 5000 + ":00",
        "00:00:01." + "1" * 5000,
        "nan",
        "00:000:01",
    ],
)
def test_refuses_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_timecode(text)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (17.759, 17_759),
        (17, 17_000),
        ("17.759", 17_759),
        (0.0005, 1),
        (1.0004999, 1000),
        (2.675, 2675),
        (1e-7, 0),
        (Decimal("1.0005"), 1001),
        ("0.0004999999999999999999999", 0),
        (-0.5, -500),
        (1.005, 1005),
        (0.1 + 0.2, 300),
    ],
)
def test_reads_seconds_exactly(value: float | Decimal | str, ms: int) -> None:
    assert parse_seconds(value) == ms


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**30, 1e300, Decimal("1e5000"), Decimal("sNaN"), "1e3", "", "0x1", "1_000"]
)
def test_refuses_what_is_no_number_of_seconds(value: float | Decimal | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_seconds(value)


@settings(derandomize=True, deadline=None)
@given(st.integers(-MAX_MS, MAX_MS))
def test_formatting_round_trips(ms: int) -> None:
    assert parse_timecode(format_timecode(ms)) == ms


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 359_999), st.text("0123456789", min_size=1, max_size=30))
def test_rounds_half_up(seconds: int, fraction: str) -> None:
    exact = Fraction(seconds) + Fraction(int(fraction), 10 ** len(fraction))
    expected = (exact * 1000 + Fraction(1, 2)).__floor__()
    assert parse_timecode(f"{seconds // 60}:{seconds % 60:02d}.{fraction}") == expected
    assert parse_seconds(f"{seconds}.{fraction}") == expected


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "00:00.000"), (61_002, "01:01.002"), (3_600_000, "01:00:00.000"), (-40, "-00:00.040")]
)
def test_short_times(ms: int, text: str) -> None:
    assert short_timecode(ms) == text


@given(
    st.lists(
        st.one_of(
            st.from_regex(r"\A[0-9]{2}:[0-9]{2}:[0-9]{2}[.,][0-9]{3}\Z"),
            st.text(max_size=14),
            st.text(st.sampled_from("0159:.,\u0661\x00"), min_size=12, max_size=12),
        ),
        max_size=20,
    )
)
@settings(derandomize=True, max_examples=300)
def test_many_times_at_once_are_the_times_one_by_one(texts: list[str]) -> None:
    found = parse_timecodes(texts)
    assert found.dtype == np.int64
    for text, value in zip(texts, found.tolist(), strict=True):
        usual = re.fullmatch(r"[0-9]{2}:[0-5][0-9]:[0-5][0-9][.,][0-9]{3}", text, re.ASCII)
        assert value == (parse_timecode(text) if usual else -1)
