"""Scenes: one coloured shape that moves over a background, and what a narrator says about it.

A scene is a triple (colour, shape, motion). Every fourth triple is held out for the test set, so that each colour, shape and
motion, and each pair of them, is seen in training, but never these three together.
"""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

HEIGHT, WIDTH = 96, 160  # pixels

COLOURS = {
    "red": (215, 35, 35),
    "yellow": (240, 225, 40),
    "green": (40, 180, 60),
    "blue": (40, 80, 220),
    "purple": (140, 50, 190),
    "white": (245, 245, 245),
}
SHAPES = {
    "circle": ("circle", "disc"),
    "triangle": ("triangle",),
    "cross": ("cross", "plus sign"),
    "ring": ("ring", "hoop"),
}
MOTIONS = {
    "left": ("moves to the left", "slides left", "drifts over to the left side"),
    "right": ("moves to the right", "slides right", "drifts over to the right side"),
    "up": ("moves up", "rises", "climbs towards the top"),
    "down": ("moves down", "sinks", "falls towards the bottom"),
    "grow": ("grows", "gets bigger and bigger", "swells up"),
    "shrink": ("shrinks", "gets smaller and smaller", "dwindles"),
}
TEMPLATES = (
    "here you can see a {colour} {shape} that {motion}",
    "so this {shape} {motion} and it is {colour}",
    "look how the {colour} {shape} {motion}",
    "okay there is a {shape} in {colour} and it {motion}",
    "the {colour} {shape} {motion}",
    "you see it {motion} this {colour} {shape}",
    "um what we have here is a {colour} one a {shape} which {motion}",
    "watch it as it {motion} that is our {shape} painted {colour}",
)


class Triple(NamedTuple):
    """What a scene shows and its sentence says."""

    colour: str
    shape: str
    motion: str


def triples(held_out: bool) -> list[Triple]:
    """The triples of the test set, or those of the training set."""
    every = product(enumerate(COLOURS), enumerate(SHAPES), enumerate(MOTIONS))
    return [Triple(c, s, m) for (i, c), (j, s), (k, m) in every if ((i + j + k) % 4 == 0) == held_out]


def sentence(triple: Triple, rng: np.random.Generator) -> str:
    """One of the ways to say it. None tells where in the story the scene comes."""
    template = TEMPLATES[rng.integers(len(TEMPLATES))]
    shape, motion = (ways[rng.integers(len(ways))] for ways in (SHAPES[triple.shape], MOTIONS[triple.motion]))
    return template.format(colour=triple.colour, shape=shape, motion=motion)


@dataclass(frozen=True)
class Path:
    """Where the shape is: centre and radius in pixels, for each frame."""

    x: Floats
    y: Floats
    radius: Floats


def path(motion: str, progress: Floats, rng: np.random.Generator) -> Path:
    """The way of a shape; `progress` runs from 0 to 1 over the scene."""
    still = np.zeros_like(progress)
    radius = still + np.float32(rng.uniform(20, 26))
    x, y = still + rng.uniform(0.38, 0.62) * WIDTH, still + rng.uniform(0.4, 0.6) * HEIGHT
    if motion in ("left", "right"):
        start, end = rng.uniform(0.22, 0.32) * WIDTH, rng.uniform(0.68, 0.78) * WIDTH
        way = progress if motion == "right" else 1 - progress
        x = start + way * (end - start)
    elif motion in ("up", "down"):
        start, end = rng.uniform(0.24, 0.32) * HEIGHT, rng.uniform(0.68, 0.76) * HEIGHT
        way = progress if motion == "down" else 1 - progress
        y = start + way * (end - start)
    else:
        small, large = rng.uniform(9, 12), rng.uniform(31, 37)
        way = progress if motion == "grow" else 1 - progress
        radius = small + way * (large - small)
    return Path(*(np.asarray(value, np.float32) for value in (x, y, radius)))


def coverage(shape: str, way: Path, angle: float, box: tuple[slice, slice]) -> Floats:
    """How much of each pixel of `box` (rows, columns) the shape covers, 0 to 1: (frames, rows, columns)."""
    rows, columns = np.mgrid[box].astype(np.float32) + np.float32(0.5)
    radius = way.radius[:, None, None]
    dx, dy = (columns - way.x[:, None, None]) / radius, (rows - way.y[:, None, None]) / radius
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    if shape == "circle":
        distance = np.sqrt(u * u + v * v) - 1
    elif shape == "ring":
        distance = np.abs(np.sqrt(u * u + v * v) - 0.78) - 0.26
    elif shape == "triangle":
        distance = np.maximum(0.866 * np.abs(u) - 0.5 * v, v) - 0.6
    else:
        u, v = np.abs(u), np.abs(v)
        distance = np.maximum(np.maximum(np.minimum(u, v) - 0.32, u - 1.05), v - 1.05)
    return np.asarray(np.clip(0.5 - distance * radius, 0, 1), np.float32)


def background(rng: np.random.Generator) -> Picture:
    """A muted picture, (HEIGHT, WIDTH, 3): plain, shaded, striped or blotched."""
    first = rng.uniform(50, 110) + rng.uniform(-10, 10, 3)
    second = np.clip(first + rng.uniform(-35, 35) + rng.uniform(-8, 8, 3), 20, 160)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    kind, angle = rng.integers(4), rng.uniform(0, np.pi)
    along = columns * np.cos(angle) + rows * np.sin(angle)
    if kind == 0:
        share = np.zeros_like(rows)
    elif kind == 1:
        share = (along - along.min()) / np.ptp(along)
    elif kind == 2:
        share = 0.5 + 0.5 * np.sin(along * rng.uniform(0.15, 0.6))
    else:
        coarse = rng.random((HEIGHT // 8 + 2, WIDTH // 8 + 2))
        share = _enlarged(coarse)
    return np.asarray(first + share[..., None] * (second - first), np.uint8)


def _enlarged(coarse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear, by 8."""
    for axis, length in enumerate((HEIGHT, WIDTH)):
        at = np.arange(length) / 8
        low, part = at.astype(int), at % 1
        part = part[:, None] if axis == 0 else part
        coarse = np.take(coarse, low, axis) * (1 - part) + np.take(coarse, low + 1, axis) * part
    return coarse


def render(triple: Triple, progress: Floats, rng: np.random.Generator) -> Picture:
    """The frames of a scene, (frames, HEIGHT, WIDTH, 3), with up to three small grey shapes that mean nothing."""
    picture = np.repeat(background(rng)[None], len(progress), axis=0)
    for _ in range(rng.integers(4)):
        grey = rng.uniform(20, 170) + rng.uniform(-12, 12, 3)
        drift = rng.uniform(-10, 10, 2)
        place = Path(
            np.float32(rng.uniform(0, WIDTH)) + progress * np.float32(drift[0]),
            np.float32(rng.uniform(0, HEIGHT)) + progress * np.float32(drift[1]),
            np.full_like(progress, rng.uniform(3, 7)),
        )
        shape = list(SHAPES)[rng.integers(len(SHAPES))]
        _paint(picture, shape, place, rng.uniform(0, np.pi), grey)
    colour = np.asarray(COLOURS[triple.colour]) * rng.uniform(0.88, 1.0) + rng.uniform(-10, 10, 3)
    way = path(triple.motion, progress, rng)
    _paint(picture, triple.shape, way, rng.uniform(-0.25, 0.25), colour)
    return picture


def _paint(picture: Picture, shape: str, way: Path, angle: float, colour: NDArray[np.float64]) -> None:
    """Paint into the rectangle that the shape does not leave; the rest stays as it is."""
    reach = 1.5 * way.radius
    top, left = max(0, int((way.y - reach).min())), max(0, int((way.x - reach).min()))
    bottom, right = min(HEIGHT, int((way.y + reach).max()) + 1), min(WIDTH, int((way.x + reach).max()) + 1)
    if top >= bottom or left >= right:
        return
    box = slice(top, bottom), slice(left, right)
    part = picture[:, box[0], box[1]].astype(np.float32)
    part += coverage(shape, way, angle, box)[..., None] * (np.clip(colour, 0, 255).astype(np.float32) - part)
    picture[:, box[0], box[1]] = part + np.float32(0.5)
