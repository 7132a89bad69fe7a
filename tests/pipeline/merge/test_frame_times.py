import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.merge.frame_times import frame_sentence, frame_times_ms
from longtake.schemas.records import Sentence


def test_takes_frames_at_equal_steps_from_the_start_of_each_sentence() -> None:
    sentences = [Sentence("a", 1000, 2000, "x"), Sentence("b", 2000, 2003, "y")]
    assert frame_times_ms(sentences, 4) == (1000, 1250, 1500, 1750, 2000, 2000, 2001, 2002)
    assert frame_sentence(2, 4) == (0, 0, 0, 0, 1, 1, 1, 1)


def test_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        frame_times_ms([], 0)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 10**7), st.integers(1, 256))
def test_times_are_floored_rise_and_stay_inside(start: int, length: int, per_sentence: int) -> None:
    times = frame_times_ms([Sentence("a", start, start + length, "x")], per_sentence)
    assert len(times) == per_sentence == len(frame_sentence(1, per_sentence))
    assert times[0] == start
    assert list(times) == sorted(times)
    assert times[-1] < start + length
    assert all(0 <= k * length - (t - start) * per_sentence < per_sentence for k, t in enumerate(times))
