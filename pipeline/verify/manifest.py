"""Check corpus.json by itself, and check that exactly the files on its list exist."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from longtake.pipeline.corpus.faults import FaultList, list_some, short
from longtake.schemas import storage
from longtake.schemas.config import Frames
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout, shard_name
from longtake.schemas.manifest import CorpusManifest, ShardRecord, read_manifest, unfinished

SUBJECTS = ("videos", "sentences", "clips")
_NAME = re.compile(r"([A-Za-z0-9]+)-([0-9]{6,})\.tar")


@dataclass(frozen=True, slots=True)
class ListedShards:
    """The facts of corpus.json that all other checks start from. `shards` are those with usable names."""

    manifest: CorpusManifest
    frames: Frames
    shards: tuple[ShardRecord, ...]


def check_manifest(layout: Layout, faults: FaultList) -> ListedShards | None:
    """Read and check corpus.json. Returns None if nothing can be checked against it. Raises CorpusError if it is missing."""
    try:
        manifest = read_manifest(layout)
    except (CorpusError, OSError, RecursionError) as error:
        faults.add(" ".join(str(error).removeprefix(f"{layout.manifest}: ").split()))
        return None
    if manifest is None:
        raise unfinished(layout.root)
    try:
        frames = Frames.model_validate(manifest.config["frames"])
    except (KeyError, ValueError):
        faults.add("config.frames is missing or holds no frame settings")
        return None
    _check_splits(layout, manifest, faults)
    _check_counts(manifest, faults)
    _check_history(manifest, faults)
    return ListedShards(manifest, frames, _check_names(manifest, faults))


def _check_splits(layout: Layout, manifest: CorpusManifest, faults: FaultList) -> None:
    said = json.loads(storage.read_bytes(layout.manifest))["splits"]
    found = manifest.splits()
    if not isinstance(said, dict) or set(said) != set(found):
        faults.add(f"splits: names {short(sorted(said))}; the shards are of {short(sorted(found))}")
        return
    for name, split in found.items():
        if said[name] != split:
            faults.add(f"splits.{name}: says {short(said[name])}; its shards add up to {short(split)}")


def _check_counts(manifest: CorpusManifest, faults: FaultList) -> None:
    for subject in SUBJECTS:
        count = manifest.counts.get(subject)
        if count is None:
            faults.add(f"counts.{subject} is missing")
        elif not count.balances:
            faults.add(f"counts.{subject}: {count.total:,} in, but {count.kept:,} kept and {count.dropped:,} dropped")
    samples = sum(shard.samples for shard in manifest.shards)
    clips = manifest.counts.get("clips")
    if clips is not None and clips.kept != samples:
        faults.add(f"counts.clips.kept is {clips.kept:,}; the shards list {samples:,} samples")


def _check_history(manifest: CorpusManifest, faults: FaultList) -> None:
    """Check that each version after the first has an entry, in order. A merged corpus also has an entry for its first."""
    found = [entry.get("version") for entry in manifest.history]
    first = 1 if found[:1] == [1] else 2
    if manifest.version < 1 or found != list(range(first, manifest.version + 1)):
        faults.add(f"version is {manifest.version}; the history is of versions {short(found)}")


def _check_names(manifest: CorpusManifest, faults: FaultList) -> tuple[ShardRecord, ...]:
    """Report bad names and gaps in the numbers. Return the shards with legal names, each once, in order."""
    numbers: dict[str, list[int]] = {}
    usable: dict[str, tuple[str, int, ShardRecord]] = {}
    for shard in manifest.shards:
        match = _NAME.fullmatch(shard.name)
        if match is None or f"{shard_name(match[1], int(match[2]))}.tar" != shard.name:
            faults.add(f"shards: {short(shard.name)} is not the name of a shard")
        elif shard.name in usable:
            faults.add(f"shards: {shard.name} is listed twice")
        elif match[1] != shard.split:
            faults.add(f"shards: {shard.name} is listed under split {short(shard.split)}")
        else:
            numbers.setdefault(shard.split, []).append(int(match[2]))
            usable[shard.name] = shard.split, int(match[2]), shard
    for split, found in numbers.items():
        missing = sorted(set(range(len(found))) - set(found))
        if missing:
            names = [f"{shard_name(split, n)}.tar" for n in missing]
            faults.add(f"shards: the names of split {split} are not contiguous: {list_some(names)} missing")
    return tuple(shard for *_, shard in sorted(usable.values(), key=lambda entry: entry[:2]))


def check_files(layout: Layout, listed: ListedShards) -> list[FaultList]:
    """Report files in shards/ and index/ that corpus.json does not list. Missing files are reported when they are read."""
    names = [shard.name.removesuffix(".tar") for shard in listed.shards]
    expected: Mapping[str, set[str]] = {
        "shards": {f"{name}.tar" for name in names},
        "index": {f"{name}.parquet" for name in names},
    }
    out = []
    for folder, wanted in expected.items():
        for path in storage.list_files(layout.path(folder)):
            name = path.rsplit("/", 1)[-1]
            if name not in wanted:
                faults = FaultList(f"{folder}/{name}")
                faults.add("not listed in corpus.json")
                out.append(faults)
    return out
