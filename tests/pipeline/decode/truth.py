"""The truth about a file: a full sequential decode. Shares no code with the product."""

import io
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from PIL import Image

from tests.media import derived


@dataclass(frozen=True)
class Shown:
    """A frame on screen: when (ms, exact), which one out of the decoder, and whether the decoder calls it damaged."""

    ms: Fraction
    number: int
    corrupt: bool


@dataclass(frozen=True)
class Truth:
    shown: tuple[Shown, ...]
    sound: bool  # nothing failed to decode

    def at(self, time_ms: int) -> Shown:
        """The frame on screen: the last whose time, rounded, is not after `time_ms`."""
        before = [s for s in self.shown if s.ms <= time_ms + Fraction(1, 2)]
        return before[-1] if before else self.shown[0]


def _frames(path: Path, errors: list[str]) -> Any:
    with av.open(str(path)) as container:
        attached = av.stream.Disposition.attached_pic
        stream = next(s for s in container.streams.video if not s.disposition & attached)
        start = Fraction(container.start_time or 0, 1000)
        number = 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                if packet.size:
                    errors.append(str(error))
                continue
            for frame in frames:
                if frame.pts is not None:
                    yield number, frame.pts * stream.time_base * 1000 - start, frame
                    number += 1


@cache
def truth(path: Path) -> Truth:
    """The frames of a file by time. Kept between runs, as it decodes the whole file."""
    found = path.stat()
    kept = derived(f"{path}-{found.st_size}-{found.st_mtime_ns}-{av.__version__}", "truth.json", partial(_write, path))
    rows, sound = json.loads(kept.read_text())
    return Truth(tuple(Shown(Fraction(ms), number, corrupt) for ms, number, corrupt in rows), sound)


def _write(path: Path, target: Path) -> None:
    errors: list[str] = []
    shown = [Shown(ms, number, frame.is_corrupt) for number, ms, frame in _frames(path, errors)]
    shown.sort(key=lambda s: (s.ms, s.number))
    sound = not errors and not any(s.corrupt for s in shown)
    target.write_text(json.dumps([[(str(s.ms), s.number, s.corrupt) for s in shown], sound]))


def pictures(path: Path, numbers: set[int]) -> dict[int, Any]:
    """The decoded frames with these numbers."""
    found = {}
    for number, _, frame in _frames(path, []):
        if number in numbers:
            found[number] = frame
        if len(found) == len(numbers):
            break
    return found


_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def psnr(jpeg: bytes, frame: Any) -> tuple[float, float]:
    """How near a JPEG is to a frame scaled to its size, in dB: its brightness, and the average colours of 8x8 pixels."""
    image = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), np.float32)
    turns = round(frame.rotation / 90) % 4 if abs(frame.rotation) <= 360 else 0
    height, width = image.shape[:2] if turns % 2 == 0 else image.shape[1::-1]
    scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation=_EXACT).to_ndarray()
    difference = image - np.rot90(scaled, turns).astype(np.float32)
    height, width = image.shape[0] // 8, image.shape[1] // 8
    blocks = difference[: 8 * height, : 8 * width].reshape(height, 8, width, 8, 3).mean((1, 3))
    return _decibel(difference @ np.float32([0.299, 0.587, 0.114])), _decibel(blocks)


def _decibel(error: Any) -> float:
    return float(10 * np.log10(255**2 / max(float(np.mean(error**2)), 1e-9)))
