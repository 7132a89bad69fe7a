"""The generated videos that every backend must get right: one for each way a file can be unusual and still sound."""

from collections.abc import Callable
from pathlib import Path

from tests.media import encode, make


def _x264(params: str) -> list[str]:
    return ["-x264-params", params]


def _copy(source: Path, name: str, before: list[str], after: list[str]) -> Path:
    return make(name, [*before, "-i", source, "-c", "copy", *after])


def _plain() -> Path:
    return encode("plain.mp4", audio=True, extra=_x264("keyint=25:bframes=3:b-pyramid=normal"))


VIDEOS: dict[str, Callable[[], Path]] = {
    "h264_b_pyramid": _plain,
    "h264_no_b": lambda: encode("no_b.mp4", extra=_x264("keyint=30:bframes=0")),
    "h264_open_gop_mp4": lambda: encode("open_gop.mp4", extra=_x264("open-gop=1:keyint=20:bframes=3")),
    "h264_open_gop_mkv": lambda: encode("open_gop.mkv", extra=_x264("open-gop=1:keyint=20:bframes=3")),
    "h264_open_gop_ts": lambda: encode("open_gop.ts", audio=True, extra=_x264("open-gop=1:keyint=20:bframes=3")),
    "h264_intra_refresh_ts": lambda: encode("refresh.ts", extra=_x264("intra-refresh=1:keyint=20:bframes=0")),
    "h264_intra_refresh_mp4": lambda: encode("refresh.mp4", extra=_x264("intra-refresh=1:keyint=20:bframes=0")),
    "h264_slices": lambda: encode("slices.mp4", extra=_x264("slices=4:keyint=25:bframes=2")),
    "h264_vfr": lambda: encode(
        "vfr.mkv", extra=["-vf", "select='not(mod(n,3))+gt(n,60)'", "-fps_mode", "vfr", *_x264("keyint=20")]
    ),
    "h264_vfr_holes": lambda: encode(
        "holes.mp4", extra=["-vf", "select='lt(mod(n,40),10)'", "-fps_mode", "vfr", *_x264("keyint=20")]
    ),
    "h264_ntsc": lambda: encode("ntsc.mp4", rate="30000/1001", extra=_x264("keyint=30")),
    "h264_edit_list": lambda: _copy(_plain(), "edit.mp4", ["-ss", "1.3"], []),
    "h264_edit_list_mov": lambda: _copy(_plain(), "edit.mov", ["-ss", "0.5"], ["-t", "2"]),
    "h264_late_start": lambda: _copy(_plain(), "late.mkv", [], ["-output_ts_offset", "2.5"]),
    "h264_negative_start": lambda: _copy(
        _plain(), "negative.mov", [], ["-output_ts_offset", "-0.7", "-avoid_negative_ts", "disabled"]
    ),
    "h264_fragmented": lambda: _copy(_plain(), "fragments.mp4", [], ["-movflags", "frag_keyframe+empty_moov"]),
    "h264_flv": lambda: _copy(_plain(), "plain.flv", [], []),
    "h264_avi": lambda: _copy(_plain(), "h264.avi", [], ["-an"]),
    "h264_rotated": lambda: _copy(_plain(), "rotated.mp4", ["-display_rotation", "90"], []),
    "h264_rotated_270": lambda: _copy(_plain(), "rotated270.mp4", ["-display_rotation", "-90"], []),
    "h264_rotated_180": lambda: _copy(_plain(), "rotated180.mp4", ["-display_rotation", "180"], []),
    "h264_narrow_pixels": lambda: encode("narrow.mp4", extra=["-vf", "setsar=2/3", *_x264("keyint=25")]),
    "h264_wide_pixels": lambda: encode("wide.mkv", extra=["-vf", "setsar=16/11", *_x264("keyint=25")]),
    "h264_ten_bits": lambda: encode("ten.mp4", extra=["-pix_fmt", "yuv420p10le", *_x264("keyint=25")]),
    "h264_444": lambda: encode("full.mp4", extra=["-pix_fmt", "yuv444p", *_x264("keyint=25")]),
    "h264_interlaced": lambda: encode("tff.mp4", extra=["-flags", "+ildct+ilme", *_x264("tff=1:keyint=25:bframes=2")]),
    "h264_odd_size": lambda: encode("odd.mp4", size="319x181", extra=["-pix_fmt", "yuv444p", *_x264("keyint=25")]),
    "hevc": lambda: encode(
        "hevc.mp4", "libx265", extra=["-x265-params", "keyint=20:bframes=4:open-gop=0:log-level=none:pools=none"]
    ),
    "hevc_open_gop": lambda: encode(
        "hevc.mkv", "libx265", extra=["-x265-params", "keyint=20:bframes=4:open-gop=1:log-level=none:pools=none"]
    ),
    "hevc_open_gop_ts": lambda: encode(
        "hevc.ts", "libx265", extra=["-x265-params", "keyint=20:bframes=4:open-gop=1:log-level=none:pools=none"]
    ),
    "hevc_layers": lambda: encode(
        "layers.mp4", "libx265", extra=["-x265-params", "keyint=20:temporal-layers=3:log-level=none:pools=none"]
    ),
    "vp8_alt_ref": lambda: encode(
        "vp8.webm", "libvpx", extra=["-auto-alt-ref", "1", "-lag-in-frames", "16", "-g", "40", "-cpu-used", "8"]
    ),
    "vp9_alt_ref": lambda: encode(
        "vp9.webm", "libvpx-vp9", extra=["-auto-alt-ref", "1", "-lag-in-frames", "16", "-g", "40", "-cpu-used", "8"]
    ),
    "av1": lambda: encode("av1.mp4", "libsvtav1", extra=["-preset", "12", "-g", "40", "-svtav1-params", "lp=1"]),
    "av1_mkv": lambda: encode("av1.mkv", "libsvtav1", extra=["-preset", "12", "-g", "40", "-svtav1-params", "lp=1"]),
    "mpeg4_avi": lambda: encode("mpeg4.avi", "mpeg4", extra=["-bf", "2", "-g", "25", "-q:v", "4"]),
    "mpeg4_packed_avi": lambda: encode("xvid.avi", "libxvid", extra=["-bf", "2", "-g", "25", "-q:v", "4"]),
    "mpeg4_mp4": lambda: encode("mpeg4.mp4", "mpeg4", extra=["-bf", "2", "-g", "25", "-q:v", "4"]),
    "mpeg2_ts": lambda: encode("mpeg2.ts", "mpeg2video", audio=True, extra=["-bf", "2", "-g", "15", "-q:v", "4"]),
    "mpeg2_ps": lambda: encode("mpeg2.mpg", "mpeg2video", extra=["-bf", "2", "-g", "15", "-q:v", "4"]),
    "mpeg2_interlaced_ts": lambda: encode(
        "tff.ts",
        "mpeg2video",
        extra=["-flags", "+ildct+ilme", "-vf", "setfield=tff", "-bf", "2", "-g", "15", "-q:v", "4"],
    ),
    "mpeg1": lambda: encode("mpeg1.mpg", "mpeg1video", extra=["-bf", "2", "-g", "15", "-q:v", "4"]),
    "theora": lambda: encode("theora.ogv", "libtheora", extra=["-g", "32", "-q:v", "6"]),
    "wmv": lambda: encode("wmv.wmv", "wmv2", extra=["-g", "25", "-q:v", "4"]),
    "mjpeg": lambda: encode("mjpeg.mov", "mjpeg", extra=["-pix_fmt", "yuvj420p", "-q:v", "4"]),
}
