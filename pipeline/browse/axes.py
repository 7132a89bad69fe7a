"""The numbers that samples can be plotted by, and areas drawn on such a plot."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longtake.pipeline.browse.combine import SelectionError
from longtake.pipeline.browse.selection import MEASURES
from longtake.pipeline.browse.store import Mask, Store

MAX_POINTS = 100  # of an outline
_AREA = re.compile(r"([\w.@-]{1,80})~([\w.@-]{1,80})~([-+.,\deE]{1,4000})")
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE")
_NO_AXIS = ("row_id",)

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Axis:
    """A number of every sample. `name` is its name in addresses."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Area:
    """An outline in the plane of two axes: `points` are its corners, two opposite corners for an upright rectangle."""

    x: str
    y: str
    points: tuple[tuple[float, float], ...]


class Axes:
    """The axes of a corpus: its measures, its other numeric columns, and what else has one number per sample (`further`)."""

    def __init__(self, store: Store, further: Mapping[Axis, Values]) -> None:
        self._store = store
        self._columns = {Axis(one.name, one.label): one.column for one in store.measures}
        known = {one.column for one in MEASURES}
        for name in store.columns_with_numbers(_NUMBERS):
            if name not in known and name not in _NO_AXIS:
                self._columns[Axis(name, name.replace("_", " ").capitalize())] = name
        self._further = dict(further)
        self._by_name = {axis.name: axis for axis in (*self._further, *self._columns)}

    def __iter__(self) -> Iterator[Axis]:
        return iter(self._by_name.values())

    def values(self, name: str) -> Values:
        """The values of an axis, one per row, NaN where there is none. Raises SelectionError for an axis that is not there."""
        axis = self._by_name.get(name)
        if axis is None:
            was = " It is of a map that was computed again since." if "@" in name else ""
            raise SelectionError(f"there is no axis {name[:80]!r}.{was}")
        if axis in self._further:
            return self._further[axis]
        return self._store.column(self._columns[axis])

    def within(self, text: str) -> Mask:
        """The rows in an area, which is given as in addresses. Raises SelectionError."""
        area = read_area(text)
        return inside(self.values(area.x), self.values(area.y), area.points)


def read_area(text: str) -> Area:
    """Read `x~y~x1,y1,x2,y2,...`. Raises SelectionError."""
    found = _AREA.fullmatch(text)
    try:
        numbers = [float(one) for one in found[3].split(",")] if found else []
    except ValueError:
        numbers = []
    is_outline = len(numbers) in (4, *range(6, 2 * MAX_POINTS + 1, 2)) and all(map(math.isfinite, numbers))
    if not found or not is_outline:
        raise SelectionError("that area cannot be read; draw it again on the page Pictures")
    return Area(found[1], found[2], tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def inside(x: Values, y: Values, points: Sequence[tuple[float, float]]) -> Mask:
    """Which of the points (x, y) lie in an outline, by the even-odd rule. NaN lies nowhere."""
    xs, ys = [one for one, _ in points], [one for _, one in points]
    with np.errstate(invalid="ignore"):
        found = (x >= min(xs)) & (x <= max(xs)) & (y >= min(ys)) & (y <= max(ys))
    if len(points) == 2:
        return np.asarray(found)
    at = np.flatnonzero(found)
    px, py = x[at].astype(np.float64), y[at].astype(np.float64)
    odd = np.zeros(len(at), bool)
    for (x1, y1), (x2, y2) in zip(points, (*points[1:], points[0]), strict=True):
        if y1 != y2:
            crosses = (py < y1) != (py < y2)
            odd[crosses] ^= px[crosses] < (x2 - x1) * (py[crosses] - y1) / (y2 - y1) + x1
    found = np.zeros(len(x), bool)
    found[at[odd]] = True
    return found
