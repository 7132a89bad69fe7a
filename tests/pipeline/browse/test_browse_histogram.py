"""Histograms: counts and quantiles are those of the values themselves."""

import numpy as np
import pytest

from longtake.pipeline.browse.histogram import NO_BIN, binned
from longtake.pipeline.browse.selection import MEASURES

DICE = np.random.default_rng(3)
COLUMNS = {
    "one value": np.full(7, 2.5),
    "two values": np.array([1.0, 2.0]),
    "whole numbers": DICE.integers(0, 30, 5000).astype(float),
    "far outliers": np.concatenate([DICE.normal(0, 1, 4000), [1e6, -1e6]]),
    "some missing": np.where(DICE.random(3000) < 0.3, np.nan, DICE.exponential(1, 3000)),
    "zero inflated": np.where(DICE.random(3000) < 0.9, 0.0, DICE.random(3000)),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("share", [None, 1.0, 0.5, 0.01, 0.0])
def test_counts_and_quantiles_are_those_of_the_chosen_values(name: str, share: float | None) -> None:
    values = COLUMNS[name].astype(np.float32)
    mask = None if share is None else DICE.random(len(values)) < share
    one = binned(values)
    assert one is not None
    found = one.histogram(MEASURES[0], mask)
    chosen = values if mask is None else values[mask]
    there = chosen[np.isfinite(chosen)].astype(float)
    assert (sum(found.chosen), found.missing) == (len(there), len(chosen) - len(there))
    own = one.bins if mask is None else one.bins[mask]
    assert found.chosen == tuple(int((own == n).sum()) for n in range(len(found.counts)))
    assert (own == NO_BIN).sum() == found.missing
    wanted = np.quantile(there, (0.05, 0.5, 0.95)) if len(there) else []
    assert found.quantiles == pytest.approx(tuple(wanted), rel=1e-6, abs=1e-9)


def test_a_column_without_values_has_no_histogram() -> None:
    assert binned(np.full(3, np.nan, np.float32)) is None
