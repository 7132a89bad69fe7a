"""The sound of a source: the samples that another decoder gives, at the right time, a bounded piece at a time."""

import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from media import FFMPEG, derived, encode, make, truncated
from sources import LAST_MAN, POLAR_MAMMALS

from longtake.pipeline.decode import SourceError
from longtake.pipeline.speech.sound import RATE, sound_ms, sound_pieces
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason

LIMITS = Limits()


def by_ffmpeg(path: Path) -> np.ndarray:
    """The sound as the ffmpeg command resamples it."""
    command = [
        FFMPEG,
        "-v",
        "error",
        "-i",
        str(path),
        "-map",
        "0:a:0",
        "-ac",
        "1",
        "-ar",
        str(RATE),
        "-f",
        "s16le",
        "-",
    ]
    raw = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return np.frombuffer(raw, np.int16).astype(np.float32) / 32768


@pytest.mark.parametrize("path", [LAST_MAN, POLAR_MAMMALS], ids=["aac", "vorbis"])
def test_samples_are_those_of_the_ffmpeg_command(path: Path) -> None:
    (piece,) = sound_pieces(str(path), LIMITS)
    expected = by_ffmpeg(path)
    length = min(len(expected), len(piece.samples))
    assert abs(len(expected) - len(piece.samples)) < RATE // 50
    assert np.corrcoef(piece.samples[:length], expected[:length])[0, 1] > 0.999


def test_pieces_are_the_whole_cut_at_quiet_moments() -> None:
    (whole,) = sound_pieces(str(POLAR_MAMMALS), LIMITS)
    pieces = list(sound_pieces(str(POLAR_MAMMALS), LIMITS, seconds=40))
    assert len(pieces) > 2 and all(len(piece.samples) <= 40 * RATE for piece in pieces)
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), whole.samples)
    loudness = float(np.square(whole.samples).mean())
    for before, piece in pairwise(pieces):
        assert piece.start_s == pytest.approx(before.start_s + len(before.samples) / RATE)
        assert float(np.square(piece.samples[: RATE // 8]).mean()) < loudness / 4


def test_sound_that_starts_late_keeps_its_time() -> None:
    inputs = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=6", "-itsoffset", "2", "-i", LAST_MAN]
    late = make("late.mkv", [*inputs, "-map", "0:v", "-map", "1:a", "-t", "6", "-pix_fmt", "yuv420p", "-c:a", "aac"])
    (piece,) = sound_pieces(str(late), LIMITS)
    assert piece.start_s == pytest.approx(2, abs=0.05)


def test_a_hole_in_the_sound_is_silence() -> None:
    inputs = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=6", "-f", "lavfi", "-i", "sine=duration=6"]
    hole = ["-af", "aselect='not(between(t,2,4))'", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le"]
    gap = make("gap.mkv", [*inputs, *hole])
    samples = np.concatenate([piece.samples for piece in sound_pieces(str(gap), LIMITS)])
    assert len(samples) / RATE == pytest.approx(6, abs=0.1)
    loud = np.abs(samples) > 0.02
    assert not loud[round(2.2 * RATE) : round(3.8 * RATE)].any()
    assert loud[: 2 * RATE].mean() > 0.5 and loud[round(4.2 * RATE) :].mean() > 0.5


def test_a_clock_that_jumps_adds_no_silence() -> None:
    def part(name: str, start: int) -> Path:
        inputs = [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=160x90:rate=10:duration=3",
            "-f",
            "lavfi",
            "-i",
            "sine=duration=3",
        ]
        return make(name, [*inputs, "-pix_fmt", "yuv420p", "-c:a", "aac", "-output_ts_offset", str(start)])

    first, second = part("first.ts", 0), part("second.ts", 50_000)
    joined = derived(
        "two clocks for sound", "joined.ts", lambda path: path.write_bytes(first.read_bytes() + second.read_bytes())
    )
    samples = np.concatenate([piece.samples for piece in sound_pieces(str(joined), LIMITS)])
    assert len(samples) / RATE == pytest.approx(6, abs=0.3)


def test_a_file_without_sound_has_no_piece() -> None:
    path = str(encode("mute.mp4"))
    assert sound_ms(path) is None and list(sound_pieces(path, LIMITS)) == []


def test_a_truncated_file_gives_what_it_has() -> None:
    path = truncated(POLAR_MAMMALS, 0.3)
    samples = np.concatenate([piece.samples for piece in sound_pieces(str(path), LIMITS)])
    assert 10 < len(samples) / RATE < 60


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(duration_ms=5000), Reason.LIMIT_EXCEEDED), (Limits(streams=1), Reason.LIMIT_EXCEEDED)],
    ids=["too long", "too many streams"],
)
def test_limits_hold(limits: Limits, reason: Reason) -> None:
    with pytest.raises(SourceError) as error:
        list(sound_pieces(str(LAST_MAN), limits))
    assert error.value.reason is reason


def test_what_is_no_container_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {LAST_MAN}\n")  # a playlist would open other files
    with pytest.raises(SourceError) as error:
        list(sound_pieces(str(tmp_path / "list.mp4"), LIMITS))
    assert error.value.reason is Reason.UNREADABLE
