"""Histograms of a column for all samples and for a selection."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longtake.pipeline.browse.selection import Measure
from longtake.pipeline.browse.store import Mask

BINS = 40
NO_BIN = 255
_QUANTILES = (0.05, 0.5, 0.95)
_OUTER = 0.001  # this share of the values at each end goes into the outer bins

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of the values of a measure in the bins [edge, next edge). The outer bins also hold what lies beyond them. `chosen`
    are the counts of a selection, `missing` the number of its samples without a value, `quantiles` its 5 %, median, 95 %."""

    measure: Measure
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    chosen: tuple[int, ...]
    missing: int
    quantiles: tuple[float, ...]
    whole: bool  # all values are whole numbers

    @property
    def bars(self) -> list[tuple[int, int]]:
        """The heights of the bars from 0 to 100 for all samples and for the selection, each to its own highest."""
        tallest, tallest_chosen = max(self.counts, default=0), max(self.chosen, default=0)
        return [
            (_height(n, tallest), _height(own, tallest_chosen)) for n, own in zip(self.counts, self.chosen, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Binned:
    """A column in bins: `bins` has the bin of each row, NO_BIN for a row without a value."""

    values: Values
    bins: npt.NDArray[np.uint8]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    whole: bool

    def histogram(self, measure: Measure, mask: Mask | None) -> Histogram:
        """The histogram for all rows and for those that `mask` chooses."""
        # Rows by number: numpy takes ten times as long to pick them by a mask.
        chosen = np.bincount(self.bins if mask is None else self.bins[np.flatnonzero(mask)], minlength=NO_BIN + 1)
        quantiles = self._quantiles(chosen[:NO_BIN], mask) if chosen[:NO_BIN].any() else []
        number, missing = len(self.counts), int(chosen[NO_BIN])
        return Histogram(
            measure,
            self.edges,
            self.counts,
            tuple(chosen[:number].tolist()),
            missing,
            tuple(quantiles),
            self.whole,
        )

    def _quantiles(self, chosen: npt.NDArray[np.int64], mask: Mask | None) -> list[float]:
        """The quantiles of the chosen values. `chosen` counts them by bin; only values in the bins of quantiles are ordered."""
        ends, ordered = np.cumsum(chosen), dict[int, Values]()

        def nth(number: int) -> float:
            one = int(np.searchsorted(ends, number, side="right"))
            if one not in ordered:
                in_bin = self.bins == one
                ordered[one] = np.sort(self.values[np.flatnonzero(in_bin if mask is None else in_bin & mask)])
            return float(ordered[one][number - (int(ends[one - 1]) if one else 0)])

        places = [share * (int(ends[-1]) - 1) for share in _QUANTILES]
        around = [(nth(math.floor(place)), nth(math.ceil(place)), place % 1) for place in places]
        return [low + (high - low) * rest for low, high, rest in around]


def binned(values: Values) -> Binned | None:
    """Put values, one per row and NaN where there is none, into bins; None if no row has one."""
    is_there = np.isfinite(values)
    there = values[is_there]
    if not len(there):
        return None
    whole = bool((there == np.round(there)).all())
    edges = _edges(there, whole)
    number = len(edges) - 1
    width = edges[1] - edges[0]
    bins = np.full(len(values), NO_BIN, np.uint8)
    bins[is_there] = np.clip((there - edges[0]) / width + 1e-6, 0, number - 1).astype(np.uint8)
    counts = np.bincount(bins, minlength=NO_BIN + 1)[:number]
    return Binned(values, bins, tuple(float(f"{edge:.9g}") for edge in edges), tuple(counts.tolist()), whole)


def _edges(values: Values, whole: bool) -> list[float]:
    """Evenly spaced round edges around nearly all values."""
    low, high = (float(one) for one in np.quantile(values, (_OUTER, 1 - _OUTER)))
    if high <= low:
        high = low + 1
    raw = (high - low) / BINS
    power = 10.0 ** math.floor(math.log10(raw))
    width = next(power * step for step in (1, 2, 5, 10) if power * step >= raw * (1 - 1e-9))
    if whole:
        width = max(1.0, width)
    first, last = math.floor(low / width), math.floor(high / width) + 1
    return [n * width for n in range(first, last + 1)]


def _height(count: int, tallest: int) -> int:
    return max(1, round(100 * count / tallest)) if count else 0
