"""Compares two videos by perceptual hashes of a few frames at fixed shares of their length.

The hashes come from imagehash (pHash: the signs of the low frequencies of a picture, 64 bits). The thresholds come from real
videos (docs/text.md): a re-encoded and rescaled frame keeps all but 6 bits; frames of different videos differ in 20 or more bits;
two videos with the same start and end agree in a third of the frames.
"""

import hashlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from math import floor, log

import numpy as np
from PIL import Image

from longtake.pipeline.decode import FrameFault, decode_frames, probe
from longtake.pipeline.plan.duplicates.similarity import Likeness
from longtake.pipeline.run.sources import blaming_the_source, within_memory
from longtake.schemas.config import Frames, Limits
from longtake.schemas.records import compact

N_FRAMES = 12
#: Two videos are the same if they agree in at least this share of their frames.
SAME_SHARE = 0.75
#: The frames that agree must be at least this many different pictures: many videos share a cover, a title and an end screen.
DIFFERENT = 4
_SAME_BITS = 10  # of 64 that may differ in one picture
_FLAT = 5.0  # standard deviation of the luma, 0 to 255; below it, a picture has no features
_LENGTHS = 1.02  # one may be at most this many times as long as the other
_BANDS_PER_FRAME, _BAND_BITS = 4, 16
_FRAMES = Frames(short_side=64)
_LENGTH, _HASH = struct.Struct(">q"), struct.Struct(">?Q")


@compact
@dataclass(frozen=True, slots=True)
class Footprint:
    """A video's length and the hashes of its frames; None for a flat or damaged frame."""

    duration_ms: int
    hashes: tuple[int | None, ...]


def footprint_of(path: str, limits: Limits) -> Footprint:
    """The footprint of a local file. Its length is the length of the pictures over all packets. Raises SourceError."""
    with within_memory(), blaming_the_source():
        length = probe(path, limits, packets=True).source.duration_ms
        times = [length * (2 * k + 1) // (2 * N_FRAMES) for k in range(N_FRAMES)]
        frames = decode_frames(path, times, _FRAMES, limits).frames
    return Footprint(length, tuple(None if isinstance(f, FrameFault) else picture_hash(f.jpeg) for f in frames))


def picture_hash(jpeg: bytes) -> int | None:
    """The pHash of a picture; None if it is flat, such as a black one."""
    import imagehash

    with Image.open(io.BytesIO(jpeg)) as opened:
        luma = opened.convert("L")
    if np.asarray(luma).std() < _FLAT:
        return None
    return int.from_bytes(np.packbits(imagehash.phash(luma).hash).tobytes(), "big")


def different(hashes: tuple[int | None, ...]) -> int:
    """The number of different pictures: each differs from all counted before it."""
    seen: list[int] = []
    for value in hashes:
        if value is not None and all(not _same(value, other) for other in seen):
            seen.append(value)
    return len(seen)


def similarity(one: Footprint, other: Footprint) -> float:
    """The share of frames in which two videos agree; frames that are None in both do not count. 0 if the lengths differ, or if
    they share fewer than DIFFERENT pictures."""
    lengths = sorted((one.duration_ms, other.duration_ms))
    if lengths[1] > lengths[0] * _LENGTHS:
        return 0.0
    pairs = [pair for pair in zip(one.hashes, other.hashes, strict=True) if pair != (None, None)]
    agree = [a is not None and b is not None and _same(a, b) for a, b in pairs]
    if any(different(tuple(compress(side, agree))) < DIFFERENT for side in zip(*pairs, strict=True)):
        return 0.0
    return sum(agree) / max(1, len(pairs))


def _same(one: int, other: int) -> bool:
    return (one ^ other).bit_count() <= _SAME_BITS


def bands(footprint: Footprint) -> list[bytes]:
    """8 bytes for each 16 bits of each hash, with frame number and length. Each length is rounded to two steps, so that any two
    lengths within _LENGTHS share a step."""
    return list(dict.fromkeys(_bands(footprint)))


def _bands(footprint: Footprint) -> Iterator[bytes]:
    step = floor(log(max(1, footprint.duration_ms)) / log(_LENGTHS))
    for number, value in enumerate(footprint.hashes):
        if value is None:
            continue
        for band in range(_BANDS_PER_FRAME):
            bits = value >> band * _BAND_BITS & (1 << _BAND_BITS) - 1
            for length in (step, step + 1):
                yield hashlib.blake2b(f"{number} {band} {length} {bits}".encode(), digest_size=8).digest()


def digest(footprint: Footprint) -> bytes:
    """16 bytes that stand for a footprint."""
    return hashlib.blake2b(repr((footprint.duration_ms, footprint.hashes)).encode(), digest_size=16).digest()


def to_bytes(footprint: Footprint) -> bytes:
    """A footprint as bytes: the length, then each hash, or a flag for None."""
    hashes = ((value is None, value or 0) for value in footprint.hashes)
    return _LENGTH.pack(footprint.duration_ms) + b"".join(_HASH.pack(*value) for value in hashes)


def from_bytes(data: bytes) -> Footprint:
    """The footprint of `to_bytes`."""
    hashes = _HASH.iter_unpack(data[_LENGTH.size :])
    return Footprint(_LENGTH.unpack_from(data)[0], tuple(None if is_none else value for is_none, value in hashes))


#: For footprints.
OF_VIDEOS = Likeness(digest, bands, N_FRAMES * _BANDS_PER_FRAME * 2, similarity, to_bytes, from_bytes)
