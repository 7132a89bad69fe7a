"""Small videos in which every frame carries its number, and the reading of it: so that a wrong frame says which one it is.

The number is a bar code in the area from 1/8 to 7/8 of the width and 1/4 to 3/4 of the height: 2 rows of 8 cells, light for 1 and
dark for 0, least bit first from top left. A white block is at the top left, a red one at the top right, so that mirrors show.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.media import derived, make

ROWS, COLUMNS = 2, 8
LIGHT, DARK = 220, 30
#: What one encoder takes to be quick and to use B-frames, where it has them.
OPTIONS: dict[str, Sequence[str]] = {
    "libx264": ("-preset", "veryfast", "-x264-params", "keyint=25:bframes=2:scenecut=0"),
    "libx265": ("-preset", "ultrafast", "-x265-params", "keyint=25:bframes=2:scenecut=0:log-level=none:pools=none"),
    "mpeg4": ("-bf", "2", "-g", "25", "-q:v", "3"),
    "libxvid": ("-bf", "2", "-g", "25", "-q:v", "3"),
    "mpeg2video": ("-bf", "2", "-g", "12", "-q:v", "3"),
    "mpeg1video": ("-bf", "2", "-g", "12", "-q:v", "3"),
    "mjpeg": ("-q:v", "4", "-pix_fmt", "yuvj420p"),
    "libvpx": ("-auto-alt-ref", "1", "-lag-in-frames", "12", "-g", "25", "-cpu-used", "8", "-b:v", "500k"),
    "libvpx-vp9": ("-auto-alt-ref", "1", "-lag-in-frames", "12", "-g", "25", "-cpu-used", "8", "-b:v", "500k"),
    "libsvtav1": ("-preset", "12", "-g", "25", "-svtav1-params", "lp=1:lookahead=0"),
    "libtheora": ("-g", "25", "-q:v", "7"),
    "flv": ("-g", "25", "-q:v", "3"),
}


def picture(number: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Frame `number` as RGB (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width]
    moving = 90 + 40 * np.sin((columns + 2 * rows + 3 * number) * 2 * np.pi / 64)
    found = np.stack([moving, 180 - moving, 60 + rows * 90 / height], -1).astype(np.uint8)
    top, left, tall, wide = height // 4, width // 8, height // 4, (width * 3 // 4) // COLUMNS
    for bit in range(ROWS * COLUMNS):
        y, x = top + bit // COLUMNS * tall, left + bit % COLUMNS * wide
        found[y : y + tall, x : x + wide] = LIGHT if number >> bit & 1 else DARK
    found[: height // 6, : width // 10] = 235
    found[: height // 6, -(width // 10) :] = (220, 20, 20)
    return found


def number_of(rgb: npt.NDArray[Any]) -> int | None:
    """The number that a picture of (height, width, 3) carries; None where its cells are neither light nor dark."""
    height, width = rgb.shape[:2]
    grey = rgb.astype(np.float32).mean(-1)
    found = 0
    for bit in range(ROWS * COLUMNS):
        y = round((0.25 + (bit // COLUMNS + 0.5) * 0.25) * height)
        x = round((0.125 + (bit % COLUMNS + 0.5) * 0.75 / COLUMNS) * width)
        value = float(grey[y - height // 20 : y + height // 20 + 1, x - width // 50 : x + width // 50 + 1].mean())
        if 100 < value < 150:
            return None
        found |= (value > 125) << bit
    return found


def numbered(
    name: str,
    codec: str = "libx264",
    *,
    first: int = 0,
    frames: int = 100,
    size: tuple[int, int] = (160, 120),
    audio: float = 0,
    extra: Sequence[str] = (),
) -> Path:
    """A video of 25 frames per second with the numbers from `first` on, and `audio` seconds of sound."""
    width, height = size
    raw = derived(f"numbered 3 {first} {frames} {size}", "raw.rgb", partial(_write, first, frames, width, height))
    sound = ["-f", "lavfi", "-i", f"sine=duration={audio}"] if audio else []
    pixels = [] if "-pix_fmt" in (*OPTIONS.get(codec, ()), *extra) else ["-pix_fmt", "yuv420p"]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", raw]
    return make(name, [*source, *sound, "-c:v", codec, *OPTIONS.get(codec, ()), *pixels, "-threads", "1", *extra])


def _write(first: int, frames: int, width: int, height: int, target: Path) -> None:
    target.write_bytes(b"".join(picture(first + n, width, height).tobytes() for n in range(frames)))
