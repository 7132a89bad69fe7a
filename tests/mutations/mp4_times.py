"""MP4 files whose times are shifted, missing, there twice, or jump."""

import struct
from collections.abc import Callable
from pathlib import Path

from tests.mutations import mp4
from tests.mutations.cases import add, codec, h264, mutant
from tests.mutations.key_marks import MP4_CODECS

# Times: shifted, missing, twice, jumping, in MP4
for _name in ("h264", "hevc", "mpeg4", "mpeg2"):
    mutant(
        f"mp4_{_name}_without_composition",
        codec("mp4", MP4_CODECS[_name]),
        lambda d: mp4.drop(d, f"{mp4.STBL}/ctts"),
        _name == "h264",
    )
mutant("mp4_composition_zero", h264, lambda d: mp4.composition(d, lambda o: [0] * len(o)))
mutant("mp4_composition_late", h264, lambda d: mp4.composition(d, lambda o: [x + 12800 for x in o]))
mutant("mp4_composition_early", h264, lambda d: mp4.composition(d, lambda o: [x - 1536 for x in o]))
mutant(
    "mp4_composition_jumps",
    h264,
    lambda d: mp4.composition(d, lambda o: [x + 25600 * (n > 60) for n, x in enumerate(o)]),
    True,
)
mutant(
    "mp4_composition_back",
    h264,
    lambda d: mp4.composition(d, lambda o: [x - 12800 * (n > 60) for n, x in enumerate(o)]),
)
mutant("mp4_composition_swapped", h264, lambda d: mp4.composition(d, lambda o: o[::-1]))
mutant("mp4_times_twice", h264, lambda d: mp4.durations(d, lambda o: [x * 2 * (n % 2) for n, x in enumerate(o)]))
mutant("mp4_times_stop", h264, lambda d: mp4.durations(d, lambda o: [x * (n < 50) for n, x in enumerate(o)]))
mutant("mp4_times_all_zero", h264, lambda d: mp4.durations(d, lambda o: [0] * len(o)))
mutant(
    "mp4_an_hour_gone",
    h264,
    lambda d: mp4.durations(d, lambda o: [x + 3600 * 12800 * (n == 50) for n, x in enumerate(o)]),
)
mutant("mp4_times_slow", h264, lambda d: mp4.timescale(d, 0.5))
mutant("mp4_times_fast", h264, lambda d: mp4.timescale(d, 3))
mutant("mp4_edit_late", h264, lambda d: mp4.edit_list(d, (1000, -1), (4000, 1024)))
mutant("mp4_edit_cut_start", h264, lambda d: mp4.edit_list(d, (3000, 1024 + 12800)))
mutant("mp4_edit_cut_middle", h264, lambda d: mp4.edit_list(d, (1000, 1024), (1000, 1024 + 2 * 12800)), True)
mutant("mp4_edit_twice", h264, lambda d: mp4.edit_list(d, (1000, 1024), (2000, 1024)))
mutant("mp4_edit_none", h264, lambda d: mp4.drop(d, "moov/trak/edts"))
mutant("mp4_edit_ends_early", h264, lambda d: mp4.edit_list(d, (2000, 1024)))


def _fragments() -> Path:
    return h264(extra=("-movflags", "frag_keyframe+empty_moov+default_base_moof"))


def _fragment_times(data: bytes, change: Callable[[int, int], int]) -> bytes:
    out, number = [], 0
    for kind, body in mp4.boxes(data):
        if kind == b"moof":
            wide = mp4.get(body, "traf/tfdt")[0] == 1
            form = ">Q" if wide else ">I"
            body = mp4.edit(
                body,
                "traf/tfdt",
                lambda old, n=number, f=form: old[:4] + struct.pack(f, change(n, struct.unpack_from(f, old, 4)[0])),  # type: ignore[misc]
            )
            number += 1
        out.append(mp4.box(kind, body))
    return b"".join(out)


add("mp4_fragments", _fragments)
mutant("mp4_fragments_restart", _fragments, lambda d: _fragment_times(d, lambda n, t: t if n < 2 else t - 25600))
mutant("mp4_fragments_jump", _fragments, lambda d: _fragment_times(d, lambda n, t: t + 3600 * 12800 * (n > 1)), True)
mutant("mp4_fragments_overlap", _fragments, lambda d: _fragment_times(d, lambda n, t: t - 6400 * (n > 1)))
mutant("mp4_fragments_at_zero", _fragments, lambda d: _fragment_times(d, lambda n, t: 0))
