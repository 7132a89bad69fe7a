"""Check one shard: compare its whole tar with its index, or some of its samples by ranged reads."""

import io
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.corpus.faults import FaultList
from longtake.pipeline.verify.index import IndexFacts, check_index, index_facts, read_index
from longtake.pipeline.verify.sample import sample_faults
from longtake.pipeline.verify.tar_walk import BLOCK, HashingReader, samples, walk, walk_part
from longtake.schemas import storage
from longtake.schemas.config import Frames
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import ShardRecord

_MAX_SAMPLE = 1 << 30  # bytes; a sample is read whole


@dataclass(frozen=True, slots=True)
class ShardTask:
    """A shard to check. `draw` is None to read all of it, else the most samples that may be wanted from it."""

    root: str
    shard: ShardRecord
    frames: Frames
    draw: int | None
    seed: int


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The result of the check of a shard."""

    facts: IndexFacts
    faults: tuple[FaultList, ...]


def check_shard(task: ShardTask) -> ShardResult:
    """Check a shard's index, then its tar: the whole tar, or only that it exists and has the right size."""
    layout, shard = Layout(task.root), task.shard
    of_index = FaultList(f"index/{shard.name.removesuffix('.tar')}.parquet")
    of_tar = FaultList(f"shards/{shard.name}")
    rows = read_index(layout, shard, of_index)
    if not of_index.number:
        check_index(rows, shard, task.frames, of_index)
    try:
        if task.draw is None:
            _check_tar(layout, shard, rows, of_tar)
        else:
            _check_size(layout, shard, rows, of_tar, of_index)
    except FileNotFoundError:
        of_tar.add("missing")
    except OSError as error:
        of_tar.add(f"unreadable: {error.strerror or error}")
    return ShardResult(index_facts(rows, task.draw or 0, task.seed), (of_tar, of_index))


def _check_tar(layout: Layout, shard: ShardRecord, rows: list[dict[str, Any]], faults: FaultList) -> None:
    """Read the whole tar once, and check its hash, its structure, and each sample against its row."""
    by_key = {row["key"]: row for row in rows}
    order: list[str] = []
    with storage.open_read(layout.path("shards", shard.name)) as stream:
        reader = HashingReader(stream)
        for key, members in samples(walk(reader, faults.add), faults.add):
            order.append(key)
            if key in by_key:
                for what in sample_faults(members, by_key[key]):
                    faults.add(what, key)
            elif rows:  # without rows the index is unreadable, which is reported once
                faults.add("not in the index", key)
        reader.drain()
    if reader.position != shard.bytes:
        faults.add(f"{reader.position:,} bytes; corpus.json says {shard.bytes:,}")
    elif reader.sha256.hexdigest() != shard.sha256:
        faults.add("the sha256 is not that of corpus.json")
    found = set(order)
    for key in by_key:
        if key not in found:
            faults.add("in the index, but not in the tar", key)
    if [k for k in order if k in by_key] != [k for k in by_key if k in found]:
        faults.add("the samples are not in the order of the index")


def _check_size(
    layout: Layout, shard: ShardRecord, rows: list[dict[str, Any]], of_tar: FaultList, of_index: FaultList
) -> None:
    """Check the size of the tar without reading it, and that the members of the index follow each other without a gap."""
    size, _ = storage.size_and_tag(layout.path("shards", shard.name))
    if size != shard.bytes:
        of_tar.add(f"{size:,} bytes; corpus.json says {shard.bytes:,}")
    end = 0
    for row in rows:
        for member in row["members"]:
            if member["offset"] != end + BLOCK:
                of_index.add(
                    f"{member['name']} is at {member['offset']}, and would have to be at {end + BLOCK}", row["key"]
                )
                return
            end = member["offset"] + member["size"] + -member["size"] % BLOCK
    if rows and end + 2 * BLOCK != shard.bytes:
        of_index.add(f"its members make a tar of {end + 2 * BLOCK:,} bytes; corpus.json says {shard.bytes:,}")


def check_drawn(root: str, shard: ShardRecord, keys: Collection[str]) -> FaultList:
    """Check some samples of a shard, each read by the offsets of the index."""
    layout, faults = Layout(root), FaultList(f"shards/{shard.name}")
    rows = [row for row in read_index(layout, shard, FaultList("")) if row["key"] in keys]
    for row in rows:
        try:
            _check_range(layout, shard, row, faults)
        except OSError as error:
            faults.add(f"unreadable: {error.strerror or error}", row["key"])
    return faults


def _check_range(layout: Layout, shard: ShardRecord, row: dict[str, Any], faults: FaultList) -> None:
    members = row["members"]
    start = members[0]["offset"] - BLOCK if members else 0
    end = members[-1]["offset"] + members[-1]["size"] + -members[-1]["size"] % BLOCK if members else 0
    if not (members and 0 <= start < end <= shard.bytes and end - start <= _MAX_SAMPLE):
        return  # the index is wrong, and its own check reports it
    data = storage.read_range(layout.path("shards", shard.name), start, end - start)
    reader = HashingReader(io.BytesIO(data), start)
    found = list(samples(walk_part(reader, len(members), faults.add), faults.add))
    if [key for key, _ in found] != [row["key"]]:
        faults.add("its files are not where the index says", row["key"])
        return
    for what in sample_faults(found[0][1], row):
        faults.add(what, row["key"])
