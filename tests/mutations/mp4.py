"""Changes to MP4 and MOV files, bytes in and bytes out. The index (moov) must follow the media, as ffmpeg writes it: then no
offset moves when the index changes its size.
"""

import struct
from collections.abc import Callable, Iterator

Edit = Callable[[bytes], bytes | None]  # the body of a box, to its new body; None: without the box
STBL = "moov/trak/mdia/minf/stbl"
_FOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, body) of each box in `data`."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        yield kind, data[at + head : at + size]
        at += size


def box(kind: bytes, body: bytes) -> bytes:
    """A box."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def edit(data: bytes, path: str, change: Edit, track: int | None = None) -> bytes:
    """`data` with the body of each box at `path` changed; with `track` only those of that one (0 is the first)."""
    here, _, rest = path.partition("/")
    out, tracks = [], -1
    for kind, body in boxes(data):
        tracks += kind == b"trak"
        mine = kind == here.encode() and (track is None or kind != b"trak" or tracks == track)
        changed = (edit(body, rest, change, track) if rest else change(body)) if mine else body
        if changed is not None:
            out.append(box(kind, changed))
    return b"".join(out)


def get(data: bytes, path: str) -> bytes:
    """The body of the first box at `path`."""
    for kind in path.split("/"):
        data = next(body for name, body in boxes(data) if name == kind.encode())
    return data


def _full(*numbers: int, version: int = 0) -> bytes:
    return struct.pack(f">B3x{len(numbers)}I", version, *numbers)


def _runs(body: bytes, kind: str = ">II") -> list[tuple[int, ...]]:
    return [tuple(r) for r in struct.iter_unpack(kind, body[8:])]


def _table(runs: list[tuple[int, ...]], kind: str = ">II", version: int = 0) -> bytes:
    return _full(len(runs), version=version) + b"".join(struct.pack(kind, *run) for run in runs)


def drop(data: bytes, path: str) -> bytes:
    """Without the boxes at `path`."""
    return edit(data, path, lambda _: None, track=0)


def sync_samples(data: bytes, change: Callable[[list[int], int], list[int]]) -> bytes:
    """With other sync samples (from 1) in the first track: `change` gets those there are and the number of samples."""
    count = struct.unpack_from(">I", get(data, f"{STBL}/stsz"), 8)[0]
    return edit(
        data,
        f"{STBL}/stss",
        lambda body: _table([(n,) for n in change([r[0] for r in _runs(body, ">I")], count)], ">I"),
        track=0,
    )


def durations(data: bytes, change: Callable[[list[int]], list[int]]) -> bytes:
    """With other durations of the samples of the first track, in its time scale."""

    def body(old: bytes) -> bytes:
        each = [delta for count, delta in _runs(old) for _ in range(count)]
        return _table([(1, delta) for delta in change(each)])

    return edit(data, f"{STBL}/stts", body, track=0)


def composition(data: bytes, change: Callable[[list[int]], list[int]]) -> bytes:
    """With other composition offsets of the samples of the first track; they may be negative."""

    def body(old: bytes) -> bytes:
        each = [offset for count, offset in _runs(old, ">Ii") for _ in range(count)]
        return _table([(1, offset) for offset in change(each)], ">Ii", version=1)

    return edit(data, f"{STBL}/ctts", body, track=0)


def header_durations(data: bytes, share: float, which: str = "mdhd mvhd tkhd elst") -> bytes:
    """With the durations in these headers multiplied."""
    places = {"mdhd": ("moov/trak/mdia/mdhd", 16), "mvhd": ("moov/mvhd", 16), "tkhd": ("moov/trak/tkhd", 20)}
    places["elst"] = ("moov/trak/edts/elst", 8)
    for name in which.split():
        path, at = places[name]

        def change(body: bytes, at: int = at) -> bytes:
            new = min(int(struct.unpack_from(">I", body, at)[0] * share), 2**32 - 1)
            return body[:at] + struct.pack(">I", new) + body[at + 4 :]

        data = edit(data, path, change)
    return data


def matrix(data: bytes, a: float, b: float, c: float, d: float) -> bytes:
    """With the display matrix ((a, b), (c, d)) in the first track: (x, y) is shown at (ax + cy, bx + dy)."""
    numbers = [round(v * 65536) for v in (a, b)], [round(v * 65536) for v in (c, d)]
    words = struct.pack(">9i", *numbers[0], 0, *numbers[1], 0, 0, 0, 1 << 30)
    return edit(data, "moov/trak/tkhd", lambda body: body[:40] + words + body[76:], track=0)


def edit_list(data: bytes, *entries: tuple[int, int]) -> bytes:
    """With an edit list of (duration in the movie's scale, media time or -1) in the first track."""
    body = _full(len(entries)) + b"".join(struct.pack(">IiI", length, at, 1 << 16) for length, at in entries)

    def change(trak: bytes) -> bytes:
        rest = [(kind, old) for kind, old in boxes(trak) if kind != b"edts"]
        rest.insert(1, (b"edts", box(b"elst", body)))
        return b"".join(box(kind, old) for kind, old in rest)

    return edit(data, "moov/trak", change, track=0)


def timescale(data: bytes, factor: float) -> bytes:
    """With another time scale of the first track's media: all its times are stretched."""

    def change(body: bytes) -> bytes:
        return body[:12] + struct.pack(">I", int(struct.unpack_from(">I", body, 12)[0] * factor)) + body[16:]

    return edit(data, "moov/trak/mdia/mdhd", change, track=0)


def sample_entry(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """With the first sample entry of the first track changed (its body: 78 bytes and boxes)."""

    def body(stsd: bytes) -> bytes:
        (kind, first), *rest = boxes(stsd[8:])
        return stsd[:8] + box(kind, change(first)) + b"".join(box(*other) for other in rest)

    return edit(data, f"{STBL}/stsd", body, track=0)


def add_to_entry(data: bytes, kind: bytes, body: bytes) -> bytes:
    """With one more box in the first sample entry, as pasp, clap and colr are."""
    return sample_entry(
        data,
        lambda entry: (
            entry[:78] + b"".join(box(name, old) for name, old in boxes(entry[78:]) if name != kind) + box(kind, body)
        ),
    )


def joined(first: bytes, second: bytes, *, entries: int = 2) -> bytes:
    """The samples of two files of one video track each in one track, with a sample entry for each (`entries` 1: the first's)."""
    media = [get(first, "mdat"), get(second, "mdat")]
    head = box(b"ftyp", get(first, "ftyp"))
    start = [len(head) + 8, len(head) + 8 + len(media[0])]
    out = head + box(b"mdat", media[0] + media[1])
    tables = [dict(boxes(get(data, STBL))) for data in (first, second)]
    count = [struct.unpack_from(">I", t[b"stsz"], 8)[0] for t in tables]
    chunks = [
        [c[0] - _mdat(data) for c in _runs(t[b"stco"], ">I")] for data, t in zip((first, second), tables, strict=True)
    ]
    entry = [t[b"stsd"][8:] for t in tables]
    new = {
        b"stsd": _full(entries) + b"".join(entry[:entries]),
        b"stts": _table(_runs(tables[0][b"stts"]) + _runs(tables[1][b"stts"])),
        b"ctts": _table(_runs(tables[0][b"ctts"]) + _runs(tables[1][b"ctts"])),
        b"stss": _table(
            _runs(tables[0][b"stss"], ">I") + [(n[0] + count[0],) for n in _runs(tables[1][b"stss"], ">I")], ">I"
        ),
        b"stsc": _table(
            [(*r[:2], 1) for r in _runs(tables[0][b"stsc"], ">III")]
            + [(r[0] + len(chunks[0]), r[1], entries) for r in _runs(tables[1][b"stsc"], ">III")],
            ">III",
        ),
        b"stsz": _full(0, sum(count)) + tables[0][b"stsz"][12:] + tables[1][b"stsz"][12:],
        b"stco": _table([(at + start[n],) for n in (0, 1) for at in chunks[n]], ">I"),
    }
    moov = b"".join(box(kind, body) for kind, body in boxes(first) if kind == b"moov")
    moov = edit(moov, STBL, lambda body: b"".join(box(kind, new.get(kind, old)) for kind, old in boxes(body)))
    moov = edit(moov, "moov/trak/edts", lambda _: None)
    return out + header_durations(moov, 2)


def _mdat(data: bytes) -> int:
    """Where the body of the media begins."""
    at = 0
    for kind, body in boxes(data):
        if kind == b"mdat":
            return data.index(body, at)
        at += 8 + len(body)
    raise ValueError("no mdat")
