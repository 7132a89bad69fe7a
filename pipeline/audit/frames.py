"""Measure the frames of samples: brightness, motion, and whether they can be read at all."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from longtake.pipeline.filters import still
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout

#: A row for each measured sample. `fault` says why its frames could not be read; then the measures are null.
FRAMES = pa.schema(
    [
        ("key", pa.string()),
        ("video_id", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("frames", pa.int32()),
        ("brightness", pa.float64()),  # mean luma, 0 to 255
        ("motion", pa.float64()),  # mean absolute difference of luma from frame to frame, 0 to 255
        ("black", pa.float64()),
        ("frozen", pa.float64()),
        ("slides", pa.float64()),
        ("fault", pa.string()),
    ]
)
_COLUMNS = ["key", "video_id", "split", "members", "sha256"]
_MAX_SAMPLE = 1 << 30  # bytes
_SHARD = re.compile(r"[A-Za-z0-9]+-\d{6,}")


@dataclass(frozen=True, slots=True)
class Look:
    """A piece of work: the samples of one shard to measure; None means all."""

    shard: str
    keys: tuple[str, ...] | None


def is_shard_name(name: str) -> bool:
    """Whether `name` has the form of a shard's name, and so is safe in a path."""
    return bool(_SHARD.fullmatch(name))


def brightness(pictures: still.Thumbnails) -> float:
    """Mean luma of the frames, 0 to 255."""
    return float(pictures.mean())


def motion(pictures: still.Thumbnails) -> float:
    """Mean absolute difference of luma from each frame to the next, 0 to 255; 0 for a single frame."""
    return float(np.abs(np.diff(pictures, axis=0)).mean()) if len(pictures) > 1 else 0.0


def measure(jpegs: Sequence[bytes]) -> dict[str, float]:
    """Measure the frames of one sample, given in order of time. Raises ValueError if one is not a JPEG."""
    pictures = still.thumbnails(jpegs)
    runs = still.still_runs(pictures)
    return {
        "brightness": brightness(pictures),
        "motion": motion(pictures),
        "black": still.black(pictures),
        "frozen": still.frozen(runs),
        "slides": still.slides(runs),
    }


def look(layout: Layout, piece: Look) -> Iterator[dict[str, Any]]:
    """Yield the rows of FRAMES for some samples of a shard. The row of an unreadable sample gives the reason."""
    if not is_shard_name(piece.shard):
        raise CorpusError(
            f"{layout.index}: {piece.shard!r} is not the name of a shard. Check the corpus with: longtake verify"
        )
    wanted = None if piece.keys is None else [("key", "in", list(piece.keys))]
    for row in storage.read_parquet(layout.shard_index(piece.shard), columns=_COLUMNS, filters=wanted).to_pylist():
        about = {name: row[name] for name in ("key", "video_id", "split")} | {"shard": piece.shard}
        try:
            jpegs = read_jpegs(layout, piece.shard, row)
            yield about | {"frames": len(jpegs)} | measure(jpegs)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            yield about | {"fault": f"{error or type(error).__name__}"[:200]}


def read_jpegs(layout: Layout, shard: str, row: Mapping[str, Any]) -> list[bytes]:
    """Read the frames of a sample by its index row. Raises OSError, and ValueError if they differ from the index."""
    members = row["members"]
    start = members[0]["offset"]
    size = members[-1]["offset"] + members[-1]["size"] - start
    if not 0 < size <= _MAX_SAMPLE or start < 0:
        raise ValueError("the index has an impossible size for it")
    data = storage.read_range(layout.shard(shard), start, size)
    parts = [data[m["offset"] - start : m["offset"] - start + m["size"]] for m in members]
    if hashlib.sha256(b"".join(parts)).hexdigest() != row["sha256"]:
        raise ValueError("its data is not what the index says (sha256)")
    jpegs = [part for m, part in zip(members, parts, strict=True) if m["name"].endswith(".jpg")]
    if not jpegs:
        raise ValueError("it has no frame")
    return jpegs


def pieces(chosen: Collection[tuple[str, str]]) -> list[Look]:
    """The work for samples that are given as (shard, key)."""
    shards: dict[str, list[str]] = {}
    for shard, key in sorted(chosen):
        shards.setdefault(shard, []).append(key)
    return [Look(shard, tuple(keys)) for shard, keys in shards.items()]
