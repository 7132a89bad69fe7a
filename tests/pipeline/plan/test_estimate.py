import pytest

from longtake.pipeline.decode import Probe
from longtake.pipeline.merge.frame_times import frame_times_ms
from longtake.pipeline.plan.estimate import HOW, estimate, price_of
from longtake.schemas.config import Frames
from longtake.schemas.records import LongClip, Sentence, SourceInfo, SourceVideo

SENTENCES = tuple(Sentence(f"v.{i}", i * 10_000, i * 10_000 + 9000, "some words") for i in range(6))
CLIP = LongClip("v-0-1", SourceVideo("v", "v.mp4"), SENTENCES, frame_times_ms(SENTENCES, 8))
FACTS = Probe(SourceInfo(1280, 720, 30.0, "h264", 60_000), exact=False)


def test_costs_rise_with_what_causes_them() -> None:
    base = estimate([CLIP], FACTS, None, Frames())
    large = Probe(SourceInfo(1920, 1080, 30.0, "h264", 60_000), exact=False)
    fast = Probe(SourceInfo(1280, 720, 60.0, "h264", 60_000), exact=False)
    assert estimate([CLIP, CLIP], FACTS, None, Frames()).cpu_ms == pytest.approx(2 * base.cpu_ms, rel=0.01)
    assert estimate([CLIP], large, None, Frames()).cpu_ms > 2 * base.cpu_ms
    assert estimate([CLIP], fast, None, Frames()).decoded_frames == pytest.approx(2 * base.decoded_frames, abs=1)
    assert (
        estimate([CLIP], FACTS, None, Frames(quality=50)).bytes
        < base.bytes
        < estimate([CLIP], FACTS, None, Frames(short_side=480)).bytes
    )
    sizes = [estimate([CLIP], FACTS, None, Frames(quality=q)).bytes for q in range(1, 101)]
    assert sizes == sorted(sizes)


def test_an_exact_count_is_taken_as_it_is() -> None:
    assert estimate([CLIP], FACTS, 123, Frames()).decoded_frames == 123


def test_without_facts_something_is_assumed_and_said() -> None:
    assert estimate([CLIP], None, None, Frames()) == estimate([CLIP], FACTS, None, Frames())
    assert "assumed" in HOW["none"]


def test_nothing_costs_nothing() -> None:
    cost = estimate([], FACTS, None, Frames())
    assert (cost.decoded_frames, cost.cpu_ms, cost.bytes) == (0, 0, 0)


def test_a_source_of_no_size_is_no_error() -> None:
    assert estimate([CLIP], Probe(SourceInfo(0, 0, 0.0, "", 0), exact=False), None, Frames()).bytes > 0


@pytest.mark.parametrize(
    ("hours", "price", "cost"),
    [(0, 0.06, 0), (1, 0.06, 0.06), (1000.5, 0.056, 56.03), (2.5, 4, 10), (0.0001, 0.06, 0.01), (3, 0.1, 0.3)],
)
def test_the_price_is_hours_times_price_rounded_up_to_hundredths(hours: float, price: float, cost: float) -> None:
    assert price_of(hours, price) == cost


@pytest.mark.parametrize(("hours", "price"), [(-1, 1), (1, -1)])
def test_no_price_is_negative(hours: float, price: float) -> None:
    with pytest.raises(ValueError, match="neither may be negative"):
        price_of(hours, price)
