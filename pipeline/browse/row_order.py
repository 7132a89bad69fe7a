"""The order of rows by a number."""

import numpy as np
import numpy.typing as npt


def order_of(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """The stable order of numbers, NaN last. It sorts one number per row, which holds the row's rank and number; a stable sort
    takes more than twice as long."""
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    if (np.abs(values) < 1 << 30).all() and (whole == values).all():
        keys = (whole << 32) + np.arange(len(values))
    else:
        order = np.argsort(values)
        ranked = values[order]
        groups = np.zeros(len(order), np.int64)  # of equal values
        np.cumsum((ranked[1:] != ranked[:-1]) & ~(np.isnan(ranked[1:]) & np.isnan(ranked[:-1])), out=groups[1:])
        keys = (groups << 32) | order
    keys.sort()
    return np.asarray(keys & 0xFFFFFFFF, np.int32)
