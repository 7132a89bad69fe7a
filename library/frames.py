"""JPEGs to pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longtake.library.shards import DamagedSample


def decode(jpegs: Sequence[bytes], least: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
    """Decode JPEGs of one size to (N, height, width, 3) RGB. Raises DamagedSample.

    Args:
        jpegs: The frames; they must have one size.
        least: Height and width in pixels. If the frames are at least twice as high and wide, the decoder halves them, or
            takes a quarter or an eighth, as long as this much is left: several times quicker than to scale afterwards.
            (0, 0): full size.

    Returns:
        The pixels, uint8.
    """
    jpeg, number = _decoder(), 0
    try:
        height, width, *_ = jpeg.decode_jpeg_header(jpegs[0])
        factor = _factor(height, width, least)
        size = -(-height // factor), -(-width // factor)
        frames = np.empty((len(jpegs), *size, 3), np.uint8)
        scale = {} if factor == 1 else {"min_height": size[0], "min_width": size[1], "min_factor": 2}
        for number, data in enumerate(jpegs):
            if jpeg.decode_jpeg_header(data)[:2] != (height, width):
                raise ValueError(f"not {width} x {height} as the first")
            jpeg.decode_jpeg(data, "RGB", buffer=frames[number], **scale)
    except ValueError as error:
        raise DamagedSample("jpeg", f"frame {number} of the window: {error}") from None
    return frames


def _factor(height: int, width: int, least: tuple[int, int]) -> int:
    return next((f for f in (8, 4, 2) if min(least) > 0 and height // f >= least[0] and width // f >= least[1]), 1)


def _decoder() -> Any:
    try:
        import simplejpeg
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "frames need simplejpeg. Install it with: pip install simplejpeg", name=error.name
        ) from None
    return simplejpeg


def evenly(frames: int, wanted: int) -> list[int]:
    """Choose `wanted` of `frames` frames: number floor(k * frames / wanted) for k = 0 .. wanted - 1."""
    return [k * frames // wanted for k in range(wanted)]
