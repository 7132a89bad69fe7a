"""Places on a plane for vectors, so that similar ones lie together; and groups of them."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

_CHUNK = 32_768  # vectors at a time
_INNER = 0.995  # this share of the points lies between -1 and 1 on each axis
DIMENSIONS = 50  # principal components that UMAP and k-means work on

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Places:
    """`points` [n, 2], and how they were found: the method with its parameters and library."""

    points: Matrix
    method: dict[str, Any]


def components(vectors: npt.NDArray[Any], most: int = DIMENSIONS) -> tuple[Matrix, npt.NDArray[np.float64]]:
    """The principal components of vectors [n, d], as [n, min(d, n, most)], and the share of the variance that each explains. The
    sign of each is chosen so that its largest weight is positive. Vectors are read in parts."""
    number, width = vectors.shape
    mean = np.zeros(width)
    for start in range(0, number, _CHUNK):
        mean += np.asarray(vectors[start : start + _CHUNK], np.float64).sum(axis=0)
    mean /= max(1, number)
    spread = np.zeros((width, width))
    for start in range(0, number, _CHUNK):
        part = np.asarray(vectors[start : start + _CHUNK], np.float64) - mean
        spread += part.T @ part
    values, axes = np.linalg.eigh(spread)
    kept = min(width, number, most)
    values, axes = values[::-1][:kept].clip(min=0), axes[:, ::-1][:, :kept]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(kept)])
    found = np.empty((number, kept), np.float32)
    for start in range(0, number, _CHUNK):
        found[start : start + _CHUNK] = (np.asarray(vectors[start : start + _CHUNK], np.float64) - mean) @ axes
    total = float(np.trace(spread))
    return found, values / total if total else values


def place(inner: Matrix, explained: npt.NDArray[np.float64], method: str, seed: int) -> Places:
    """Places for the principal components `inner` [n, k] by "pca" (the first two) or "umap".

    UMAP needs the package umap-learn. With a seed it runs on one core and gives the same places again.
    """
    if method == "pca":
        points = np.zeros((len(inner), 2), np.float32)
        points[:, : min(2, inner.shape[1])] = inner[:, :2]
        made: dict[str, Any] = {
            "name": "pca",
            "explained": [round(float(one), 4) for one in explained[:2]],
            "numpy": np.__version__,
        }
        return Places(_scaled(points), made)
    import umap

    neighbours = min(15, len(inner) - 1)
    model = umap.UMAP(n_components=2, n_neighbors=neighbours, metric="euclidean", random_state=seed)
    made = {"name": "umap", "n_neighbors": neighbours, "min_dist": model.min_dist, "umap-learn": version("umap-learn")}
    return Places(_scaled(np.asarray(model.fit_transform(inner), np.float32)), made)


def _scaled(points: Matrix) -> Matrix:
    """Points around 0, nearly all between -1 and 1; both axes keep the same scale."""
    if not len(points):
        return points
    points = np.asarray(points - np.median(points, axis=0), np.float32)
    size = float(np.quantile(np.abs(points), _INNER, axis=0).max())
    return np.asarray(points / (size or 1), np.float32)


def group(inner: Matrix, number: int, seed: int) -> npt.NDArray[np.int16]:
    """The group of each row of `inner` [n, k] by k-means, from k-means++ (Arthur and Vassilvitskii 2007). Group 0 is the
    largest."""
    number = min(number, len(np.unique(inner, axis=0)) if len(inner) < 10_000 else number)
    if number < 1:
        return np.zeros(len(inner), np.int16)
    rng = np.random.default_rng(seed)
    some = inner if len(inner) <= 100_000 else inner[np.sort(rng.choice(len(inner), 100_000, replace=False))]
    centres = _spread_out(some, number, rng)
    for _ in range(50):
        own = _nearest(some, centres)
        sums = np.zeros((number, inner.shape[1]))
        np.add.at(sums, own, some)
        sizes = np.bincount(own, minlength=number)[:, None]
        moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres).astype(np.float32)
        if np.allclose(moved, centres, atol=1e-6):
            break
        centres = moved
    own = _nearest(inner, centres)
    order = np.argsort(-np.bincount(own, minlength=number), kind="stable")
    rank = np.empty(number, np.int16)
    rank[order] = range(number)
    return rank[own]


def _spread_out(rows: Matrix, number: int, rng: np.random.Generator) -> Matrix:
    centres = [rows[rng.integers(len(rows))]]
    distances = np.full(len(rows), np.inf, np.float32)
    while len(centres) < number:
        distances = np.minimum(distances, ((rows - centres[-1]) ** 2).sum(axis=1))
        total = distances.sum()
        if not total > 0:
            centres.append(rows[rng.integers(len(rows))])
        else:
            centres.append(rows[min(int(np.searchsorted(np.cumsum(distances), rng.random() * total)), len(rows) - 1)])
    return np.stack(centres)


def _nearest(rows: Matrix, centres: Matrix) -> npt.NDArray[np.int64]:
    lengths = (centres**2).sum(axis=1)
    found = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        found[start : start + _CHUNK] = (lengths - 2 * part @ centres.T).argmin(axis=1)
    return found
