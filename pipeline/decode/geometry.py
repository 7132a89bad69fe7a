"""The geometry of a picture: rotated, mirrored, cropped, stretched. Pure, except for libavformat's facts about a file."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import atan2, degrees
from threading import Lock
from typing import cast

import av.logging
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

_RIGHT_ANGLE = 90
_STRAIGHT = 1.0  # degrees between an angle and a quarter turn that need no note
_DUMP = Lock()


@dataclass(frozen=True, slots=True)
class Orientation:
    """The change of a decoded picture for display: mirrored left to right first, then turned counter-clockwise."""

    turns: int = 0  # quarter turns
    mirrored: bool = False
    odd: bool = False  # the file asks for an angle between two quarter turns

    def apply(self, plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The plane as displayed. An odd number of turns swaps height and width."""
        if not self.turns and not self.mirrored:
            return plane
        return np.ascontiguousarray(np.rot90(plane[:, ::-1] if self.mirrored else plane, self.turns))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) on display."""
        return (height, width) if self.turns % 2 else (width, height)


@dataclass(frozen=True, slots=True)
class Crop:
    """The pixels that the container cuts off each side of a decoded picture."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after cropping."""
        return width - self.left - self.right, height - self.top - self.bottom


def orientation_of(frame: VideoFrame) -> Orientation | None:
    """The orientation in the display matrix of a frame. None if it has none: then the previous frame's orientation holds."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return None
    return orientation(np.frombuffer(bytes(cast(SideData, matrix)), np.int32)[:9].tolist())


def orientation(matrix: list[int]) -> Orientation:
    """The nearest of the eight orientations for a display matrix (ISO/IEC 14496-12, 6.2.2): (x, y) goes to (ax + cy, bx + dy),
    y downwards. A matrix without sense leaves the picture unchanged."""
    if len(matrix) < 5:
        return Orientation()
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if a * d == b * c:
        return Orientation()
    mirrored = a * d < b * c
    if mirrored:
        a, b = -a, -b  # the rotation after the picture has been mirrored left to right
    angle = degrees(atan2(-b, a))
    turns = round(angle / _RIGHT_ANGLE)
    return Orientation(turns % 4, mirrored, abs(angle - turns * _RIGHT_ANGLE) > _STRAIGHT)


def crop_of(container: InputContainer, index: int) -> Crop:
    """The crop that the container asks for in a stream (`clap` of MP4, PixelCrop of Matroska)."""
    found = re.search(
        rf"^  Stream #0:{index}\b[^\n]*\n(?:(?!  Stream )[^\n]*\n)*?      Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)$",
        _dump(container),
        re.MULTILINE | re.IGNORECASE,
    )
    return Crop(*map(int, found.groups())) if found else Crop()


def _dump(container: InputContainer) -> str:
    """The output of `av_dump_format`, the only place where PyAV shows the side data of a stream."""
    with _DUMP:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            return str(container.dumps_format())  # type: ignore[attr-defined]
        finally:
            av.logging.set_level(level)


def scaled_size(width: int, height: int, aspect: Fraction, short_side: int) -> tuple[int, int]:
    """(width, height) with the short side equal to `short_side` and the other side rounded to the nearest even number.

    `aspect` is the width of a source pixel over its height. The short side is always exact, even if that enlarges.
    """
    shape = max(width, 1) * aspect / max(height, 1)
    longer = short_side * max(shape, 1 / shape)
    even = max(2 * int(longer / 2 + Fraction(1, 2)), short_side)
    return (even, short_side) if shape >= 1 else (short_side, even)
