"""Lines that show how far the scores of dropped things are from their thresholds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.audit.result import Table


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """A score and its threshold on a line. Positions are per cent of the line. `passes` is the stretch that would have been
    kept."""

    key: str
    score: str
    value: float
    setting: str
    threshold: float
    at: float
    limit: float
    passes: tuple[float, float]  # left, width


def score_lines(table: Table | None) -> tuple[ScoreLine, ...]:
    """A line for each row of a table with columns score, value, setting and threshold. All lines of a setting share a scale."""
    rows = [_named(table, row) for row in table.rows] if table else []
    rows = [row for row in rows if _is_finite(row.get("value")) and _is_finite(row.get("threshold"))]
    scales: dict[str, list[float]] = {}
    for row in rows:
        scales.setdefault(str(row.get("setting")), [0.0]).extend((float(row["value"]), float(row["threshold"])))
    return tuple(_line(row, scales[str(row.get("setting"))]) for row in rows)


def _named(table: Table, row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(table.columns, row, strict=False))
    return {**found, "setting": found.get("setting", found.get("threshold setting", "the threshold"))}


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _line(row: Mapping[str, Any], scale: list[float]) -> ScoreLine:
    low, high = min(scale), max(scale)
    room = (high - low) * 0.08 or 1.0
    low, high = (low - room if low < 0 else 0.0), high + room
    value, threshold = float(row["value"]), float(row["threshold"])
    at, limit = (100 * (x - low) / (high - low) for x in (value, threshold))
    passes = (limit, 100 - limit) if value < threshold else (0.0, limit)
    name = str(row.get("key", row.get("id", "")))
    return ScoreLine(name, str(row.get("score", "score")), value, str(row["setting"]), threshold, at, limit, passes)
