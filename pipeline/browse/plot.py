"""The points of a plot, packed for the browser (static/plot.js)."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from longtake.pipeline.browse.axes import Values
from longtake.pipeline.browse.store import Mask

LEVELS = 8  # of a number
MOST_CATEGORIES = 9  # the rest is "other"
MOST_TOPICS = 24
NO_VALUE = 255

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Colouring:
    """The colour of each row as a number: an entry of `legend`, or NO_VALUE. Numbers have an ordered legend."""

    codes: Codes
    legend: tuple[str, ...]
    is_ordered: bool


def by_number(values: Values) -> Colouring:
    """Colour by the eighth of all rows that a value is in."""
    there = values[np.isfinite(values)]
    if not len(there):
        return Colouring(np.full(len(values), NO_VALUE, np.uint8), (), True)
    inner = np.quantile(there, np.arange(1, LEVELS) / LEVELS)
    codes = np.searchsorted(inner, values, side="right").astype(np.uint8)
    codes[~np.isfinite(values)] = NO_VALUE
    bounds = [float(there.min()), *inner.tolist(), float(there.max())]
    legend = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(bounds)]
    return Colouring(codes, tuple(legend), True)


def by_category(codes: npt.NDArray[np.integer[Any]], names: Sequence[str], most: int = MOST_CATEGORIES) -> Colouring:
    """Colour by a group: the `most` frequent ones, and all others together.

    Args:
        codes: the group of each row, as its place in `names`; below 0 is none.
        names: the groups.
        most: how many get a colour of their own.
    """
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = [int(n) for n in np.argsort(-counts, kind="stable") if counts[n]]
    shown, rest = order[:most], order[most:]
    table = np.full(len(names) + 1, NO_VALUE, np.uint8)  # the last entry is for -1
    table[shown] = range(len(shown))
    table[rest] = len(shown)
    legend = [f"{names[n]} ({counts[n]:,})" for n in shown] + ([f"{len(rest):,} others"] if rest else [])
    return Colouring(table[codes], tuple(legend), False)


def packed(x: Values, y: Values, colouring: Colouring | None, mask: Mask | None) -> bytes:
    """The points with both values, as bytes: the length of a JSON header (uint32), the header, then for all points x and y
    (float32), row (int32), colour and whether it is chosen (uint8 each). All numbers are little endian; the header is padded
    with spaces to a multiple of four."""
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y)).astype("<i4")
    codes = colouring.codes if colouring else np.zeros(len(x), np.uint8)
    chosen = np.ones(len(rows), np.uint8) if mask is None else mask[rows].astype(np.uint8)
    header = {
        "points": len(rows),
        "chosen": int(chosen.sum()),
        "missing": len(x) - len(rows),
        "x": _bounds(x[rows]),
        "y": _bounds(y[rows]),
        "legend": list(colouring.legend) if colouring else [],
        "ordered": bool(colouring and colouring.is_ordered),
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    arrays = (x[rows].astype("<f4"), y[rows].astype("<f4"), rows, codes[rows], chosen)
    return b"".join((struct.pack("<I", len(text)), text, *(one.tobytes() for one in arrays)))


def _bounds(values: Values) -> list[float]:
    return [float(values.min()), float(values.max())] if len(values) else [0.0, 1.0]
