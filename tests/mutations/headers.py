"""Display matrices, and durations in headers that are not those of the pictures."""

from math import cos, radians, sin

from tests.mutations import avi, flv, matroska, mp4
from tests.mutations.cases import add, codec, copied, h264, mutant

# Display matrices
_TURNS = {
    "turned_90": (0, 1, -1, 0),
    "turned_180": (-1, 0, 0, -1),
    "turned_270": (0, -1, 1, 0),
}
_MIRRORED = {
    "mirrored_0": (-1, 0, 0, 1),
    "mirrored_90": (0, 1, 1, 0),
    "mirrored_180": (1, 0, 0, -1),
    "mirrored_270": (0, -1, -1, 0),
}
for _name, _words in {**_TURNS, **_MIRRORED}.items():
    mutant(
        f"mp4_{_name}", h264, lambda d, m=_words: mp4.matrix(d, *m), _name in ("mirrored_0", "mirrored_90", "turned_90")
    )  # type: ignore[misc]
mutant("mp4_turned_scaled", h264, lambda d: mp4.matrix(d, 0, 2, -2, 0))
for _angle in (10, 80, 200):
    _words = (cos(radians(_angle)), sin(radians(_angle)), -sin(radians(_angle)), cos(radians(_angle)))
    mutant(f"mp4_turned_{_angle}", h264, lambda d, m=_words: mp4.matrix(d, *m))  # type: ignore[misc]
mutant("mp4_matrix_of_zeros", h264, lambda d: mp4.matrix(d, 0, 0, 0, 0))
add("mkv_turned", lambda: copied(h264(), "turned.mkv", before=("-display_rotation", "90")))
add("mkv_mirrored", lambda: copied(h264(), "mirrored.mkv", before=("-display_hflip",)))
add("mov_mirrored_turned", lambda: copied(h264(), "both.mov", before=("-display_rotation", "90", "-display_hflip")))

# Header durations
for _share, _word in ((1 / 30, "short"), (30, "long"), (0, "zero")):
    mutant(f"mp4_media_header_{_word}", h264, lambda d, s=_share: mp4.header_durations(d, s, "mdhd"), _word == "short")  # type: ignore[misc]
    mutant(f"mp4_all_headers_{_word}", h264, lambda d, s=_share: mp4.header_durations(d, s))  # type: ignore[misc]
    mutant(f"mp4_movie_headers_{_word}", h264, lambda d, s=_share: mp4.header_durations(d, s, "mvhd tkhd"))  # type: ignore[misc]
    mutant(f"mkv_header_{_word}", lambda: h264("mkv"), lambda d, s=_share: matroska.header_duration(d, s))  # type: ignore[misc]
    mutant(f"flv_header_{_word}", lambda: h264("flv"), lambda d, s=_share: flv.duration(d, 4 * s))  # type: ignore[misc]
mutant("avi_header_short", codec("avi", "mpeg4"), lambda d: avi.header(d, "length", lambda n: n // 10))
mutant(
    "avi_header_zero",
    codec("avi", "mpeg4"),
    lambda d: avi.header(avi.header(d, "length", lambda _: 0), "frames", lambda _: 0),
)
