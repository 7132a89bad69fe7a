"""Frames of loose videos: which ones, of files of every kind, within bounds."""

import io
from itertools import chain
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from sources import LAST_MAN, MAMMALS, POLAR_MAMMALS

from longtake.jobs.retrieve import video_frames
from longtake.jobs.retrieve.video_frames import (
    Sampling,
    SourceError,
    Window,
    cut,
    frame_times,
    read_video,
    sample,
    video_windows,
)
from longtake.pipeline.run.slots import Slots, shared_slots
from longtake.schemas.config import Limits
from tests.media import SHARED, derived, encode, make, needs_shared, truncated


@pytest.fixture(scope="module")
def slots() -> Slots:
    return shared_slots(1)


def windows(path: Path | str, slots: Slots, frames: int = 4, **settings: object) -> list[Window]:
    return list(video_windows(str(path), Sampling(frames, **settings), slots))  # type: ignore[arg-type]


def picture(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), np.int16)


def decoded(path: Path) -> list[tuple[int, av.VideoFrame]]:
    """Time in ms and picture of all frames, by decoding the file from end to end."""
    with av.open(str(path)) as container:
        start = container.start_time or 0
        return [(round(frame.time * 1000 - start / 1000), frame) for frame in container.decode(video=0)]


@pytest.mark.parametrize("path", [LAST_MAN, MAMMALS, POLAR_MAMMALS])
def test_the_times_are_those_of_all_frames(path: Path) -> None:
    times, end = frame_times(str(path), Limits())
    truth = [time for time, _ in decoded(path)]
    assert len(times) == len(truth) and np.abs(times - np.array(truth)).max() <= 1
    assert times[-1] < end <= times[-1] + 1000


@pytest.mark.parametrize("path", [LAST_MAN, MAMMALS])
def test_the_frames_are_those_of_the_released_code(path: Path, slots: Slots) -> None:
    """Frame floor(linspace(0, T - 1, n)) of the T frames, as decord counts them."""
    truth = decoded(path)
    (window,) = windows(path, slots, frames=9)
    wanted = np.linspace(0, len(truth) - 1, 9).astype(int)
    assert len(window.jpegs) == 9 and window.start_ms == 0
    others = {int(i) + 25 for i in wanted} - {int(i) for i in wanted}
    for number, jpeg in zip(wanted, window.jpegs, strict=True):
        found = picture(jpeg)
        size = found.shape[1::-1]
        own = np.asarray(truth[number][1].to_image().resize(size, Image.Resampling.BICUBIC), np.int16)
        assert np.abs(found - own).mean() < 4
    first = picture(window.jpegs[4])
    far = min(others, key=lambda i: abs(i - wanted[4] - 25))
    other = np.asarray(truth[min(far, len(truth) - 1)][1].to_image().resize(first.shape[1::-1]), np.int16)
    assert np.abs(first - other).mean() > 4  # that the pictures can be told apart


def test_frames_have_the_asked_size_and_the_video_its_shape(slots: Slots) -> None:
    (window,) = windows(LAST_MAN, slots, short_side=120)
    assert min(picture(window.jpegs[0]).shape[:2]) == 120


def test_windows_have_the_frames_of_their_own_time(slots: Slots) -> None:
    found = windows(MAMMALS, slots, frames=3, window_ms=10_000)
    assert [(w.start_ms, w.end_ms) for w in found] == [(s, s + 10_000) for s in range(0, 90_000, 10_000)] + [
        (90_000, 95_333)
    ]
    truth = decoded(MAMMALS)
    for window in (found[0], found[4], found[-1]):
        inside = [frame for time, frame in truth if window.start_ms <= time < window.end_ms]
        for at, jpeg in zip((0, (len(inside) - 1) // 2, -1), window.jpegs, strict=True):
            own = picture(jpeg)
            expected = np.asarray(inside[at].to_image().resize(own.shape[1::-1], Image.Resampling.BICUBIC), np.int16)
            assert np.abs(own - expected).mean() < 4


def test_a_call_decodes_few_windows_and_gives_the_same(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = windows(MAMMALS, slots, frames=2, window_ms=5000)
    calls = list(video_frames._calls([(w.start_ms, w.end_ms) for w in whole]))
    assert len(calls) == 1
    monkeypatch.setattr(video_frames, "_CALL_WINDOWS", 4)
    assert windows(MAMMALS, slots, frames=2, window_ms=5000) == whole
    assert max(map(len, video_frames._calls([(w.start_ms, w.end_ms) for w in whole]))) == 4
    hours = [(s, s + 10_000) for s in range(0, 3 * 3_600_000, 10_000)]
    monkeypatch.undo()
    calls = list(video_frames._calls(hours))
    assert list(chain.from_iterable(calls)) == hours and max(map(len, calls)) <= 32
    assert all(call[-1][1] - call[0][0] <= 600_000 for call in calls)


@pytest.mark.parametrize(
    ("end", "window", "expected"),
    [
        (9000, None, [(0, 9000)]),
        (9000, 10_000, [(0, 9000)]),
        (14_999, 10_000, [(0, 14_999)]),
        (15_000, 10_000, [(0, 10_000), (10_000, 15_000)]),
        (20_000, 10_000, [(0, 10_000), (10_000, 20_000)]),
        (24_999, 10_000, [(0, 10_000), (10_000, 24_999)]),
        (25_000, 10_000, [(0, 10_000), (10_000, 20_000), (20_000, 25_000)]),
        (1, 10_000, [(0, 1)]),
    ],
)
def test_cutting(end: int, window: int | None, expected: list[tuple[int, int]]) -> None:
    assert cut(end, window) == expected


def test_a_window_without_a_frame_of_its_own_shows_the_one_before() -> None:
    times = np.array([0, 10_000, 20_000], np.int64)
    assert sample(times, 12_000, 18_000, 2).tolist() == [10_000, 10_000]
    assert sample(times, 0, 25_000, 4).tolist() == [0, 0, 10_000, 20_000]
    assert sample(times[1:], 0, 5_000, 2).tolist() == [10_000, 10_000]


# -- files of every kind -----------------------------------------------------------------------------------------------


def test_a_single_frame(slots: Slots) -> None:
    path = encode("one.mp4", duration=0.04)
    (window,) = windows(path, slots, frames=32)
    assert len(window.jpegs) == 32 and len(set(window.jpegs)) == 1


def test_a_turned_video_stands_upright(slots: Slots) -> None:
    plain = encode("plain.mp4", duration=1)
    turned = make("turned.mp4", ["-display_rotation", "90", "-i", plain, "-c", "copy"])
    (upright,), (window,) = windows(plain, slots), windows(turned, slots)
    assert picture(window.jpegs[0]).shape[:2] == picture(upright.jpegs[0]).shape[1::-1]
    difference = picture(window.jpegs[1]) - np.rot90(picture(upright.jpegs[1]))
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.mp4", None, "missing"),
        ("empty.mp4", b"", "empty_file"),
        ("text.mp4", b"#EXTM3U\nhttp://x/y.ts\n", "unreadable"),
    ],
)
def test_what_is_no_video(tmp_path: Path, slots: Slots, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as error:
        windows(tmp_path / name, slots)
    assert error.value.reason.value == reason


def test_sound_alone_is_no_video(slots: Slots) -> None:
    path = make("sound.mp4", ["-f", "lavfi", "-i", "sine=duration=1"])
    with pytest.raises(SourceError, match="no_video_stream"):
        windows(path, slots)


def test_a_broken_off_file_gives_what_is_there(slots: Slots) -> None:
    """Without the end, a WebM still plays: its windows end where it does."""
    path = truncated(POLAR_MAMMALS, 0.4)
    found = windows(path, slots, window_ms=10_000)
    assert all(w.reason is not None or len(w.jpegs) == 4 for w in found)
    assert 40_000 < found[-1].end_ms < 70_000
    assert sum(w.reason is None for w in found) >= len(found) - 1


def test_damage_costs_its_own_window(slots: Slots) -> None:
    def spoil(path: Path) -> None:
        data = bytearray(MAMMALS.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 30_000] = bytes(30_000)
        path.write_bytes(data)

    found = windows(derived("30 kB of zeros in the middle", "spoilt.mp4", spoil), slots, window_ms=5000)
    bad = [w for w in found if w.reason is not None]
    assert 0 < len(bad) < len(found) / 2
    assert {w.reason.value for w in bad if w.reason} == {"frames_damaged"} and all(
        not w.jpegs and w.detail for w in bad
    )


def test_limits_hold(slots: Slots) -> None:
    with pytest.raises(SourceError, match="limit_exceeded"):
        windows(MAMMALS, slots, limits=Limits(duration_ms=10_000))
    with pytest.raises(SourceError, match="timeout"):
        windows(MAMMALS, slots, limits=Limits(decode_seconds=0.001))
    assert len(windows(MAMMALS, slots)) == 1  # the slot lives on


@needs_shared
@pytest.mark.shared_data
def test_real_odd_files_give_windows_or_a_reason(slots: Slots) -> None:
    expected = {
        "video_rotation_90.mp4": None,
        "video_90.mov": None,
        "h264_white_frame_sar_16_9.mp4": None,
        "no_duration.webm": None,
        "0-000068.ts": None,
        "av1_video.mkv": None,
        "video_short_0p.mp4": "no_video_stream",
        "zero_bytes.result.webm": "empty_file",
        "invalid_userdata.mp4": "no_frames",
        "short-cenc.mp4": "no_frames",
        "corrupted.mp4": "frames_damaged",
    }
    found: dict[str, str | None] = {}
    for name in expected:
        try:
            (window,) = windows(SHARED / "odd" / name, slots, frames=8)
            found[name] = window.reason.value if window.reason else None
            assert bool(window.jpegs) == (window.reason is None)
        except SourceError as error:
            found[name] = error.reason.value
    assert found == expected


def test_read_video(tmp_path: Path) -> None:
    frames = read_video(str(LAST_MAN), 5, short_side=60)
    assert frames.shape[0] == 5 and min(frames.shape[1:3]) == 60 and frames.dtype == np.uint8
    with pytest.raises(SourceError, match="missing"):
        read_video(str(tmp_path / "gone.mp4"), 5)
