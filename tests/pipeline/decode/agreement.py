"""Whether decoded frames are those that the ffmpeg command line shows: by picture, bar code, colour and time."""

from bisect import bisect_right
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
from truth import Picture, Truth, brightness, decibel, decoded, pictures

from longtake.pipeline.decode import Decoded, Frame
from tests.numbered_video import number_of

NEAR_DB = 24.0
COLOUR = 12.0  # mean difference of 8x8 blocks in grey levels
_EPS_MS = 0.02  # what ffmpeg's rounding of time stamps may cost
_BEFORE, _AFTER = 12, 30  # frames around a complaint of ffmpeg in which a difference proves nothing


def differences(
    path: Path, known: Truth, times: Sequence[int], found: Decoded, stream: int | None = None, numbers: bool = True
) -> list[str]:
    """What is not as ffmpeg shows it, a line for each wanted time; faults with a reason are no difference.

    `numbers`: the pictures carry bar codes, which the lines then tell; neighbours differ by under 20 dB. Where the container
    has no clock, the better of its two readings counts.
    """
    if not known.shown:
        return [
            f"at {t}: a frame, where ffmpeg shows none"
            for t, f in zip(times, found.frames, strict=True)
            if isinstance(f, Frame)
        ]
    height, width = found.size
    shown = pictures(path, _needed(known, times), (width, height), stream)
    return min((_lines(clock, times, found, shown, numbers) for clock in known.clocks()), key=len)


def _needed(known: Truth, times: Sequence[int]) -> set[int]:
    numbers = {k for clock in known.clocks() for t in times for k in [_at(clock, t)]}
    return {k + d for k in numbers for d in (-2, -1, 0, 1, 2) if 0 <= k + d < len(known.shown)}


def _lines(known: Truth, times: Sequence[int], found: Decoded, shown: dict[int, Picture], numbers: bool) -> list[str]:
    lines = []
    for time, frame in zip(times, found.frames, strict=True):
        k = _at(known, time)
        if isinstance(frame, Frame) and not known.near_damage(k, _BEFORE, _AFTER):
            line = _difference(known, time, k, frame, shown, numbers)
            if line:
                lines.append(f"at {time}: {line}")
    return lines


def _at(known: Truth, time: int) -> int:
    return max(bisect_right(known.shown, time + 0.5, key=lambda s: s.ms) - 1, 0)


def _allowed(known: Truth, time: int, k: int) -> list[int]:
    """The frame asked for, and its neighbours where ffmpeg's rounding, or its joint of two clocks, leaves both possible."""
    found, count = [k], len(known.shown)
    if k + 1 < count and (known.joined or ceil(float(known.shown[k + 1].ms) - _EPS_MS - 0.5) <= time):
        found.append(k + 1)
    if k and (known.joined or ceil(float(known.shown[k].ms) + _EPS_MS - 0.5) > time):
        found.append(k - 1)
    return found


def _difference(known: Truth, time: int, k: int, frame: Frame, shown: dict[int, Picture], numbers: bool) -> str:
    picture = decoded(frame.jpeg)
    allowed = [j for j in _allowed(known, time, k) if j in shown]
    if not allowed:
        return f"ffmpeg gives no picture {k} the second time"
    if not known.odd_angle:
        grey = brightness(picture)
        nearness = {j: decibel(grey - brightness(shown[j])) for j in allowed}
        right = max(allowed, key=lambda j: nearness[j])
        if nearness[right] < NEAR_DB:
            codes = f", number {number_of(picture)} in place of {number_of(shown[right])}" if numbers else ""
            return f"not picture {right} (PSNR {nearness[right]:.1f}{codes}{_hint(picture, shown[right])})"
        off = np.abs(_blocks(picture) - _blocks(shown[right])).mean((0, 1))
        if max(off) > COLOUR:
            return f"colours are off by {off.round()} (PSNR {nearness[right]:.1f})"
    else:
        right = k
    ms = float(known.shown[right].ms)
    gaps = [abs(float(known.shown[j].ms) - ms) for j in (right - 1, right + 1) if 0 <= j < len(known.shown)]
    slack = min([gap for gap in gaps if gap], default=0) if known.joined or known.unclocked else 0
    if abs(frame.pts_ms - ms) > max(1.01, slack):
        return f"pts_ms {frame.pts_ms}, ffmpeg shows it at {ms:.1f}"
    return ""


def _hint(picture: Picture, right: Picture) -> str:
    turned = {"mirrored": picture[:, ::-1], "upside down": picture[::-1], "turned by 180": picture[::-1, ::-1]}
    errors = {name: float(np.mean((t.astype(np.float32) - right) ** 2)) for name, t in turned.items()}
    return "".join(f", it is {name}" for name, error in errors.items() if error < 255**2 / 10 ** (NEAR_DB / 10))


def _blocks(rgb: Picture) -> "np.typing.NDArray[np.float32]":
    height, width = rgb.shape[0] // 8 * 8, rgb.shape[1] // 8 * 8
    return rgb[:height, :width].reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3), dtype=np.float32)
