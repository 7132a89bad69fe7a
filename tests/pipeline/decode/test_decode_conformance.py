"""Every backend, every file: the frames are those that the ffmpeg command line shows in one full pass."""

import random
from pathlib import Path

import pytest
from gallery import VIDEOS
from truth import Truth, pictures, psnr, truth

from longtake.pipeline.decode import Decoded, Frame, FrameFault, SourceError, decode_cost, decode_frames
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason
from tests.media import SHARED, needs_shared, shared

NEAR_DB = 30.0
ROUNDED_MS = 0.001  # ffmpeg prints the start of a file in whole microseconds
REACH = 250  # pictures are compared among the first ones of a file: the truth decodes all up to them
IN_SEQUENCE = {
    ".avi",
    ".wmv",
}  # no presentation times, or a codec of which no headers are read: decoded as far as needed
REFUSALS = {
    "invalid_userdata.mp4": Reason.NO_FRAMES,
    "malformed-sei-init.mp4": Reason.NO_FRAMES,
    "malformed-sei.m4s": Reason.UNREADABLE,
    "short-cenc.mp4": Reason.NO_FRAMES,
    "video_short_0p.mp4": Reason.NO_VIDEO_STREAM,
    "zero_bytes.result.webm": Reason.EMPTY_FILE,
}
#: ffmpeg's pass over each takes as long as those over ten others; H.264 in MP4, AV1 and VP9 are in shorter files too.
LONG = {"video2dataset.test_video.mp4", "av1-2018-06_550.webm", "Free_Body_Diagrams.webm"}
REAL = [
    pytest.param(p, marks=[pytest.mark.exhaustive] if p.name in LONG else [], id=p.name)
    for p in shared("videos", "odd")
    if p.name not in REFUSALS
]
#: What decord must manage; of the rest it may refuse a file, never get one wrong.
DECORD_CAN = {
    "h264_b_pyramid", "h264_no_b", "h264_ntsc", "h264_vfr", "h264_rotated", "h264_narrow_pixels", "vp9_alt_ref",
    "Mammals.mp4", "SAR-2by3.mp4", "video_90.mov",
}  # fmt: skip


def times_for(path: Path, known: Truth, many: bool) -> list[int]:
    """Wanted times: random ones, the start, the end, and exact frame times with one millisecond either side."""
    rnd = random.Random(path.name)
    exact = [round(s.ms) for s in known.shown]
    end = max(exact[-1], 1)
    if not many:
        return sorted(rnd.randrange(end) for _ in range(3))
    picked = [*exact[:3], *exact[-3:], *(rnd.choice(exact) for _ in range(30))]
    return [0, *(rnd.randrange(end + 40) for _ in range(60)), *(t + d for t in picked for d in (-1, 0, 1))]


def check(path: Path, times: list[int], found: Decoded, compared: int = 3) -> None:
    assert len(found.frames) == len(times)
    *others, known = truth(path).clocks()  # without presentation times the first frame is at 0:00
    wrong = wrong_times(known, times, found)
    for other in others:
        if wrong and not wrong_times(other, times, found):
            known, wrong = other, []
    assert not wrong, f"{path.name}: {wrong[:5]}"
    right = {known.at(t).number: f for t, f in zip(times, found.frames, strict=True) if isinstance(f, Frame)}
    within_reach = [number for number in sorted(right) if number < REACH and not known.near_damage(number)]
    sample = set(random.Random(0).sample(within_reach, min(compared, len(within_reach))))
    height, width = found.size
    for number, picture in pictures(path, sample, (width, height)).items():
        brightness, colour = psnr(right[number].jpeg, picture)
        assert brightness > NEAR_DB, f"{path.name}: frame {number}"
        assert colour > NEAR_DB, f"{path.name}: frame {number}"


def wrong_times(known: Truth, times: list[int], found: Decoded) -> list[str]:
    """Frames of other times than wanted, and faults in a file in which all is sound."""
    wrong = []
    for time, frame in zip(times, found.frames, strict=True):
        wanted = known.at(time).ms
        if isinstance(frame, FrameFault):
            if known.sound:
                wrong.append(f"at {time}: {frame}")
        elif abs(frame.pts_ms - wanted) > 0.5 + ROUNDED_MS:
            wrong.append(f"at {time}: took {frame.pts_ms}, not {float(wanted):.3f}")
    return wrong


def verify(path: Path, decoder: str) -> None:
    frames, limits = Frames(short_side=180, decoder=decoder), Limits()  # type: ignore[arg-type]
    for many in (True, False):
        times = times_for(path, truth(path), many)
        found = decode_frames(str(path), times, frames, limits)
        check(path, times, found)
        if decoder == "pyav" and truth(path).sound:
            cost = decode_cost(str(path), times, frames, limits)
            assert found.decoded <= cost if path.suffix in IN_SEQUENCE else found.decoded == cost


@pytest.mark.parametrize("name", VIDEOS)
def test_generated_pyav(name: str) -> None:
    verify(VIDEOS[name](), "pyav")


@pytest.mark.parametrize("name", VIDEOS)
def test_generated_decord(name: str) -> None:
    _decord(VIDEOS[name](), name)


@needs_shared
@pytest.mark.shared_data
@pytest.mark.parametrize("path", REAL)
def test_real_pyav(path: Path) -> None:
    verify(path, "pyav")


@needs_shared
@pytest.mark.shared_data
@pytest.mark.parametrize("path", [p for p in REAL if Path(p.values[0]).stat().st_size < 3_400_000])
def test_real_decord(path: Path) -> None:
    _decord(path, path.name)


def _decord(path: Path, name: str) -> None:
    pytest.importorskip("decord")
    if not truth(path).sound:
        pytest.skip("damaged: decord does not say which frames it made up")
    try:
        verify(path, "decord")
    except SourceError as error:
        assert "use frames.decoder: pyav" in error.detail
        assert name not in DECORD_CAN, error.detail


@needs_shared
@pytest.mark.shared_data
@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("decoder", ["pyav", "decord"])
def test_files_without_frames(name: str, decoder: str) -> None:
    path = SHARED / "odd" / name
    if (name, decoder) == ("short-cenc.mp4", "decord"):
        pytest.skip("decord cannot tell encrypted from broken")
    with pytest.raises(SourceError) as caught:
        decode_frames(str(path), [0], Frames(decoder=decoder), Limits())  # type: ignore[arg-type]
    assert caught.value.reason is REFUSALS[name]


@pytest.mark.parametrize("tolerance_ms", [40, 400, 3000])
@pytest.mark.parametrize(
    "name", ["h264_b_pyramid", "h264_open_gop_mp4", "h264_vfr_holes", "hevc_open_gop", "vp9_alt_ref", "mpeg2_ts"]
)
def test_tolerance_saves_and_stays_near(name: str, tolerance_ms: int) -> None:
    path = VIDEOS[name]()
    known, limits = truth(path), Limits()
    loose, exact = Frames(short_side=90, tolerance_ms=tolerance_ms), Frames(short_side=90)
    for seed in range(3):
        rnd = random.Random(seed)
        times = [rnd.randrange(4000) for _ in range(rnd.choice([1, 4, 25]))]
        times = [t for t in times if t <= known.shown[-1].ms]
        found = decode_frames(str(path), times, loose, limits)
        assert found.decoded == decode_cost(str(path), times, loose, limits)
        assert found.decoded <= decode_cost(str(path), times, exact, limits)
        real = {round(s.ms) for s in known.shown} | {int(s.ms) for s in known.shown}
        for time, frame in zip(times, found.frames, strict=True):
            assert isinstance(frame, Frame)
            assert frame.pts_ms in real
            assert abs(frame.pts_ms - time) <= tolerance_ms or abs(frame.pts_ms - known.at(time).ms) <= 0.5
