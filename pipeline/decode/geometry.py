"""How a picture lies: turned, mirrored, cropped, stretched. Pure but for what libavformat says of a file."""

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
_STRAIGHT = 1.0  # degrees that an angle may be off a quarter turn without a note
_DUMP = Lock()


@dataclass(frozen=True, slots=True)
class Orientation:
    """What is done to a decoded picture to show it: mirrored left to right first, then turned counter-clockwise."""

    turns: int = 0  # quarter turns
    mirrored: bool = False
    odd: bool = False  # the file asks for an angle between two quarter turns

    def apply(self, plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The plane as it is shown; (height, width) become (width, height) for an odd number of turns."""
        if not self.turns and not self.mirrored:
            return plane
        return np.ascontiguousarray(np.rot90(plane[:, ::-1] if self.mirrored else plane, self.turns))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) on display."""
        return (height, width) if self.turns % 2 else (width, height)


@dataclass(frozen=True, slots=True)
class Crop:
    """Pixels that the container cuts off each side of a decoded picture."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of what is left."""
        return width - self.left - self.right, height - self.top - self.bottom


def orientation_of(frame: VideoFrame) -> Orientation | None:
    """The orientation in the display matrix of a frame; None where it has none: then that of the frame before it holds."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return None
    return orientation(np.frombuffer(bytes(cast(SideData, matrix)), np.int32)[:9].tolist())


def orientation(matrix: list[int]) -> Orientation:
    """The nearest of the eight ways to lie for a display matrix (ISO/IEC 14496-12, 6.2.2): (x, y) goes to (ax + cy, bx + dy), y
    downwards. A matrix that makes no sense leaves the picture as it is.
    """
    if len(matrix) < 5:
        return Orientation()
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if a * d == b * c:
        return Orientation()
    mirrored = a * d < b * c
    if mirrored:
        a, b = -a, -b  # what is left once the picture has been mirrored left to right
    angle = degrees(atan2(-b, a))
    turns = round(angle / _RIGHT_ANGLE)
    return Orientation(turns % 4, mirrored, abs(angle - turns * _RIGHT_ANGLE) > _STRAIGHT)


def crop_of(container: InputContainer, index: int) -> Crop:
    """What the container crops off the pictures of a stream (`clap` of MP4, PixelCrop of Matroska)."""
    found = re.search(
        rf"^  Stream #0:{index}\b[^\n]*\n(?:(?!  Stream )[^\n]*\n)*?      Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)$",
        _dump(container),
        re.MULTILINE | re.IGNORECASE,
    )
    return Crop(*map(int, found.groups())) if found else Crop()


def _dump(container: InputContainer) -> str:
    """What `av_dump_format` prints: the one place where PyAV shows the side data of a stream."""
    with _DUMP:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            return str(container.dumps_format())  # type: ignore[attr-defined]
        finally:
            av.logging.set_level(level)


def scaled_size(width: int, height: int, aspect: Fraction, short_side: int) -> tuple[int, int]:
    """(width, height) with the short side made `short_side` and the other rounded to the nearest even number.

    `aspect` is the width of a source pixel over its height. Always exactly `short_side`, also where that enlarges.
    """
    shape = max(width, 1) * aspect / max(height, 1)
    longer = short_side * max(shape, 1 / shape)
    even = max(2 * int(longer / 2 + Fraction(1, 2)), short_side)
    return (even, short_side) if shape >= 1 else (short_side, even)
