"""Frames for `synthetic_corpus.py`: one real shard of 64 samples, whose frames all other rows of the index point to."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import simplejpeg

from longtake.pipeline.build.pack import pack, samples_of
from longtake.pipeline.decode import Decoded, Frame
from longtake.pipeline.fragments.fragment import WantedClip, marker_path, write_fragment
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import ShardRecord
from longtake.schemas.records import LongClip, SourceInfo

SIZE = (240, 426)  # height, width
REAL = 64  # samples of the shard
FRAME_MS = 40  # between two frames of the made-up videos

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Templates:
    """Where the members of the real samples are: `offsets` and `sizes` of all, one sample after the other; `starts` has where
    each begins. `extensions` are those of the longest, `by_sentences` the samples that have so many sentences."""

    starts: Ints
    offsets: Ints
    sizes: Ints
    extensions: Any
    sha256: Any
    by_sentences: dict[int, Ints]


def write_shard(layout: Layout, clips: Sequence[LongClip], sources: Sequence[SourceInfo]) -> ShardRecord:
    """Write the shard train-000000 of these long clips, and an index of it."""
    markers = {}
    for number, (clip, source) in enumerate(zip(clips, sources, strict=True)):
        frames = tuple(
            Frame(t - t % FRAME_MS, picture(number, at / len(clip.frame_times_ms)))
            for at, t in enumerate(clip.frame_times_ms)
        )
        digest = hashlib.sha256(clip.key.encode()).hexdigest()
        wanted = [WantedClip(clip.key, clip.frame_times_ms)]
        markers[marker_path(layout, digest)] = write_fragment(
            layout, digest, wanted, Decoded(source, SIZE, frames, len(frames))
        )
    record = pack(layout, "train", 0, samples_of(clips, markers))
    storage.delete_folder(layout.staging)
    return record


def picture(number: int, at: float) -> bytes:
    """A frame of sample `number`: a disc before a sky, at the share `at` of its way; each sample has its brightness."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    light = 0.35 + 0.6 * (number * 37 % REAL) / REAL
    sky = np.stack([90 + x / 5, 120 + y / 3, 200 - y / 4 + number], axis=-1)
    sky += 12 * np.sin(x / 9 + 6 * at)[..., None]
    centre = SIZE[1] * at, SIZE[0] * (0.5 + 0.3 * np.sin(6 * at + number))
    inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (24 + number % 20) ** 2
    sky[inside] = (230, 60 + 2 * number, 40)
    pixels = np.ascontiguousarray(np.clip(sky * light, 0, 255), np.uint8)
    data: bytes = simplejpeg.encode_jpeg(pixels, quality=85, colorsubsampling="420")
    return data


def read_templates(layout: Layout) -> Templates:
    """The templates of the index that `write_shard` wrote."""
    table = storage.read_parquet(layout.shard_index("train-000000"))
    members = [row["members"] for row in table.select(["members"]).to_pylist()]
    flat = [member for own in members for member in own]
    longest = max(members, key=len)
    sentences = table["n_sentences"].to_numpy()
    return Templates(
        np.cumsum([0, *map(len, members)]),
        np.array([member["offset"] for member in flat]),
        np.array([member["size"] for member in flat]),
        pa.array([member["name"].partition(".")[2] for member in longest]),
        table["sha256"].combine_chunks(),
        {int(n): np.flatnonzero(sentences == n) for n in np.unique(sentences)},
    )


def members(keys: Any, chosen: Ints, templates: Templates) -> Any:
    """The column `members` of samples with these keys, whose data is that of the `chosen` templates."""
    lengths = templates.starts[chosen + 1] - templates.starts[chosen]
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    at = np.repeat(templates.starts[chosen], lengths) + within
    owners = pa.array(np.repeat(np.arange(len(chosen)), lengths), pa.int32())
    names = pc.binary_join_element_wise(keys.take(owners), templates.extensions.take(pa.array(within, pa.int32())), ".")
    struct = pa.StructArray.from_arrays(
        [names, pa.array(templates.offsets[at]), pa.array(templates.sizes[at])], ["name", "offset", "size"]
    )
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], ends]), pa.int32()), struct)
