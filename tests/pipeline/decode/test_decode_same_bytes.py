"""A picture depends neither on how many others are asked for, nor on whether the file is decoded as planned or in sequence."""

from pathlib import Path

import pytest

from longtake.pipeline.decode import Frame, SourceError, decode_frames, probe
from longtake.pipeline.decode.table import PacketTable
from longtake.schemas.config import Frames, Limits
from tests.media import SHARED, needs_shared, shared

SENTENCE_MS, MOST_MS = 5_000, 40_000
QUICK = {
    "hls_segment_twice.ts",
    "mkv_inband_once_chroma.mkv",
    "divx_packed2.avi",
    "video_short.avi",
    "av1_video.mkv",
    "again.mkv",
}
FILES = [*shared("videos", "odd", "cases/media"), *sorted((SHARED / "cases/media").glob("*.h264"))]


def asked(end_ms: int, each: int) -> list[int]:
    """The times of `each` frames of every sentence, as a build asks for them; 64 have those of 4, and 4 that of 1."""
    starts = range(0, min(max(end_ms, 1), MOST_MS), SENTENCE_MS)
    return [start + k * SENTENCE_MS // each for start in starts for k in range(each)]


def outcome(path: Path, times: list[int]) -> dict[int, tuple[int, bytes] | str]:
    """For each time the time and the bytes of its frame, or the reason why there is none."""
    found = decode_frames(str(path), times, Frames(short_side=64), Limits())
    return {
        time: (frame.pts_ms, frame.jpeg) if isinstance(frame, Frame) else str(frame.reason)
        for time, frame in zip(times, found.frames, strict=True)
    }


@needs_shared
@pytest.mark.shared_data
@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.name, marks=() if p.name in QUICK else pytest.mark.exhaustive) for p in FILES]
)
def test_same_picture_whatever_else_is_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        end = probe(str(path), Limits(), packets=True).source.duration_ms
        many = outcome(path, asked(end, 64))
    except SourceError:
        with pytest.raises(SourceError):
            outcome(path, [0])
        return
    few = {each: outcome(path, asked(end, each)) for each in (1, 4)}
    for each, found in few.items():
        assert [t for t in found if found[t] != many[t]] == [], f"{each} a sentence"
    monkeypatch.setattr(PacketTable, "is_plannable", property(lambda _: False))
    in_sequence = outcome(path, asked(end, 4))
    assert [t for t in in_sequence if in_sequence[t] != few[4][t]] == [], "in sequence"
