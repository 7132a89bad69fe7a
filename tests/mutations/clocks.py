"""Clocks that restart, jump, wrap or are missing, in containers other than MP4; and files that break off."""

from pathlib import Path

from tests.media import make, truncated
from tests.mutations import avi, flv, matroska, mpegts, ogg
from tests.mutations.cases import add, assembled, codec, copied, h264, mutant
from tests.mutations.mpegts import HZ, WRAP
from tests.numbered_video import numbered


def _ts(first: int = 0, codec_name: str = "libx264") -> bytes:
    return numbered(f"{codec_name}.ts", codec_name, first=first).read_bytes()


def _loud(first: int = 0) -> bytes:
    return numbered("loud.ts", first=first, audio=4).read_bytes()


# Transport streams put together
assembled("ts_parts_restart", "ts", lambda: _ts() + _ts(100), True)
assembled("ts_parts_restart_loud", "ts", lambda: _loud() + _loud(100))
assembled("ts_same_part_twice", "ts", lambda: _ts() + _ts() + _ts(100))
assembled("ts_parts_in_order", "ts", lambda: _ts() + mpegts.shifted(_ts(100), 4), True)
assembled("ts_parts_overlap", "ts", lambda: _ts() + mpegts.shifted(_ts(100), 2))
assembled("ts_parts_overlap_little", "ts", lambda: _ts() + mpegts.shifted(_ts(100), 3.8))
assembled("ts_parts_hour_later", "ts", lambda: _ts() + mpegts.shifted(_ts(100), 3600), True)
assembled("ts_parts_gap", "ts", lambda: _ts() + mpegts.shifted(_ts(100), 9))
assembled("ts_parts_hour_earlier", "ts", lambda: mpegts.shifted(_ts(), 3600) + _ts(100))
assembled("ts_three_parts", "ts", lambda: _ts() + _ts(100) + mpegts.shifted(_ts(200), 50))
assembled("ts_mpeg2_parts_restart", "ts", lambda: _ts(0, "mpeg2video") + _ts(100, "mpeg2video"))
assembled("ts_hevc_parts_restart", "ts", lambda: _ts(0, "libx265") + _ts(100, "libx265"))
mutant("ts_wraps", codec("ts", "libx264"), lambda d: mpegts.shifted(d, WRAP / HZ - 3.4), True)
mutant("ts_wraps_loud", lambda: numbered("loud.ts", audio=4), lambda d: mpegts.shifted(d, WRAP / HZ - 3.4))
mutant("ts_late", codec("ts", "libx264"), lambda d: mpegts.shifted(d, 20 * 3600))

# Time stamps of transport streams
mutant("ts_h264_no_stamps", codec("ts", "libx264"), lambda d: mpegts.stamps(d, lambda *_: None))
mutant("ts_mpeg2_no_stamps", codec("ts", "mpeg2video"), lambda d: mpegts.stamps(d, lambda *_: None))
mutant(
    "ts_h264_some_stamps",
    codec("ts", "libx264"),
    lambda d: mpegts.stamps(d, lambda n, t: None if n % 5 else t, clock=False),
)
mutant(
    "ts_mpeg2_some_stamps",
    codec("ts", "mpeg2video"),
    lambda d: mpegts.stamps(d, lambda n, t: None if n % 12 else t, clock=False),
)
mutant(
    "ts_stamps_stop",
    codec("ts", "libx264"),
    lambda d: mpegts.stamps(d, lambda n, t: None if n > 50 else t, clock=False),
)
mutant(
    "ts_one_stamp_wild",
    codec("ts", "libx264"),
    lambda d: mpegts.stamps(d, lambda n, t: t + 900000 * (n == 50), clock=False),
)
mutant(
    "ts_one_stamp_early",
    codec("ts", "libx264"),
    lambda d: mpegts.stamps(d, lambda n, t: t - 90000 * (n == 50), clock=False),
)
mutant(
    "ts_stamps_jitter",
    codec("ts", "libx264"),
    lambda d: mpegts.stamps(d, lambda n, t: t + n * 2654435761 % 1800, clock=False),
)
mutant("ts_stamps_twice", codec("ts", "mpeg2video"), lambda d: mpegts.stamps(d, lambda n, t: t - t % 7200, clock=False))
mutant(
    "ts_presentation_as_coded",
    codec("ts", "libx264"),
    lambda d: mpegts.stamps(d, lambda n, t: 126000 + n * 3600, clock=False),
)
mutant(
    "ts_jump_in_stamps",
    codec("ts", "libx264"),
    lambda d: mpegts.stamps(d, lambda n, t: t + 3600 * HZ * (n >= 50)),
    True,
)
mutant("ts_jump_back_in_stamps", codec("ts", "libx264"), lambda d: mpegts.stamps(d, lambda n, t: t - HZ * (n >= 50)))
mutant("ts_jump_back_little", codec("ts", "libx264"), lambda d: mpegts.stamps(d, lambda n, t: t - HZ // 4 * (n >= 50)))

# Continuity counters, packets that are not there
assembled(
    "ts_counters_restart", "ts", lambda: _half(_ts(), 0) + mpegts.counters(_half(_ts(), 1), lambda _, c: c + 7), True
)
mutant("ts_counters_zero", codec("ts", "libx264"), lambda d: mpegts.counters(d, lambda *_: 0))
mutant("ts_counters_wild", codec("ts", "libx264"), lambda d: mpegts.counters(d, lambda n, _: n * 7))
mutant("ts_packets_gone", codec("ts", "libx264"), lambda d: mpegts.without_packets(d, lambda n: n % 97 == 60))
mutant("ts_piece_gone", codec("ts", "mpeg2video"), lambda d: mpegts.without_packets(d, lambda n: 250 <= n < 320))
mutant("ts_starts_inside", codec("ts", "libx264"), lambda d: mpegts.without_packets(d, lambda n: 3 <= n < 40))
mutant("ts_mpeg2_starts_inside", codec("ts", "mpeg2video"), lambda d: mpegts.without_packets(d, lambda n: 3 <= n < 60))


def _half(data: bytes, which: int) -> bytes:
    middle = len(data) // 2 // mpegts.PACKET * mpegts.PACKET
    return data[middle:] if which else data[:middle]


# Program streams
def _ps(first: int = 0, codec_name: str = "mpeg2video", kind: str = "vob") -> bytes:
    return numbered(f"{codec_name}.{kind}", codec_name, first=first).read_bytes()


add("ps_mpeg1", codec("mpg", "mpeg1video"))
assembled("ps_parts_restart", "vob", lambda: _ps() + _ps(100))
assembled("ps_mpeg1_parts_restart", "mpg", lambda: _ps(0, "mpeg1video", "mpg") + _ps(100, "mpeg1video", "mpg"))
assembled("ps_parts_hour_later", "vob", lambda: _ps() + mpegts.pack_times(_ps(100), lambda _, t: t + 3600 * HZ))
mutant("ps_wraps", codec("vob", "mpeg2video"), lambda d: mpegts.pack_times(d, lambda _, t: t + WRAP - 3 * HZ))
mutant("ps_no_stamps", codec("vob", "mpeg2video"), lambda d: mpegts.pack_times(d, lambda *_: None))
mutant("ps_some_stamps", codec("vob", "mpeg2video"), lambda d: mpegts.pack_times(d, lambda n, t: None if n % 4 else t))

# Matroska and WebM
for _name, _kind, _encoder in (("h264", "mkv", "libx264"), ("vp9", "webm", "libvpx-vp9"), ("mpeg4", "mkv", "mpeg4")):
    _base = codec(_kind, _encoder)
    mutant(f"mkv_{_name}_times_zero", _base, lambda d: matroska.block_times(d, lambda *_: 0))
    mutant(f"mkv_{_name}_times_twice", _base, lambda d: matroska.block_times(d, lambda _, t: t - t % 80))
    mutant(
        f"mkv_{_name}_times_jump",
        _base,
        lambda d: matroska.block_times(d, lambda n, t: t + 20_000 * (n >= 50)),
        _name == "vp9",
    )
    mutant(f"mkv_{_name}_times_back", _base, lambda d: matroska.block_times(d, lambda n, t: t - 900 * (n >= 50)))
    mutant(f"mkv_{_name}_one_time_early", _base, lambda d: matroska.block_times(d, lambda n, t: t - 700 * (n == 50)))
    mutant(f"mkv_{_name}_as_coded", _base, lambda d: matroska.block_times(d, lambda n, _: 40 * n))
    mutant(f"mkv_{_name}_blocks_gone", _base, lambda d: matroska.without_blocks(d, lambda n: n % 30 == 20))
mutant("mkv_clusters_late", lambda: h264("mkv"), lambda d: matroska.cluster_times(d, lambda _, t: 60_000 + t))
mutant("mkv_without_cues", lambda: h264("mkv"), lambda d: matroska.voided(d, matroska.CUES, matroska.SEEK))
mutant("mkv_without_rate", lambda: h264("mkv"), lambda d: matroska.voided(d, matroska.DEFAULT_DURATION))
add("mkv_start_25h", lambda: h264("mkv", extra=("-output_ts_offset", "90000")), True)
add("mkv_lists_decoding_times", lambda: copied(_avi_h264(), "from_avi.mkv", before=("-fflags", "+genpts")))
add("mkv_from_xvid", lambda: copied(numbered("libxvid.avi", "libxvid"), "from_xvid.mkv", before=("-fflags", "+genpts")))
add("mp4_from_xvid", lambda: copied(numbered("libxvid.avi", "libxvid"), "from_xvid.mp4"))


def _avi_h264() -> Path:
    return numbered("libx264.avi", "libx264")


# AVI
for _name, _encoder in (("mpeg4", "mpeg4"), ("xvid", "libxvid"), ("h264", "libx264")):
    _base = codec("avi", _encoder)
    mutant(f"avi_{_name}_without_index", _base, avi.without_index)
    mutant(f"avi_{_name}_slow", _base, lambda d: avi.header(d, "rate", lambda r: r // 2))
    mutant(f"avi_{_name}_starts_late", _base, lambda d: avi.header(d, "start", lambda _: 50))
    mutant(f"avi_{_name}_empty_chunks", _base, lambda d: avi.emptied(d, lambda n: n % 20 == 13))


# FLV
def _flv(first: int = 0) -> bytes:
    return h264("flv", first).read_bytes()


assembled("flv_parts_restart", "flv", lambda: flv.joined(_flv(), _flv(100), 0))
assembled("flv_parts_in_order", "flv", lambda: flv.joined(_flv(), _flv(100), 4000))
assembled("flv_parts_hour_later", "flv", lambda: flv.joined(_flv(), _flv(100), 3_600_000))
assembled("flv_parts_overlap", "flv", lambda: flv.joined(_flv(), _flv(100), 2000))
mutant("flv_composition_zero", lambda: h264("flv"), lambda d: flv.composition(d, lambda *_: 0))
mutant("flv_composition_jumps", lambda: h264("flv"), lambda d: flv.composition(d, lambda n, c: c + 500 * (n > 50)))


# Ogg
def _short_pages() -> Path:
    return numbered("pages.ogv", "libtheora", extra=["-page_duration", "200000"])


mutant("ogg_late", _short_pages, lambda d: ogg.granules(d, lambda n, g: g + (250 << 5) * (g > 0)))
mutant("ogg_jump", _short_pages, lambda d: ogg.granules(d, lambda n, g: g + (250 << 5) * (g > 0 and n > 12)))
mutant("ogg_jump_back", _short_pages, lambda d: ogg.granules(d, lambda n, g: g - (25 << 5) * (g > 0 and n > 12)))
mutant("ogg_pages_gone", _short_pages, lambda d: ogg.without_pages(d, lambda n: n == 15))
assembled("ogg_chained", "ogv", lambda: _ogg() + _ogg(100))


def _ogg(first: int = 0) -> bytes:
    return numbered("libtheora.ogv", "libtheora", first=first).read_bytes()


# Without a container
for _kind, _encoder in (
    ("h264", "libx264"), ("hevc", "libx265"), ("m4v", "mpeg4"), ("m2v", "mpeg2video"), ("m1v", "mpeg1video"),
    ("ivf", "libvpx"), ("obu", "libsvtav1"),
):  # fmt: skip
    add(f"raw_{_kind}", codec(_kind, _encoder), _kind == "h264")
add("raw_mjpeg", codec("mjpeg", "mjpeg"))

# Files that break off, and starts that are not 0:00
for _name, _kind, _encoder in (
    ("mkv", "mkv", "libx264"), ("webm", "webm", "libvpx"), ("ts", "ts", "libx264"), ("avi", "avi", "mpeg4"),
    ("flv", "flv", "libx264"), ("ogg", "ogv", "libtheora"), ("ps", "mpg", "mpeg1video"), ("raw", "h264", "libx264"),
):  # fmt: skip
    add(f"{_name}_cut", lambda k=_kind, e=_encoder: truncated(codec(k, e)(), 0.6), _name == "mkv")  # type: ignore[misc]
add("mp4_fragments_cut", lambda: truncated(h264(extra=("-movflags", "frag_keyframe+empty_moov")), 0.6))
for _kind in ("mp4", "mkv", "ts", "flv"):
    add(f"{_kind}_pictures_after_sound", lambda k=_kind: _delayed(k))  # type: ignore[misc]
    add(f"{_kind}_last_picture_stays", lambda k=_kind: h264(k, audio=7), _kind == "mkv")  # type: ignore[misc]


def _delayed(kind: str) -> Path:
    """Sound from 0:00 on, pictures from 1.5 s on."""
    sound = ["-f", "lavfi", "-i", "sine=duration=5"]
    return make(
        f"delayed.{kind}", [*sound, "-itsoffset", "1.5", "-i", h264("mkv"), "-map", "0", "-map", "1", "-c:v", "copy"]
    )


add("ts_offset", lambda: h264("ts", extra=("-output_ts_offset", "500")))
