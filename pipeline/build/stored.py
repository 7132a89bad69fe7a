"""Samples of a finished corpus, read through its index: their frames need no decoding.

The bytes are checked against the index, and go unchanged into a new shard.
"""

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from longtake.pipeline.build.sample import Sample
from longtake.pipeline.fragments.fragment import FragmentSample, Marker, tar_entry
from longtake.schemas import storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout, frame_member, shard_name
from longtake.schemas.manifest import ShardRecord, read_manifest
from longtake.schemas.records import IndexEntry, LongClip

_INDEX = ".parquet"


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A sample of the finished corpus at `root`."""

    root: str
    entry: IndexEntry

    def sample(self, clip: LongClip) -> Sample:
        """The sample of `clip`. The clip equals the long clip of this entry except for its place and perhaps its split."""
        entry = self.entry
        frames = FragmentSample(
            key=clip.key,
            offset=0,
            size=0,
            sha256="",
            frame_sizes=tuple(member.size for member in entry.members[2:]),
            frame_pts_ms=entry.frame_pts_ms,
            scores=entry.frame_scores,
        )
        marker = Marker("", 0, entry.source, entry.frame_size, (), ())
        return Sample(clip, marker, frames, partial(read_frames, self))


def is_index(path: str) -> bool:
    """Whether `path` is the index of a shard in a finished corpus, and not the marker of a fragment."""
    return path.endswith(_INDEX)


def stored_samples(index: str, videos: Container[str]) -> dict[str, StoredSample]:
    """The samples of these videos in one shard, by key. Raises OSError, and CorpusError if a row names another shard."""
    root = storage.parent(storage.parent(index))
    rows = storage.read_parquet(index).to_pylist()
    name = index.rsplit("/", 1)[-1].removesuffix(_INDEX)
    if any(row["shard"] != name for row in rows):  # the name becomes a path, and the corpus may be a stranger's
        raise CorpusError(f"{index}: names another shard than {name}. Check the corpus with: longtake verify {root}")
    return {row["key"]: StoredSample(root, tables.entry_from_row(row)) for row in rows if row["video_id"] in videos}


def read_frames(stored: StoredSample) -> bytes:
    """The tar entries of a sample's frames. Raises OSError if they are missing, CorpusError if they differ from the index."""
    members = stored.entry.members
    start, end = members[0].offset, members[-1].offset + members[-1].size
    shard = Layout(stored.root).shard(stored.entry.shard)
    data = memoryview(storage.read_range(shard, start, end - start))
    files = [data[m.offset - start : m.offset - start + m.size] for m in members]
    if hashlib.sha256(b"".join(files)).hexdigest() != stored.entry.sha256:
        raise CorpusError(
            f"{shard}: sample {stored.entry.clip.key} is damaged. Check the corpus with: longtake verify {stored.root}"
        )
    frames, key = files[2:], stored.entry.clip.key
    return b"".join(tar_entry(f"{key}.{frame_member(i, len(frames))}", bytes(file)) for i, file in enumerate(frames))


# -- shards that stay as they are --------------------------------------------------------------------------------------


def unchanged(
    split: str, number: int, samples: Sequence[Sample], stored: Mapping[str, StoredSample]
) -> ShardRecord | None:
    """The record of the stored shard that has the same name and exactly these samples; None if there is none."""
    name = shard_name(split, number)
    roots = set()
    for position, sample in enumerate(samples):
        found = stored.get(sample.clip.key)
        if found is None or (found.entry.shard, found.entry.position) != (name, position):
            return None
        if replace(found.entry.clip, shard=-1, position=-1) != replace(sample.clip, shard=-1, position=-1):
            return None
        roots.add(found.root)
    record = _records(roots.pop()).get(f"{name}.tar") if len(roots) == 1 else None
    return record if record is not None and record.samples == len(samples) else None


@lru_cache(maxsize=16)
def _records(root: str) -> dict[str, ShardRecord]:
    manifest = read_manifest(Layout(root))
    return {shard.name: shard for shard in manifest.shards} if manifest else {}


def keep_shard(record: ShardRecord, stored: StoredSample, layout: Layout, stay: str | None) -> None:
    """Link a stored shard and its index into `layout`. Do nothing if its corpus is `stay`."""
    if stored.root == stay:
        return
    name, origin = record.name.removesuffix(".tar"), Layout(stored.root)
    storage.link(origin.shard(name), layout.shard(name))
    storage.link(origin.shard_index(name), layout.shard_index(name))
