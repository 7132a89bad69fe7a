"""Numbers and times as people read them."""

import pytest

from longtake.schemas.wording import bytes_of, clock, duration, human_bytes, plural


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0:00"), (61_999, "1:01"), (3_600_000, "1:00:00"), (-1_500, "-0:01"), (-5, "0:00")]
)
def test_times_in_a_video(ms: int, text: str) -> None:
    assert clock(ms) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12, "12 s"),
        (89.6, "90 s"),
        (120, "2 min"),
        (130.2, "2 min 10 s"),
        (599.9, "10 min"),
        (1810, "30 min"),
        (3599, "60 min"),
        (7200, "2.0 h"),
        (200_000, "2.3 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_numbers() -> None:
    assert [human_bytes(n) for n in (0, 999, 1000, 4_100_000)] == ["0 B", "999 B", "1.0 KB", "4.1 MB"]
    sizes = [(12.4e6, 25e6), (0, 999), (4e8, 1.2e9), (3e15, 4e15), (0, 0)]
    assert [bytes_of(*pair) for pair in sizes] == [
        "12 of 25 MB",
        "0 of 999 B",
        "0.4 of 1.2 GB",
        "3000 of 4000 TB",
        "0 of 0 B",
    ]
    assert [plural(n, "shard") for n in (0, 1, 1200)] == ["0 shards", "1 shard", "1,200 shards"]
