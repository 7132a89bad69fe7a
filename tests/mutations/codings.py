"""What encoders and writers do that is allowed, and rare: other codecs with key marks that lie, open groups of pictures across a
joint, fields, orientation in the stream, changes of size in the stream, odd ways of packing."""

import struct
from pathlib import Path

from tests.media import derived, make
from tests.mutations import avi, flv, matroska, mp4, mpegts
from tests.mutations.cases import add, assembled, codec, copied, h264, mutant
from tests.numbered_video import numbered

_CIF = (176, 144)


def _cif(kind: str, encoder: str) -> Path:
    return numbered(f"{encoder}.{kind}", encoder, size=_CIF, extra=["-g", "25", "-q:v", "3"])


# Key marks of other codecs
for _name, _kind, _encoder in (
    ("h263", "3gp", "h263"), ("h263p", "mov", "h263p"), ("svq1", "mov", "svq1"), 
    ("cinepak", "mov", "cinepak"),
):  # fmt: skip
    add(f"{_kind}_{_name}", lambda k=_kind, e=_encoder: _cif(k, e))  # type: ignore[misc]
    mutant(
        f"{_kind}_{_name}_without_sync_table",
        lambda k=_kind, e=_encoder: _cif(k, e),  # type: ignore[misc]
        lambda d: mp4.drop(d, f"{mp4.STBL}/stss"),
    )
for _name, _encoder in (
    ("msmpeg4v2", "msmpeg4v2"), ("msmpeg4", "msmpeg4"), ("wmv1", "wmv1"), ("wmv2", "wmv2"), ("h263", "h263"),
    ("ffv1", "ffv1"), ("hevc", "libx265"), ("vp8", "libvpx"), ("vp9", "libvpx-vp9"),
):  # fmt: skip
    mutant(f"avi_{_name}_all_key", lambda e=_encoder: _cif("avi", e), lambda d: avi.key_flags(d, lambda *_: True))  # type: ignore[misc]
for _name, _encoder in (
    ("msmpeg4", "msmpeg4"),
    ("wmv2", "wmv2"),
    ("h263", "h263"),
    ("flv1", "flv"),
    ("mpeg1", "mpeg1video"),
    ("snow", "snow"),
):
    mutant(f"mkv_{_name}_all_key", lambda e=_encoder: _cif("mkv", e), lambda d: matroska.key_flags(d, lambda *_: True))  # type: ignore[misc]
add("asf_wmv2", lambda: _cif("wmv", "wmv2"))
add("asf_msmpeg4", lambda: _cif("wmv", "msmpeg4"))
add("mxf_mpeg2", lambda: _cif("mxf", "mpeg2video"))
for _name, _encoder in (("hevc", "libx265"), ("av1", "libsvtav1"), ("vp9", "libvpx-vp9")):
    add(f"flv_{_name}", codec("flv", _encoder))


# Open groups of pictures
def _open(kind: str, encoder: str, first: int = 0) -> Path:
    extra = {
        "libx264": ["-x264-params", "keyint=20:bframes=3:open-gop=1:scenecut=0"],
        "libx265": ["-x265-params", "keyint=20:bframes=3:open-gop=1:scenecut=0:log-level=none:pools=none"],
        "mpeg2video": ["-g", "12", "-bf", "2", "-flags", "-cgop"],
    }[encoder]
    return numbered(f"open.{kind}", encoder, first=first, extra=extra)


for _name, _encoder in (("h264", "libx264"), ("hevc", "libx265"), ("mpeg2", "mpeg2video")):
    assembled(
        f"ts_{_name}_open_parts_restart", "ts",
        lambda e=_encoder: _open("ts", e).read_bytes() + _open("ts", e, 100).read_bytes(),  # type: ignore[misc]
    )  # fmt: skip
    assembled(
        f"ts_{_name}_open_parts_inside", "ts",
        lambda e=_encoder: _open("ts", e).read_bytes()  # type: ignore[misc]
        + mpegts.shifted(mpegts.without_packets(_open("ts", e, 100).read_bytes(), lambda n: 3 <= n < 60), 4),
    )  # fmt: skip
    mutant(
        f"ts_{_name}_open_starts_inside",
        lambda e=_encoder: _open("ts", e),  # type: ignore[misc]
        lambda d: mpegts.without_packets(d, lambda n: 3 <= n < 60),
    )
    mutant(
        f"mkv_{_name}_open_all_key",
        lambda e=_encoder: _open("mkv", e),  # type: ignore[misc]
        lambda d: matroska.key_flags(d, lambda *_: True),
    )

# Fields and refreshing
_FIELDS = ("-flags", "+ildct+ilme")
for _kind in ("mp4", "ts", "mkv", "avi"):
    add(
        f"{_kind}_h264_fields",
        lambda k=_kind: numbered(f"fields.{k}", extra=[*_FIELDS, "-x264-params", "tff=1:keyint=25:bframes=2"]),
    )  # type: ignore[misc]
mutant(
    "ts_mpeg2_fields_some_stamps",
    lambda: numbered("fields.ts", "mpeg2video", extra=[*_FIELDS, "-vf", "setfield=tff", "-bf", "2", "-g", "12"]),
    lambda d: mpegts.stamps(d, lambda n, t: None if n % 3 else t, clock=False),
)


def _refreshed(first: int = 0) -> bytes:
    return numbered(
        "refresh.ts", first=first, extra=["-x264-params", "intra-refresh=1:keyint=20:bframes=0"]
    ).read_bytes()


assembled("ts_refreshed_parts_restart", "ts", lambda: _refreshed() + _refreshed(100))
mutant("mkv_refreshed_all_key", lambda: numbered("refresh.mkv", extra=["-x264-params", "intra-refresh=1:keyint=20:bframes=0"]),
       lambda d: matroska.key_flags(d, lambda *_: True))  # fmt: skip

# Orientation in the stream
for _word, _options in (("turned", "rotate=90"), ("mirrored", "flip=horizontal"), ("both", "rotate=90:flip=vertical")):
    for _kind in ("mp4", "ts"):
        add(
            f"{_kind}_{_word}_in_stream",
            lambda k=_kind, w=_word, o=_options: copied(  # type: ignore[misc]
                h264(k), f"{w}.{k}", "-bsf:v", f"h264_metadata=display_orientation=insert:{o}"
            ),
        )


# Changes of size and shape in the stream, in containers that say the size once
def _two_sizes(encoder: str, kind: str, size: tuple[int, int], to: str, *extra: str) -> Path:
    quick = ["-bf", "0"] if encoder != "libsvtav1" else []
    if encoder == "libx264":
        quick = ["-x264-params", "keyint=25:bframes=0:scenecut=0"]
    if encoder == "libx265":
        quick = ["-x265-params", "keyint=25:bframes=0:scenecut=0:log-level=none:pools=none"]
    parts = [
        numbered(f"size.{kind}", encoder, first=0, extra=quick),
        numbered(f"size.{kind}", encoder, first=100, size=size, extra=[*quick, *extra]),
    ]
    data = b"".join(path.read_bytes() for path in parts)
    source = derived(
        f"sizes 3 {encoder} {size} {extra} {len(data)}", f"sizes.{kind}", lambda path: path.write_bytes(data)
    )
    return make(f"sizes.{to}", ["-r", "25", "-i", source, "-c", "copy", "-bsf:v", "setts=ts=N"])


for _name, _encoder, _raw in (
    ("h264", "libx264", "h264"),
    ("hevc", "libx265", "hevc"),
    ("mpeg2", "mpeg2video", "m2v"),
    ("av1", "libsvtav1", "obu"),
):
    for _word, _size in (("larger", (320, 240)), ("wider", (256, 144))):
        for _kind in ("mkv", "mp4"):
            add(
                f"{_kind}_{_name}_{_word}_in_stream",
                lambda e=_encoder, r=_raw, s=_size, k=_kind: _two_sizes(e, r, s, k),  # type: ignore[misc]
            )
add("mkv_h264_pixels_change_in_stream", lambda: _two_sizes("libx264", "h264", (160, 120), "mkv", "-vf", "setsar=4/3"))
add("ts_mpeg2_aspect_change", lambda: _two_sizes("mpeg2video", "m2v", (160, 120), "ts", "-aspect", "16:9"))
add("mkv_h264_depth_change", lambda: _two_sizes("libx264", "h264", (160, 120), "mkv", "-pix_fmt", "yuv420p10le"))
add("mkv_h264_chroma_change", lambda: _two_sizes("libx264", "h264", (160, 120), "mkv", "-pix_fmt", "yuv444p"))
add("mkv_h264_matrix_change", lambda: _two_sizes("libx264", "h264", (160, 120), "mkv", "-colorspace", "bt709"))
add("mkv_h264_range_change", lambda: _two_sizes("libx264", "h264", (160, 120), "mkv", "-color_range", "pc"))

# Colours
for _matrix in ("bt709", "smpte170m", "smpte240m", "bt2020nc", "fcc"):
    add(f"mp4_matrix_{_matrix}", lambda m=_matrix: h264(extra=("-colorspace", m)))  # type: ignore[misc]
for _pixels in ("yuv422p", "yuv444p", "yuvj420p", "yuv420p10le", "yuv422p10le", "gray"):
    add(f"mp4_pixels_{_pixels}", lambda p=_pixels: h264(extra=("-pix_fmt", p)))  # type: ignore[misc]
add("mkv_rgb", lambda: numbered("rgb.mkv", "libx264rgb", extra=["-pix_fmt", "rgb24"]))
for _transfer in ("smpte2084", "arib-std-b67"):
    add(
        f"mp4_transfer_{_transfer}",
        lambda t=_transfer: h264(extra=("-color_trc", t, "-color_primaries", "bt2020", "-colorspace", "bt2020nc")),
    )  # type: ignore[misc]


# Fragments
def _fragments() -> bytes:
    return h264(extra=("-movflags", "frag_keyframe+empty_moov+default_base_moof")).read_bytes()


def _pieces() -> tuple[bytes, list[bytes]]:
    """The head of a fragmented file, and its fragments."""
    boxes = [mp4.box(*found) for found in mp4.boxes(_fragments())]
    starts = [n for n, found in enumerate(boxes) if found[4:8] == b"moof"]
    ends = [*starts[1:], next(n for n, found in enumerate(boxes) if found[4:8] == b"mfra")]
    return b"".join(boxes[: starts[0]]), [b"".join(boxes[a:b]) for a, b in zip(starts, ends, strict=True)]


def _arranged(*order: int) -> bytes:
    head, pieces = _pieces()
    return head + b"".join(pieces[n] for n in order)


assembled("mp4_fragment_twice", "mp4", lambda: _arranged(0, 1, 1, 2, 3))
assembled("mp4_fragments_out_of_order", "mp4", lambda: _arranged(0, 2, 1, 3))
assembled("mp4_fragment_missing", "mp4", lambda: _arranged(0, 1, 3))
assembled("mp4_fragments_from_second", "mp4", lambda: _arranged(1, 2, 3))
assembled("mp4_fragments_without_times", "mp4", lambda: _without_times())


def _without_times() -> bytes:
    head, pieces = _pieces()
    return head + b"".join(
        b"".join(
            mp4.box(
                kind, mp4.edit(body, "traf", lambda t: b"".join(mp4.box(k, b) for k, b in mp4.boxes(t) if k != b"tfdt"))
            )
            if kind == b"moof"
            else mp4.box(kind, body)
            for kind, body in mp4.boxes(piece)
        )
        for piece in pieces
    )


# Odd ways of packing
add("ts_of_192_bytes", lambda: h264("m2ts"))
assembled("ts_after_rubbish", "ts", lambda: bytes(range(200)) + h264("ts").read_bytes())
assembled("ts_rubbish_inside", "ts", lambda: _with_rubbish(h264("ts").read_bytes()))
assembled("raw_h264_after_rubbish", "h264", lambda: b"\0" * 50 + numbered("a.h264").read_bytes())
assembled("raw_h264_starts_inside", "h264", lambda: numbered("a.h264").read_bytes()[3000:])
assembled(
    "raw_h264_parts", "h264", lambda: numbered("a.h264").read_bytes() + numbered("a.h264", first=100).read_bytes()
)
assembled(
    "raw_m2v_parts",
    "m2v",
    lambda: numbered("a.m2v", "mpeg2video").read_bytes() + numbered("a.m2v", "mpeg2video", first=100).read_bytes(),
)
assembled(
    "flv_with_sound_parts",
    "flv",
    lambda: flv.joined(h264("flv", audio=4).read_bytes(), h264("flv", 100).read_bytes(), 4000),
)


def _with_rubbish(data: bytes) -> bytes:
    middle = len(data) // 2 // mpegts.PACKET * mpegts.PACKET
    return data[:middle] + bytes(range(100)) + data[middle:]


add("mp4_one_long_picture", lambda: numbered("one.mp4", frames=1, audio=5))
add("mkv_one_long_picture", lambda: numbered("one.mkv", frames=1, audio=5))
add(
    "mp4_starts_before_zero",
    lambda: copied(h264("mov"), "early.mov", "-output_ts_offset", "-0.7", "-avoid_negative_ts", "disabled"),
)
add("mkv_cut_by_copy", lambda: copied(h264("mkv"), "cut.mkv", before=("-ss", "1.3")))
add("ts_cut_by_copy", lambda: copied(h264("ts"), "cut.ts", before=("-ss", "1.3")))
add("mp4_cut_by_copy", lambda: copied(h264(audio=4), "cut.mp4", before=("-ss", "1.3")))
add("mp4_few_pictures", lambda: h264(extra=("-vf", "select='lt(mod(n,40),10)'", "-fps_mode", "vfr")))
add("ts_few_pictures", lambda: h264("ts", extra=("-vf", "select='lt(mod(n,40),10)'", "-fps_mode", "vfr")))
add(
    "avi_few_pictures",
    lambda: numbered("few.avi", "mpeg4", extra=["-vf", "select='lt(mod(n,40),10)'", "-fps_mode", "vfr", "-bf", "2"]),
)
add(
    "avi_few_pictures_h264", lambda: numbered("few.avi", extra=["-vf", "select='lt(mod(n,40),10)'", "-fps_mode", "vfr"])
)
mutant("avi_first_chunks_empty", codec("avi", "mpeg4"), lambda d: avi.emptied(d, lambda n: n in (1, 2)))
mutant("avi_loud", lambda: numbered("loud.avi", "mpeg4", audio=4), lambda d: avi.header(d, "start", lambda _: 10))
add("mp4_matrix_of_second", lambda: _second_turned())


def _second_turned() -> Path:
    small = numbered("small.mp4", first=1000, size=(80, 60))
    return make(
        "turned.mp4", ["-i", small, "-display_rotation", "90", "-i", h264(), "-map", "0", "-map", "1", "-c", "copy"]
    )


mutant("mkv_default_rate_wrong", lambda: h264("mkv"), lambda d: _rate(d, 10_000_000))


def _rate(data: bytes, nanoseconds: int) -> bytes:
    out = bytearray(data)
    for e in matroska.elements(data):
        if e.id == matroska.DEFAULT_DURATION:
            out[e.start : e.end] = nanoseconds.to_bytes(e.end - e.start, "big")
    return bytes(out)


mutant(
    "mp4_sizes_in_header_wrong",
    h264,
    lambda d: mp4.sample_entry(d, lambda e: e[:24] + struct.pack(">HH", 80, 60) + e[28:]),
)
