"""Pack the samples of a shard, in plan order, into one WebDataset tar, and write its index."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import IO, Any

from longtake.pipeline.build.sample import Sample
from longtake.pipeline.build.stored import StoredSample
from longtake.pipeline.filters.frame_filter import frame_fault
from longtake.pipeline.fragments.fragment import BLOCK, Marker, read_entries, tar_header
from longtake.pipeline.merge.frame_times import frame_sentence
from longtake.schemas import storage, tables
from longtake.schemas.config import Filters
from longtake.schemas.layout import MEMBER_JSON, MEMBER_TEXT, Layout, frame_member, shard_name
from longtake.schemas.manifest import ShardRecord
from longtake.schemas.records import IndexEntry, LongClip, Member

#: Rows in a row group of the index: one or two megabytes. With fewer, queries on a large corpus mostly read footers.
INDEX_ROW_GROUP = 1024
_END_OF_ARCHIVE = b"\0" * (2 * BLOCK)


def samples_of(
    clips: Iterable[LongClip],
    markers: Mapping[str, Marker],
    filters: Filters | None = None,
    stored: Mapping[str, StoredSample] | None = None,
) -> Iterator[Sample]:
    """The samples of `clips`, by position. Their frames are in one of the markers (by marker path) and pass the filters, or are
    `stored` in a finished corpus (by key). All other long clips were dropped."""
    filters = filters or Filters()
    found = {
        sample.key: (path, marker, sample)
        for path, marker in markers.items()
        for sample in marker.samples
        if frame_fault(sample.scores, filters) is None
    }
    for clip in sorted(clips, key=lambda c: c.position):
        if clip.key in found:
            path, marker, frames = found[clip.key]
            yield Sample(clip, marker, frames, partial(read_entries, path, marker, frames))
        elif stored and clip.key in stored:
            yield stored[clip.key].sample(clip)


def sample_json(sample: Sample, shard: str, position: int) -> dict[str, Any]:
    """The content of a sample's `.json` member (docs/format.md)."""
    clip, source = sample.clip, sample.marker.source
    return {
        "key": clip.key,
        "video_id": clip.video.video_id,
        "url": clip.video.url,
        "license": clip.video.license,
        "split": clip.split,
        "shard": shard,
        "position": position,
        "start_ms": clip.start_ms,
        "end_ms": clip.end_ms,
        "sentences": [tables.sentence_json(s) for s in clip.sentences],
        "frame_times_ms": clip.frame_times_ms,
        "frame_pts_ms": sample.frames.frame_pts_ms,
        "frame_sentence": frame_sentence(len(clip.sentences), len(clip.frame_times_ms) // len(clip.sentences)),
        "frame_size": sample.marker.frame_size,
        "source": {name: value for name, value in asdict(source).items() if value is not None},
        "meta": json.loads(clip.video.meta),
    }


def shard_numbers(used: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The published number of each planned shard that has samples: those in `used`.

    A number changes only if decoding emptied an earlier shard: an empty tar stops a loader and a gap in the numbers breaks
    `train-{000000..000041}.tar`, so later shards move up.
    """
    numbers: dict[tuple[str, int], int] = {}
    next_number: Counter[str] = Counter()
    for split, planned in sorted(used):
        numbers[split, planned] = next_number[split]
        next_number[split] += 1
    return numbers


def pack(layout: Layout, split: str, number: int, samples: Iterable[Sample]) -> ShardRecord:
    """Write shard `number` of `split` and its index. If writing raises OSError, no half-written file is left."""
    name = shard_name(split, number)
    entries: list[IndexEntry] = []
    with storage.writing(layout.shard(name)) as temporary:
        with open(temporary, "wb") as stream:
            tar = _HashingWriter(stream)
            for position, sample in enumerate(samples):
                entries.append(_write_sample(tar, sample, name, position))
            tar.write(_END_OF_ARCHIVE)
        rows = [tables.index_row(entry) for entry in entries]
        storage.write_parquet(layout.shard_index(name), tables.table(rows, tables.INDEX), INDEX_ROW_GROUP)
    return ShardRecord(
        name=f"{name}.tar",
        split=split,
        samples=len(entries),
        frames=sum(len(e.frame_pts_ms) for e in entries),
        bytes=tar.size,
        sha256=tar.sha256.hexdigest(),
    )


class _HashingWriter:
    """A tar stream that counts and hashes its bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self.sha256.update(data)
        self.size += len(data)


def _write_sample(tar: _HashingWriter, sample: Sample, shard: str, position: int) -> IndexEntry:
    clip = sample.clip
    described = json.dumps(sample_json(sample, shard, position), ensure_ascii=False, separators=(",", ":"))
    members: list[Member] = []
    digest = hashlib.sha256()
    for extension, data in ((MEMBER_JSON, described.encode()), (MEMBER_TEXT, clip.paragraph.encode())):
        header = tar_header(f"{clip.key}.{extension}", len(data))
        members.append(Member(f"{clip.key}.{extension}", tar.size + len(header), len(data)))
        digest.update(data)
        tar.write(header + data + b"\0" * (-len(data) % BLOCK))
    frames, at = sample.entries(), 0
    for number, size in enumerate(sample.frames.frame_sizes):
        name = f"{clip.key}.{frame_member(number, len(sample.frames.frame_sizes))}"
        at += len(tar_header(name, size))
        members.append(Member(name, tar.size + at, size))
        digest.update(frames[at : at + size])
        at += size + -size % BLOCK
    tar.write(frames)
    return IndexEntry(
        clip=replace(clip, shard=-1),
        shard=shard,
        position=position,
        members=tuple(members),
        sha256=digest.hexdigest(),
        frame_pts_ms=sample.frames.frame_pts_ms,
        frame_size=sample.marker.frame_size,
        source=sample.marker.source,
        frame_scores=sample.frames.scores,
    )
