"""Counters for a job, which can be added, and figures made from them."""

from collections import Counter
from typing import Any

Tally = Counter[tuple[str, ...]]


def histogram(tally: Tally, name: str) -> dict[int, int]:
    """The counters (name, value) as {value: count}."""
    return {int(key[1]): count for key, count in tally.items() if key[0] == name}


def distribution(counts: dict[int, int]) -> dict[str, Any]:
    """The number, sum, mean and percentiles (nearest rank) of a histogram."""
    number, total = sum(counts.values()), sum(value * count for value, count in counts.items())
    out: dict[str, Any] = {"number": number, "sum": total, "mean": round(total / number, 2) if number else None}
    for percent in (5, 25, 50, 75, 95):
        out[f"p{percent}"] = _percentile(counts, number, percent)
    return out


def _percentile(counts: dict[int, int], number: int, percent: int) -> int | None:
    rank, seen = -(-number * percent // 100), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return value
    return None
