"""Estimates the cost of building a plan. Each estimate says how it was made (docs/format.md, "The estimate")."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from longtake.schemas.config import Frames
from longtake.schemas.records import LongClip, SourceInfo

if TYPE_CHECKING:
    from longtake.pipeline.decode import Probe

#: The share of the frames in a decoded span that is sent to the decoder. The others are not wanted, and no frame refers to them.
_DECODED_SHARE = 0.55
#: CPU nanoseconds per decoded source pixel, per source pixel of a taken frame (scaling reads all of it), and per written pixel
#: (scaled and coded). Medians of benchmarks/decode.py --calibrate; they differ by a factor of two between videos.
_NS_PER_DECODED_PIXEL = {"h264": 0.8, "hevc": 1.3, "vp8": 0.6, "vp9": 1.6, "av1": 1.3}
_NS_PER_DECODED_PIXEL_OTHER = 0.8
_NS_PER_TAKEN_PIXEL = 0.6
_NS_PER_WRITTEN_PIXEL = 3.1
#: JPEG bytes per pixel at quality 90 and short side 240; larger pictures need less, by _BYTES_POWER of the short side.
_BYTES_PER_PIXEL = 0.17
_MEMBER_BYTES = 512 + 256  # for each frame in a tar: its header, and on average half a block of padding
_BYTES_POWER = -0.56
_ASSUMED = SourceInfo(width=1280, height=720, fps=30.0, codec="h264", duration_ms=0)

HOW = {
    "none": "no source was opened: 720p, 30 fps, H.264 assumed for all",
    "header": "from each source's header: frame rate x span x 0.55, times a cost per pixel measured on the developers' machine",
    "packets": "frames counted exactly from each source's packets, times a cost per pixel measured on the developers' machine",
}


#: The real values for corpora of few videos as multiples of their estimates: least and most (docs/benchmarks.md). Many videos
#: even out.
_SPREAD = {
    "bytes": {"none": (0.6, 1.5), "header": (0.6, 1.5), "packets": (0.6, 1.5)},
    "decoded_frames": {"none": (0.3, 2.5), "header": (0.6, 1.5), "packets": (1.0, 1.0)},
    "cpu_hours": {"none": (0.2, 4.0), "header": (0.5, 2.5), "packets": (0.6, 2.5)},
}


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of building some clips: frames sent to the decoder, milliseconds of one core, bytes of the samples."""

    decoded_frames: int
    cpu_ms: int
    bytes: int


def estimate(clips: Sequence[LongClip], facts: "Probe | None", decoded: int | None, frames: Frames) -> Cost:
    """The cost of the clips of one video. `decoded` is the exact number of frames to decode, if known."""
    span_ms = sum(clip.end_ms - clip.start_ms for clip in clips)
    taken = sum(len(clip.frame_times_ms) for clip in clips)
    text = sum(text_bytes(len(clip.paragraph), len(clip.sentences)) for clip in clips)
    return cost_of(span_ms, taken, text, facts, decoded, frames)


def text_bytes(characters: int, sentences: int) -> int:
    """About the size of the text and JSON of a sample."""
    return 1024 + 2 * characters + 160 * sentences


def cost_of(span_ms: int, taken: int, text: int, facts: "Probe | None", decoded: int | None, frames: Frames) -> Cost:
    """The cost of clips that last `span_ms` together, have `taken` frames, and `text` bytes of text."""
    source = facts.source if facts else _ASSUMED
    if decoded is None:
        decoded = round(span_ms / 1000 * (source.fps or _ASSUMED.fps) * _DECODED_SHARE)
    pixels = source.width * source.height
    written = frames.short_side**2 * max(source.width, source.height) / max(1, min(source.width, source.height))
    per_pixel = _NS_PER_DECODED_PIXEL.get(source.codec, _NS_PER_DECODED_PIXEL_OTHER)
    ns = decoded * pixels * per_pixel + taken * (pixels * _NS_PER_TAKEN_PIXEL + written * _NS_PER_WRITTEN_PIXEL)
    return Cost(decoded, round(ns / 1e6), round(taken * (written * _bytes_per_pixel(frames) + _MEMBER_BYTES)) + text)


def likely(figure: str, value: float, probe: str) -> tuple[float, float]:
    """The likely range of an estimated figure ("bytes", "decoded_frames" or "cpu_hours"), by the way sources were probed."""
    least, most = _SPREAD[figure][probe]
    return least * value, most * value


def price_of(cpu_hours: float, price_per_core_hour: float) -> float:
    """The price of hours of one core, in the currency of the price, rounded up to hundredths. Raises ValueError below 0."""
    if cpu_hours < 0 or price_per_core_hour < 0:
        raise ValueError(f"{cpu_hours} hours at {price_per_core_hour}: neither may be negative")
    hundredths = Fraction(str(cpu_hours)) * Fraction(str(price_per_core_hour)) * 100
    return -(-hundredths.numerator // hundredths.denominator) / 100


def _bytes_per_pixel(frames: Frames) -> float:
    """JPEG size by quality and size: libjpeg scales its tables by 200 - 2q above 50 and 5000 / q below."""
    quality = frames.quality
    scale = 200 - 2 * quality if quality >= 50 else 5000 / quality
    return float(_BYTES_PER_PIXEL * (20 / max(scale, 2)) ** 0.6 * (frames.short_side / 240) ** _BYTES_POWER)
