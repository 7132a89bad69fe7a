"""Groups of samples that are near each other, by their vectors: batches made by retrieval (VideoCLIP, arXiv 2109.14084)."""

import numpy as np
from numpy.typing import NDArray

#: Vectors of length 1 become whole numbers at this scale. By Cauchy-Schwarz, no part of a dot product of two passes 2^24, so
#: float32 adds them exactly, in any order: every rank and every machine finds the same neighbours.
SCALE = 4000
WIDEST = 4096  # numbers of a vector for which that holds: rounding makes it longer by sqrt(width) / 2 at most
_ROWS = 4096


def whole_numbers(vectors: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return vectors (n, width) scaled to length `SCALE` and rounded; a vector of zeros stays one."""
    rounded = np.empty(vectors.shape, np.int16)
    for at in range(0, len(vectors), _ROWS):
        # In float64, some thousands at a time: no length of float32 is too great for it.
        some = vectors[at : at + _ROWS].astype(np.float64)
        length = np.linalg.norm(some, axis=1, keepdims=True)
        rounded[at : at + _ROWS] = np.rint(SCALE * some / np.where(length > 0, length, 1))
    return rounded


def neighbourhoods(
    vectors: NDArray[np.int16], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut samples into groups of neighbours.

    A random sample that is in no group yet is joined by size - 1 of its 2 * size nearest that are in none either, drawn at
    random; and so on. Each sample is in one group at most.

    Args:
        vectors: (n, width), from `whole_numbers`.
        size: samples of a group.
        rng: decides the groups.

    Returns:
        The groups (n // size, size), as numbers of samples, in the order in which they were made; and the samples in none.
    """
    points = vectors.astype(np.float32)
    waiting = rng.permutation(len(points))
    free = np.ones(len(points), bool)
    groups = list[NDArray[np.int64]]()
    for first in waiting:
        if len(groups) == len(points) // size:
            break
        if not free[first]:
            continue
        free[first] = False
        others = np.flatnonzero(free)
        nearest = others[np.argsort(-(points @ points[first])[others], kind="stable")[: 2 * size]]
        chosen = np.concatenate([[first], rng.choice(nearest, size - 1, replace=False)])
        free[chosen] = False
        groups.append(chosen)
    return np.array(groups, np.int64).reshape(-1, size), waiting[free[waiting]]
