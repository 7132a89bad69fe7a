"""Scores of the decoded frames of a long clip: black, frozen, slides. They are computed on small luma pictures."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import simplejpeg

from longtake.schemas.scores import Scores

Thumbnails = npt.NDArray[np.int16]  # (frames, height, width), luma from 0 to 255

# As in ffmpeg's blackdetect: a picture is black if 98 % of it is no brighter than 10 % of the range.
_BLACK_LUMA, _BLACK_SHARE = 25, 0.98
# As in ffmpeg's freezedetect: nothing moves if the mean difference is below -60 dB of the range.
_STILL = 0.001 * 255
_SHORTEST_STILL = 3  # fewest frames of a slide
_MIN_SIDE = 24  # pixels of a thumbnail; JPEG is decoded at an eighth of its size if that leaves as many


def frame_scores(jpegs: Sequence[bytes]) -> Scores:
    """All scores of the frames of one long clip; the frames are in time order."""
    pictures = thumbnails(jpegs)
    runs = still_runs(pictures)
    return (("black", black(pictures)), ("frozen", frozen(runs)), ("slides", slides(runs)))


def thumbnails(jpegs: Sequence[bytes]) -> Thumbnails:
    """The luma of each JPEG, decoded at a fraction of its size. A frame that serves several times is decoded once."""
    made: dict[int, npt.NDArray[np.uint8]] = {}
    for jpeg in jpegs:
        if id(jpeg) not in made:
            gray = simplejpeg.decode_jpeg(jpeg, "GRAY", min_height=_MIN_SIDE, min_width=_MIN_SIDE, min_factor=8)
            made[id(jpeg)] = gray[:, :, 0]
    return np.stack([made[id(jpeg)] for jpeg in jpegs]).astype(np.int16)


def black(pictures: Thumbnails) -> float:
    """Share of the frames that are black."""
    return float(((pictures <= _BLACK_LUMA).mean(axis=(1, 2)) >= _BLACK_SHARE).mean())


def still_runs(pictures: Thumbnails) -> tuple[int, ...]:
    """The lengths, in frames, of the stretches in which the picture stands still.

    Each frame is compared with the first frame of its stretch, not with the frame before, so slow change also ends a stretch.
    """
    starts = [0]
    for number in range(1, len(pictures)):
        if np.abs(pictures[number] - pictures[starts[-1]]).mean() > _STILL:
            starts.append(number)
    return tuple(after - start for start, after in pairwise([*starts, len(pictures)]))


def frozen(runs: Sequence[int]) -> float:
    """Share of the frames in the longest stretch without change. A single frame is no stretch."""
    longest = max(runs)
    return longest / sum(runs) if longest > 1 else 0.0


def slides(runs: Sequence[int]) -> float:
    """Share of the frames that are part of a still picture, if there are several still pictures; else 0."""
    still = [run for run in runs if run >= _SHORTEST_STILL]
    return sum(still) / sum(runs) if len(still) > 1 else 0.0
