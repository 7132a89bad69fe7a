"""Files that are broken, hostile or beyond the limits: the right reason, and nothing sound is lost."""

import os
import pickle
import sys
from pathlib import Path

import pytest
from gallery import VIDEOS
from truth import truth

from longtake.pipeline.decode import (
    Decoded,
    Frame,
    FrameFault,
    SourceError,
    cursor,
    decode_cost,
    decode_frames,
    probe,
    repair,
    versions,
)
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason
from tests.media import changed, damaged, encode, make, truncated

SMALL = Frames(short_side=32)


def decode(path: Path | str, times: list[int], limits: Limits | None = None) -> Decoded:
    return decode_frames(str(path), times, SMALL, limits or Limits())


def refusal(path: Path | str, limits: Limits | None = None) -> SourceError:
    """The error of decoding, which must also be that of probing."""
    with pytest.raises(SourceError) as decoding:
        decode(path, [0], limits)
    with pytest.raises(SourceError) as probing:
        probe(str(path), limits or Limits(), packets=True)
    assert probing.value.reason is decoding.value.reason
    return decoding.value


@pytest.fixture
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting ffmpeg is an error."""

    def refuse() -> str:
        raise AssertionError("ffmpeg was started")

    monkeypatch.setattr(repair, "ffmpeg_command", refuse)


def plain() -> Path:
    return VIDEOS["h264_b_pyramid"]()


@pytest.mark.usefixtures("no_ffmpeg")
class TestRefusedAtOnce:
    def test_missing(self, tmp_path: Path) -> None:
        assert refusal(tmp_path / "none.mp4").reason is Reason.MISSING
        assert refusal(plain() / "below_a_file.mp4").reason is Reason.MISSING

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").touch()
        assert refusal(tmp_path / "a.mp4").reason is Reason.EMPTY_FILE

    def test_not_a_regular_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo.mp4")
        for path in (tmp_path / "fifo.mp4", tmp_path, "/dev/zero"):
            assert refusal(path).reason is Reason.UNREADABLE

    def test_name_with_a_null(self) -> None:
        assert refusal("a\0b.mp4").reason is Reason.UNREADABLE

    @pytest.mark.parametrize(
        "text",
        [
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:4,\n{video}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '{video}'\n",
            "<?xml version='1.0'?><MPD><Period><BaseURL>{video}</BaseURL></Period></MPD>",
            "<!doctype html><title>404</title>",
        ],
    )
    @pytest.mark.parametrize("name", ["a.mp4", "a.m3u8", "a.ffconcat", "a.mpd"])
    def test_playlists(self, tmp_path: Path, text: str, name: str) -> None:
        path = tmp_path / name
        path.write_text(text.format(video=plain()))
        assert refusal(path).reason is Reason.UNREADABLE


def test_noise(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(bytes(range(256)) * 64)
    assert refusal(tmp_path / "a.mp4").reason is Reason.UNREADABLE


def test_audio_only() -> None:
    path = make("sound.mp4", ["-f", "lavfi", "-i", "sine=duration=1"])
    assert refusal(path).reason is Reason.NO_VIDEO_STREAM


def test_symbolic_link_and_odd_names(tmp_path: Path) -> None:
    for name in ("a%d.mp4", "concat:x.mp4", "é\n.mp4", "http:--x"):
        link = tmp_path / name
        link.symlink_to(plain())
        assert isinstance(decode(link, [0]).frames[0], Frame)


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        (Limits(pixels=320 * 180 - 1), "320x180"),
        (Limits(duration_ms=3000), "4000 ms"),
        (Limits(streams=1), "2 streams"),
        (Limits(packets=99), "99 packets"),
    ],
)
def test_limits(limits: Limits, detail: str) -> None:
    error = refusal(plain(), limits)
    assert error.reason is Reason.LIMIT_EXCEEDED
    assert detail in error.detail


def test_limits_that_just_fit() -> None:
    limits = Limits(pixels=320 * 180, duration_ms=4000, streams=2, packets=100)
    assert isinstance(decode(plain(), [0], limits).frames[0], Frame)


def test_strips_are_refused() -> None:
    assert refusal(encode("strip.mp4", duration=0.2, size="1024x32")).reason is Reason.LIMIT_EXCEEDED


def test_size_that_grows_midway() -> None:
    parts = [encode(f"{w}.ts", duration=1, size=f"{w}x{w}", extra=["-x264-params", "keyint=5"]) for w in (64, 512)]
    data = b"".join(p.read_bytes() for p in parts)
    path = changed(parts[0], "grows.ts", lambda _: bytearray(data))
    assert len({f.pts_ms for f in decode(path, [0, 500]).frames if isinstance(f, Frame)}) == 2
    end = int(truth(path).shown[-1].ms)
    whole = decode(path, [0, end])
    assert whole.size == (32, 32)
    with pytest.raises(SourceError) as caught:
        decode(path, [0, end], Limits(pixels=128 * 128))
    assert caught.value.reason is Reason.LIMIT_EXCEEDED


def test_past_the_end() -> None:
    found = decode(plain(), [3999, 4000, 4250, 4251, 10_000]).frames
    assert [isinstance(f, Frame) for f in found] == [True, True, True, False, False]
    assert {f.reason for f in found if isinstance(f, FrameFault)} == {Reason.FRAMES_PAST_END}


def test_same_frame_is_same_object_and_order_is_kept() -> None:
    times = [3000, 10, 0, 15, 3001]
    found = decode(plain(), times).frames
    assert found[1] is found[2] is found[3]
    assert found[0] is found[4]
    assert [f.pts_ms for f in found if isinstance(f, Frame)] == [3000, 0, 0, 0, 3000]


def test_no_times() -> None:
    found = decode(plain(), [])
    assert (found.frames, found.decoded) == ((), 0)


@pytest.mark.parametrize("name", ["h264_b_pyramid", "h264_open_gop_ts", "hevc_open_gop", "vp9_alt_ref", "mpeg2_ts"])
@pytest.mark.parametrize("at", [0.3, 0.6, 0.85])
def test_damage_costs_no_more_than_its_group(name: str, at: float) -> None:
    source = VIDEOS[name]()
    sound, broken = truth(source), damaged(source, at)
    times = list(range(0, 4000, 40))
    try:
        found = decode(broken, times)
    except SourceError:
        pytest.skip("the damage hit the container")
    before = decode(source, times)
    good = 0
    for time, ours, right in zip(times, found.frames, before.frames, strict=True):
        if isinstance(ours, FrameFault):
            assert ours.reason is Reason.FRAMES_DAMAGED
        elif isinstance(right, Frame) and time < 4000 * at - 1000:
            assert ours.pts_ms == right.pts_ms
            assert ours.jpeg == right.jpeg
            good += 1
    assert good >= (at - 0.3) * 100 - 5
    assert len(sound.shown) >= 90


def test_damaged_time_is_a_fault_not_an_older_frame() -> None:
    """One packet in the middle of a group is overwritten: later times of the group are faults, later groups are not."""
    source = encode("one.mkv", extra=["-x264-params", "keyint=25:bframes=0:scenecut=0"])

    def spoil(data: bytearray) -> bytearray:
        import av

        with av.open(str(source)) as container:
            packet = [p for p in container.demux(video=0) if p.size][30]
            payload = bytes(packet)
        at = data.find(payload)
        data[at + 4 : at + len(payload)] = bytes(255 - b for b in payload[4:])
        return data

    found = decode(changed(source, "spoilt.mkv", spoil), list(range(0, 4000, 40))).frames
    kinds = "".join("." if isinstance(f, Frame) else "x" for f in found)
    assert kinds == "." * 30 + "x" * 20 + "." * 50


@pytest.mark.parametrize("name", ["h264_open_gop_ts", "h264_vfr", "h264_fragmented", "vp8_alt_ref", "mpeg4_avi"])
def test_truncated_keeps_what_is_there(name: str) -> None:
    source = VIDEOS[name]()
    times = list(range(0, 4000, 100))
    found, whole = decode(truncated(source, 0.5), times).frames, decode(source, times).frames
    same = [
        a.jpeg == b.jpeg for a, b in zip(found, whole, strict=True) if isinstance(a, Frame) and isinstance(b, Frame)
    ]
    assert sum(same) >= 10
    assert isinstance(found[-1], FrameFault)


def test_first_error_stands_where_repair_fails() -> None:
    """An MP4 without its index: opening fails, and ffmpeg can make nothing of it either."""
    path = truncated(plain(), 0.5)  # the index is at the end, and gone
    assert refusal(path).reason is Reason.UNREADABLE


def test_repair_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def remux(path: str, target: str, limits: Limits) -> bool:
        calls.append(path)
        Path(target).write_bytes(plain().read_bytes())
        return True

    monkeypatch.setattr(repair, "_remux", remux)
    path = truncated(plain(), 0.4)
    assert isinstance(decode(path, [0]).frames[0], Frame)
    assert decode_cost(str(path), [0], SMALL, Limits()) == 1
    assert probe(str(path), Limits()).source.duration_ms == 4000
    assert calls == [str(path)] * 3


def test_remux_makes_a_usable_copy(tmp_path: Path) -> None:
    target = tmp_path / "copy.mkv"
    assert repair._remux(str(VIDEOS["h264_open_gop_ts"]()), str(target), Limits())
    assert isinstance(decode(target, [1000]).frames[0], Frame)
    assert not repair._remux("/dev/null", str(tmp_path / "none.mkv"), Limits())


@pytest.mark.parametrize(
    "name", ["h264_b_pyramid", "h264_open_gop_mkv", "h264_edit_list", "vp9_alt_ref", "h264_open_gop_ts"]
)
def test_seeking_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, times = VIDEOS[name](), [150, 1200, 2400, 2900]
    reading_on = decode(path, times)
    monkeypatch.setattr(cursor, "FAR", 1)
    assert decode(path, times) == reading_on


def test_probe_tells_how_it_knows() -> None:
    header, measured = probe(str(plain()), Limits()), probe(str(plain()), Limits(), packets=True)
    assert (header.exact, measured.exact) == (False, True)
    assert header.source == measured.source
    live = make("live.webm", ["-i", VIDEOS["vp9_alt_ref"](), "-c", "copy", "-live", "1"])
    assert probe(str(live), Limits()).exact
    turned = probe(str(VIDEOS["h264_rotated"]()), Limits()).source
    assert (turned.width, turned.height) == (320, 180)  # nothing is decoded, and only frames tell of a rotation
    narrow = probe(str(VIDEOS["h264_narrow_pixels"]()), Limits()).source
    assert (narrow.width, narrow.height) == (213, 180)


def test_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(SourceError(Reason.MISSING, "gone")))  # noqa: S301
    assert (error.reason, error.detail, str(error)) == (Reason.MISSING, "gone", "missing: gone")


def test_versions_name_what_decides_the_pixels() -> None:
    assert {"av", "libavcodec", "libavformat", "libswscale", "simplejpeg"} == set(versions())


def test_seconds_follow_the_clock() -> None:
    ticks = iter(range(10_000))
    found = decode_frames(str(plain()), [0, 1000], SMALL, Limits(), clock=lambda: float(next(ticks)))
    assert set(found.seconds) == {"index", "decode", "scale", "encode"}
    assert all(value > 0 and value == int(value) for value in found.seconds.values())


def test_without_ffmpeg_the_error_says_that_nothing_was_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 40)
    assert "not repaired" not in refusal(broken).detail
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert refusal(broken).detail.endswith("; not repaired: there is no ffmpeg")
