"""Check that the frames of a corpus are the frames that the ffmpeg command line shows at their times. Imports no decoder of a
build."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import ceil

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from longtake.pipeline.verify.ffmpeg_pass import FfmpegPass, Picture, ShownFrame

NEAR_DB = 24.0  # luma PSNR from which two pictures count as the same; JPEG and scaling cost less
_COLOR = 12.0  # grey levels by which means of 8x8 pixels may differ, for each of R, G and B
_AROUND = 6  # frames to try before and after
_EPS_MS = 0.02  # the error of ffmpeg's rounding of time stamps to the clock of a stream
_BEFORE, _AFTER = 40, 300  # frames before and after a complaint of ffmpeg where a difference proves nothing
_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Want:
    """A frame of the corpus: its wanted time and its stated display time in ms, its sample and number, and a function that
    reads its JPEG."""

    time_ms: int
    pts_ms: int
    key: str
    number: int
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Difference:
    """A fault of a frame. `shown` is the number of the frame that ffmpeg shows at that time."""

    want: Want
    shown: int
    what: str


@dataclass(slots=True)
class FrameComparison:
    """The result of one pass: the number of frames that ffmpeg showed, the time of the first, the shape of the picture, the
    differences."""

    frames: int = 0
    first_ms: float = 0.0
    shape: float = 1.0
    differences: list[Difference] = field(default_factory=list)


def compare(shown: FfmpegPass, wants: Sequence[Want], from_first: bool = False) -> FrameComparison:
    """Compare frames, ordered by time, with a pass. `from_first` means that 0:00 is the first frame. Raises what `read` raises.

    Memory holds only the frames around the current one. The pass stops when all are compared. A frame wanted after the end is
    compared with the last frame.
    """
    found = FrameComparison()
    window = _Window(shown, from_first)
    waiting: list[tuple[int, Want]] = []
    at = 0
    with closing(iter(shown)) as frames:
        for frame in frames:
            if not found.frames:
                found.first_ms, found.shape = frame.ms, frame.shape
            found.frames = frame.number + 1
            window.add(frame, found.first_ms if from_first else 0.0)
            while at < len(wants) and wants[at].time_ms < ceil(window.ms(frame.number) - 0.5):
                waiting.append((max(frame.number - 1, 0), wants[at]))
                at += 1
            while waiting and frame.number >= waiting[0][0] + _AROUND:
                found.differences += window.differences(*waiting.pop(0))
            if at == len(wants) and not waiting:
                break
    if found.frames:
        waiting += [(found.frames - 1, want) for want in wants[at:]]
    for number, want in waiting:
        found.differences += window.differences(number, want)
    return found


def excused(shown: FfmpegPass, number: int) -> bool:
    """Whether ffmpeg complains so close to a frame that a difference there proves nothing."""
    return any(before - _BEFORE <= number <= before + _AFTER for before, _ in shown.complaints)


class _Window:
    """The frames around the current one, and the comparison with them."""

    def __init__(self, shown: FfmpegPass, from_first: bool) -> None:
        self._shown, self._loose_clock = shown, from_first
        self._frames: dict[int, tuple[float, Picture, npt.NDArray[np.float32]]] = {}

    def add(self, frame: ShownFrame, offset_ms: float) -> None:
        self._frames[frame.number] = (frame.ms - offset_ms, frame.picture, _luma(frame.picture))
        self._frames.pop(frame.number - 2 * _AROUND - 1, None)

    def ms(self, number: int) -> float:
        return self._frames[number][0]

    def differences(self, number: int, want: Want) -> Iterator[Difference]:
        """Yield the fault of a wanted frame, if it has one. `number` is the frame that ffmpeg should show."""
        what = self._difference(number, want)
        if what:
            yield Difference(want, number, what)

    def _difference(self, number: int, want: Want) -> str:
        data = want.read()
        try:
            image = Image.open(io.BytesIO(data)).convert("RGB")
        except (OSError, UnidentifiedImageError) as error:
            return f"its JPEG does not decode: {error}"
        picture = np.asarray(image)
        size = self._frames[number][1].shape
        if picture.shape != size:
            return f"its JPEG is {image.width}x{image.height}, frame_size says {size[1]}x{size[0]}"
        luma = _luma(picture)
        near = [n for n in self._frames if abs(n - number) <= _AROUND]
        errors = {n: float(np.mean((self._frames[n][2] - luma) ** 2)) for n in near}
        right = min(self._allowed(number, want.time_ms), key=lambda n: errors[n])
        best = min(near, key=lambda n: errors[n])
        _, reference, expected = self._frames[right]
        if errors[right] > 2 * errors[best] + 1 and _psnr(errors[best]) >= NEAR_DB:
            other = f"{abs(best - number)} frames {'before' if best < number else 'after'} it"
            return f"another frame fits better: the one {other} (PSNR {_psnr(errors[right]):.1f}, {_psnr(errors[best]):.1f} dB)"
        if _psnr(errors[right]) < NEAR_DB:
            return f"it is not what ffmpeg shows (PSNR {_psnr(errors[right]):.1f} dB){_turned(luma, expected)}"
        off = np.abs(_blocks(picture) - _blocks(reference)).mean((0, 1))
        if max(off) > _COLOR:
            red, green, blue = off
            return f"its colours are off by {red:.0f} (R), {green:.0f} (G), {blue:.0f} (B) grey levels"
        return self._time_difference(right, want)

    def _time_difference(self, right: int, want: Want) -> str:
        ms = self.ms(right)
        gaps = [abs(self.ms(n) - ms) for n in (right - 1, right + 1) if n in self._frames and self.ms(n) != ms]
        share = 1.0 if self._shown.joined or self._loose_clock else 0.5
        if abs(want.pts_ms - ms) > max(1.01, share * min(gaps, default=0.0)):
            return f"frame_pts_ms is {want.pts_ms}; ffmpeg shows it at {ms:.1f}"
        return ""

    def _allowed(self, number: int, time_ms: int) -> list[int]:
        """The frame `number`, and a neighbour if ffmpeg's rounding, or a jump of its clock, makes both possible."""
        found, joined = [number], self._shown.joined
        if number + 1 in self._frames and (joined or ceil(self.ms(number + 1) - _EPS_MS - 0.5) <= time_ms):
            found.append(number + 1)
        if number - 1 in self._frames and (joined or ceil(self.ms(number) + _EPS_MS - 0.5) > time_ms):
            found.append(number - 1)
        return found


def _luma(rgb: Picture) -> npt.NDArray[np.float32]:
    luma: npt.NDArray[np.float32] = rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma


def _blocks(rgb: Picture) -> npt.NDArray[np.float32]:
    return np.asarray(Image.fromarray(rgb).reduce(8), np.float32)


def _psnr(error: float) -> float:
    return float(10 * np.log10(255**2 / max(error, _FLOOR)))


def _turned(luma: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> str:
    """The rotation or mirroring that the picture has, as text for people; "" if none explains the difference."""
    ways = {
        "mirrored": luma[:, ::-1],
        "upside down and mirrored": luma[::-1],
        "turned by 180 degrees": luma[::-1, ::-1],
        "turned by 90 degrees": np.rot90(luma),
        "turned by 270 degrees": np.rot90(luma, 3),
    }
    for name, way in ways.items():
        if way.shape == expected.shape and _psnr(float(np.mean((way - expected) ** 2))) >= NEAR_DB:
            return f": it is {name}"
    return ""
