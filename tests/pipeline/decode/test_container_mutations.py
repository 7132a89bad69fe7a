"""Containers and clocks that lie: a frame is the one that ffmpeg's full pass shows, or there is a reason why there is none."""

import random
from pathlib import Path

import pytest
from agreement import differences
from truth import Truth, truth

from longtake.pipeline.decode import Decoded, Frame, FrameFault, SourceError, decode_frames
from longtake.schemas.config import Frames, Limits
from tests.mutations.gallery import CASES

FRAMES = Frames(short_side=120)


def wanted_times(name: str, known: Truth, many: bool) -> list[int]:
    """Times in ms: of frames, between frames, after the last; or three of them."""
    exact = [round(s.ms) for s in known.shown] or [0, 1000, 2000]
    rnd = random.Random(name)
    if not many:
        return sorted(rnd.choice(exact) + rnd.randrange(40) for _ in range(3))
    picked = exact if len(exact) <= 120 else sorted(rnd.sample(exact, 120))
    return sorted({0, *(t + rnd.choice((0, rnd.randrange(1, 40))) for t in picked), exact[-1] + 120})


def found_in(path: Path, times: list[int], frames: Frames) -> Decoded | None:
    """The frames; None where the whole file is refused, with a reason."""
    try:
        found = decode_frames(str(path), times, frames, Limits())
    except SourceError as error:
        assert error.detail
        return None
    assert all(frame.reason and frame.detail for frame in found.frames if isinstance(frame, FrameFault))
    return found


def check(name: str, frames: Frames = FRAMES) -> None:
    """With a tolerance any frame within it will do: the one that was taken is compared with ffmpeg's at its own time."""
    case = CASES[name]
    path = case.make()
    known = truth(path, case.stream)
    for many in (True, False):
        times = wanted_times(name, known, many)
        found = found_in(path, times, frames)
        if found:
            taken = [f.pts_ms if isinstance(f, Frame) else t for f, t in zip(found.frames, times, strict=True)]
            near = [abs(pts - t) <= frames.tolerance_ms for pts, t in zip(taken, times, strict=True)]
            asked = [pts if close else t for pts, t, close in zip(taken, times, near, strict=True)]
            wrong = differences(path, known, asked, found, case.stream)
            assert not wrong, f"{len(wrong)} of {len(times)} are wrong: {wrong[:5]}"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.quick])
def test_no_silent_difference(name: str) -> None:
    check(name)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.quick])
def test_no_silent_difference_in_more(name: str) -> None:
    check(name)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_no_silent_difference_within_a_tolerance(name: str) -> None:
    check(name, Frames(short_side=120, tolerance_ms=200))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_no_silent_difference_of_decord(name: str) -> None:
    pytest.importorskip("decord")
    check(name, Frames(short_side=120, decoder="decord"))
