"""What the decoder is told changes in mid-stream, which stream is which, sizes and shapes that change."""

import struct
from pathlib import Path

from tests.media import derived, make
from tests.mutations import flv, matroska, mp4, mpegts
from tests.mutations.cases import add, assembled, codec, copied, h264, mutant
from tests.numbered_video import numbered

# The second of each pair decodes with the parameter sets of the first too, but to wrong colours or a broken picture.
_PAIRS = {
    "h264": (
        "libx264",
        ["-x264-params", "keyint=25:bframes=0:scenecut=0"],
        ["-x264-params", "keyint=25:bframes=0:scenecut=0:chroma-qp-offset=12"],
    ),
    "hevc": (
        "libx265",
        ["-x265-params", "keyint=25:bframes=0:scenecut=0:log-level=none:pools=none"],
        ["-x265-params", "keyint=25:bframes=0:scenecut=0:log-level=none:pools=none:cbqpoffs=12:crqpoffs=12"],
    ),
    "mpeg2": ("mpeg2video", [], ["-intra_matrix", ",".join(["8"] + ["60"] * 63)]),
    "mpeg4": ("mpeg4", [], ["-mpeg_quant", "1"]),
}  # fmt: skip
_ELEMENTARY = {"h264": "h264", "hevc": "hevc", "mpeg2": "m2v"}


def _pair(name: str, kind: str, which: int) -> Path:
    encoder, *options = _PAIRS[name]
    return numbered(f"{name}.{kind}", encoder, first=100 * which, extra=[*options[which], "-bf", "0"])


def _elementary(name: str) -> Path:
    kind = _ELEMENTARY[name]
    data = b"".join(_pair(name, kind, which).read_bytes() for which in (0, 1))
    return derived(f"pair 2 {name} {len(data)}", f"pair.{kind}", lambda path: path.write_bytes(data))


def _timed(name: str, kind: str) -> Path:
    """Both parts with their parameter sets in the stream, each once, in a container with times."""
    source = _elementary(name)
    return make(f"{name}.{kind}", ["-r", "25", "-i", source, "-c", "copy", "-bsf:v", "setts=ts=N"])


for _name in _ELEMENTARY:
    for _kind in ("mkv", "mp4", "ts"):
        _quick = (_name, _kind) in (("h264", "mkv"), ("mpeg2", "ts"))
        add(f"{_kind}_{_name}_sets_change", lambda n=_name, k=_kind: _timed(n, k), _quick)  # type: ignore[misc]
assembled(
    "flv_sets_change",
    "flv",
    lambda: flv.joined(_pair("h264", "flv", 0).read_bytes(), _pair("h264", "flv", 1).read_bytes(), 4000),
    True,
)
assembled(
    "flv_sets_missing", "flv",
    lambda: flv.joined(_pair("h264", "flv", 0).read_bytes(), _pair("h264", "flv", 1).read_bytes(), 4000, header=False),
)  # fmt: skip


def _entries(name: str, entries: int = 2) -> bytes:
    parts = (_b_frames(name, which).read_bytes() for which in (0, 1))
    return mp4.joined(*parts, entries=entries)


def _b_frames(name: str, which: int) -> Path:
    encoder, *options = _PAIRS[name]
    extra = [o.replace("bframes=0", "bframes=2") for o in options[which]]
    return numbered(f"{name}.mp4", encoder, first=100 * which, extra=extra)


for _name in ("h264", "hevc", "mpeg4"):
    assembled(f"mp4_{_name}_second_entry", "mp4", lambda n=_name: _entries(n), _name == "h264")  # type: ignore[misc]
    assembled(f"mp4_{_name}_entry_missing", "mp4", lambda n=_name: _entries(n, 1))  # type: ignore[misc]


# Sizes, shapes
def _sized(kind: str, encoder: str, size: tuple[int, int], first: int, *extra: str) -> bytes:
    return numbered(f"{encoder}.{kind}", encoder, first=first, size=size, extra=extra).read_bytes()


for _name, _encoder in (("h264", "libx264"), ("mpeg2", "mpeg2video"), ("hevc", "libx265")):
    for _word, _size in (("larger", (320, 240)), ("wider", (256, 144)), ("higher", (96, 160))):
        assembled(
            f"ts_{_name}_{_word}", "ts",
            lambda e=_encoder, s=_size: _sized("ts", e, (160, 120), 0) + mpegts.shifted(_sized("ts", e, s, 100), 4),  # type: ignore[misc]
            (_name, _word) == ("h264", "wider"),
        )  # fmt: skip
assembled(
    "ts_pixels_change", "ts",
    lambda: _sized("ts", "libx264", (160, 120), 0)
    + mpegts.shifted(_sized("ts", "libx264", (160, 120), 100, "-vf", "setsar=4/3"), 4),
)  # fmt: skip


def _vp9_sizes() -> Path:
    parts = [
        numbered("part.ivf", "libvpx-vp9", first=0),
        numbered("part.ivf", "libvpx-vp9", first=100, size=(256, 144)),
    ]
    frames = b"".join(_ivf_frames(p.read_bytes()) for p in parts)
    data = bytearray(parts[0].read_bytes()[:32])
    for number, at in enumerate(_ivf_places(frames)):
        frames = frames[: at + 4] + struct.pack("<Q", number) + frames[at + 12 :]
    source = derived(f"vp9 sizes 2 {len(frames)}", "sizes.ivf", lambda path: path.write_bytes(bytes(data) + frames))
    return copied(source, "sizes.webm")


def _ivf_frames(data: bytes) -> bytes:
    return data[32:]


def _ivf_places(frames: bytes) -> list[int]:
    found, at = [], 0
    while at + 12 <= len(frames):
        found.append(at)
        at += 12 + struct.unpack_from("<I", frames, at)[0]
    return found


add("webm_vp9_sizes_change", _vp9_sizes)
mutant("mp4_pixels_wide", h264, lambda d: mp4.add_to_entry(d, b"pasp", struct.pack(">II", 4, 3)))
mutant("mp4_cropped", h264, lambda d: mp4.add_to_entry(d, b"clap", struct.pack(">8i", 120, 1, 80, 1, 0, 1, 0, 1)), True)
mutant(
    "mp4_cropped_aside", h264, lambda d: mp4.add_to_entry(d, b"clap", struct.pack(">8i", 120, 1, 80, 1, -10, 1, 10, 1))
)
mutant(
    "mkv_cropped",
    lambda: h264("mkv"),
    lambda d: matroska.with_video_fields(d, crop_left=20, crop_right=20, crop_top=16, crop_bottom=16),
)
mutant(
    "mkv_display_wide",
    lambda: h264("mkv"),
    lambda d: matroska.with_video_fields(d, display_width=320, display_height=120),
)
mutant(
    "mp4_turned_and_cropped",
    h264,
    lambda d: mp4.matrix(mp4.add_to_entry(d, b"clap", struct.pack(">8i", 120, 1, 80, 1, 0, 1, 0, 1)), 0, 1, -1, 0),
)
mutant(
    "mp4_mirrored_pixels_wide",
    h264,
    lambda d: mp4.matrix(mp4.add_to_entry(d, b"pasp", struct.pack(">II", 4, 3)), -1, 0, 0, 1),
)

# What the header says of the decoder
mutant(
    "mp4_full_range_said", h264, lambda d: mp4.add_to_entry(d, b"colr", b"nclx" + struct.pack(">HHHB", 1, 1, 1, 0x80))
)
mutant("mp4_matrix_said", h264, lambda d: mp4.add_to_entry(d, b"colr", b"nclx" + struct.pack(">HHHB", 9, 1, 9, 0)))
mutant("mp4_sets_broken", h264, lambda d: mp4.sample_entry(d, lambda e: e.replace(b"\x67", b"\x60", 1)))
mutant("mkv_sets_gone", lambda: h264("mkv"), lambda d: matroska.voided(d, matroska.PRIVATE))
mutant("mkv_mpeg4_sets_gone", codec("mkv", "mpeg4"), lambda d: matroska.voided(d, matroska.PRIVATE))
mutant("mkv_sets_twice", lambda: _timed("h264", "mkv"), lambda d: matroska.voided(d, matroska.PRIVATE))


# Which stream
def _streams(name: str, first: Path, second: Path, *options: str) -> Path:
    return make(name, ["-i", first, "-i", second, "-map", "0", "-map", "1", "-c", "copy", *options])


def _small() -> Path:
    return numbered("small.mp4", first=1000, size=(80, 60))


def _single() -> Path:
    return numbered("single.mp4", first=1000, frames=1, size=(80, 60))


def _sound() -> Path:
    return make("sound.m4a", ["-f", "lavfi", "-i", "sine=duration=4"])


for _kind in ("mp4", "mov", "mkv"):
    add(f"{_kind}_single_picture_first", lambda k=_kind: _streams(f"single.{k}", _single(), h264()), _kind == "mov", 1)  # type: ignore[misc]
    add(
        f"{_kind}_small_first",
        lambda k=_kind: _streams(f"small.{k}", _small(), h264(), "-disposition:v", "default"),
        _kind == "mkv",
    )  # type: ignore[misc]
    add(
        f"{_kind}_small_is_default",
        lambda k=_kind: _streams(
            f"small.{k}", h264(), _small(), "-disposition:v:0", "0", "-disposition:v:1", "default"
        ),  # type: ignore[misc]
    )
    add(
        f"{_kind}_large_is_default",
        lambda k=_kind: _streams(
            f"large.{k}", _small(), h264(), "-disposition:v:0", "0", "-disposition:v:1", "default"
        ),  # type: ignore[misc]
    )
    add(f"{_kind}_sound_first", lambda k=_kind: _streams(f"sound.{k}", _sound(), h264()))  # type: ignore[misc]
add("ts_small_first", lambda: _streams("small.ts", _small(), h264()))
add("mp4_cover", lambda: _streams("cover.mp4", _jpeg(), h264(), "-disposition:v:0", "attached_pic"))


def _jpeg() -> Path:
    return numbered("cover.mp4", "mjpeg", first=1000, frames=1, size=(400, 300))
