"""Key marks that lie, in every container that has them."""

from tests.mutations import avi, flv, matroska, mp4, mpegts
from tests.mutations.cases import add, codec, mutant

MP4_CODECS = {
    "h264": "libx264",
    "hevc": "libx265",
    "mpeg4": "mpeg4",
    "mpeg2": "mpeg2video",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
}
for _name, _encoder in MP4_CODECS.items():
    _base = codec("mp4", _encoder)
    _quick = _name in ("mpeg4", "h264")
    mutant(f"mp4_{_name}_without_sync_table", _base, lambda d: mp4.drop(d, f"{mp4.STBL}/stss"), _quick)
    mutant(f"mp4_{_name}_all_sync", _base, lambda d: mp4.sync_samples(d, lambda _, n: list(range(1, n + 1))))
    mutant(
        f"mp4_{_name}_wrong_sync", _base, lambda d: mp4.sync_samples(d, lambda s, n: [1, *(min(x + 4, n) for x in s)])
    )
mutant("mp4_h264_only_first_sync", codec("mp4", "libx264"), lambda d: mp4.sync_samples(d, lambda s, n: s[:1]))
mutant("mp4_h264_no_sync_at_all", codec("mp4", "libx264"), lambda d: mp4.sync_samples(d, lambda s, n: []))
for _name, _kind, _encoder in (
    ("h264", "mkv", "libx264"), ("hevc", "mkv", "libx265"), ("mpeg4", "mkv", "mpeg4"), ("mpeg2", "mkv", "mpeg2video"),
    ("vp8", "webm", "libvpx"), ("vp9", "webm", "libvpx-vp9"), ("av1", "webm", "libsvtav1"), ("theora", "mkv", "libtheora"),
):  # fmt: skip
    _base = codec(_kind, _encoder)
    mutant(f"mkv_{_name}_all_key", _base, lambda d: matroska.key_flags(d, lambda *_: True), _name in ("vp8", "vp9"))
    mutant(f"mkv_{_name}_no_key", _base, lambda d: matroska.key_flags(d, lambda *_: False))
    mutant(f"mkv_{_name}_wrong_key", _base, lambda d: matroska.key_flags(d, lambda n, _: n % 10 == 7))
for _name, _encoder in (
    ("mpeg4", "mpeg4"),
    ("xvid", "libxvid"),
    ("h264", "libx264"),
    ("mjpeg", "mjpeg"),
    ("mpeg2", "mpeg2video"),
):
    _base = codec("avi", _encoder)
    add(f"avi_{_name}", _base, _name == "xvid")
    if _name != "mjpeg":
        mutant(f"avi_{_name}_all_key", _base, lambda d: avi.key_flags(d, lambda *_: True), _name == "mpeg4")
    mutant(f"avi_{_name}_no_key", _base, lambda d: avi.key_flags(d, lambda *_: False))
    mutant(f"avi_{_name}_wrong_key", _base, lambda d: avi.key_flags(d, lambda n, _: n % 10 == 7))
for _name, _encoder in (("h264", "libx264"), ("sorenson", "flv")):
    mutant(f"flv_{_name}_all_key", codec("flv", _encoder), lambda d: flv.key_flags(d, lambda *_: True))
    mutant(f"flv_{_name}_no_key", codec("flv", _encoder), lambda d: flv.key_flags(d, lambda *_: False))
mutant("ts_h264_all_random_access", codec("ts", "libx264"), lambda d: mpegts.random_access(d, True))
mutant("ts_h264_no_random_access", codec("ts", "libx264"), lambda d: mpegts.random_access(d, False))
mutant("ts_mpeg2_all_random_access", codec("ts", "mpeg2video"), lambda d: mpegts.random_access(d, True))
