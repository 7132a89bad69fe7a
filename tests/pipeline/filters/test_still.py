"""Black, frozen and slides: on made pictures, and on real videos."""

from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from media import make, needs_shared, shared
from sources import LAST_MAN, MAMMALS

from longtake.pipeline.decode import Frame, decode_frames
from longtake.pipeline.filters.still import frame_scores
from longtake.schemas.config import Frames, Limits


def picture(seed: int, brightness: int = 255) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (15, 20, 1)) * brightness // 255
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(np.repeat(np.repeat(np.repeat(values, 16, 0), 16, 1), 3, 2), np.uint8)
    )


def scores(jpegs: list[bytes]) -> dict[str, float]:
    return dict(frame_scores(jpegs))


def of_video(path: Path, step: int = 500, end: int = 60_000) -> dict[str, float]:
    decoded = decode_frames(str(path), range(0, end, step), Frames(), Limits())
    return scores([frame.jpeg for frame in decoded.frames if isinstance(frame, Frame)])


def test_black() -> None:
    assert scores([picture(1, 10), picture(2, 10), picture(3), picture(4)])["black"] == 0.5
    assert scores([picture(1, 30)])["black"] == 0, "dark is not black"


def test_frozen_is_the_longest_stretch() -> None:
    a, b = picture(1), picture(2)
    assert scores([a, a, a, b, b, a])["frozen"] == 0.5
    assert scores([a, b, a, b])["frozen"] == 0
    assert scores([a])["frozen"] == 0


def test_slides_are_several_still_pictures() -> None:
    a, b, c = picture(1), picture(2), picture(3)
    assert scores([a] * 4 + [b] * 4 + [c, a])["slides"] == 0.8
    assert scores([a] * 8)["slides"] == 0, "one picture that stands still is frozen, not slides"
    assert scores([a, a, b, b, c, c])["slides"] == 0, "too short to be slides"


def test_slow_change_is_no_stillness() -> None:
    rising = [np.full((240, 320, 3), 60 + n // 5, np.uint8) for n in range(60)]
    found = scores([simplejpeg.encode_jpeg(p, quality=95) for p in rising])
    assert found["frozen"] < 0.2


def test_a_made_video_of_black_a_still_and_motion() -> None:
    parts = [
        "color=black:size=320x180:rate=10:duration=4",
        "smptebars=size=320x180:rate=10:duration=4",
        "testsrc2=size=320x180:rate=10:duration=4",
    ]
    inputs = [word for part in parts for word in ("-f", "lavfi", "-i", part)]
    joined = make("parts.mp4", [*inputs, "-filter_complex", "concat=n=3", "-pix_fmt", "yuv420p", "-threads", "1"])
    found = of_video(joined, 500, 12_000)
    assert found["black"] == pytest.approx(1 / 3, abs=0.05)
    assert found["frozen"] == pytest.approx(1 / 3, abs=0.05)
    assert found["slides"] == pytest.approx(2 / 3, abs=0.05)


def test_real_videos_of_slides_and_of_film() -> None:
    assert of_video(MAMMALS)["slides"] > 0.8, "photographs with a narrator"
    film = of_video(LAST_MAN, end=14_000)
    assert film["slides"] == film["black"] == 0
    assert film["frozen"] < 0.2


@needs_shared
def test_a_real_film_that_fades_from_black() -> None:
    (bunny,) = (path for path in shared("videos") if path.name.startswith("big_buck_bunny"))
    found = of_video(bunny, end=30_000)
    assert 0 < found["black"] < 0.1
    assert found["slides"] == 0
