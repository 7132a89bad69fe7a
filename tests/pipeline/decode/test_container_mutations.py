"""Containers and clocks that lie: a frame is the one that ffmpeg's full pass shows, or there is a reason why there is none."""

import random

import pytest
from agreement import differences
from truth import Truth, truth

from longtake.pipeline.decode import Decoded, FrameFault, SourceError, decode_frames
from longtake.schemas.config import Frames, Limits
from tests.mutations.gallery import CASES, Case

FRAMES = Frames(short_side=120)


def wanted_times(name: str, known: Truth, many: bool) -> list[int]:
    """Times in ms: of frames, between frames, after the last; or three of them."""
    exact = [round(s.ms) for s in known.shown] or [0, 1000, 2000]
    rnd = random.Random(name)
    if not many:
        return sorted(rnd.choice(exact) + rnd.randrange(40) for _ in range(3))
    picked = exact if len(exact) <= 120 else sorted(rnd.sample(exact, 120))
    return sorted({0, *(t + rnd.choice((0, rnd.randrange(1, 40))) for t in picked), exact[-1] + 120})


def found_in(case: Case, times: list[int]) -> Decoded | None:
    """The frames; None where the whole file is refused, with a reason."""
    try:
        found = decode_frames(str(case.make()), times, FRAMES, Limits())
    except SourceError as error:
        assert error.detail
        return None
    assert all(frame.reason and frame.detail for frame in found.frames if isinstance(frame, FrameFault))
    return found


def check(name: str) -> None:
    case = CASES[name]
    path = case.make()
    known = truth(path, case.stream)
    for many in (True, False):
        times = wanted_times(name, known, many)
        found = found_in(case, times)
        if found:
            wrong = differences(path, known, times, found, case.stream)
            assert not wrong, f"{len(wrong)} of {len(times)} are wrong: {wrong[:5]}"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.quick])
def test_no_silent_difference(name: str) -> None:
    check(name)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.quick])
def test_no_silent_difference_in_more(name: str) -> None:
    check(name)
