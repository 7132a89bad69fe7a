"""What a removal takes out, with hashes, and whether a corpus still holds anything of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from longtake.pipeline.fragments.plan_table import plan_parts
from longtake.pipeline.revise.select import batches_of
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest
from longtake.schemas.removals import Removal


@dataclass(frozen=True, slots=True)
class RemovedSamples:
    """Samples in a corpus: the SHA-256 of their files by key, and of the shards that hold them, by name."""

    samples: Mapping[str, str]
    shards: Mapping[str, str]


def removed_samples(
    layout: Layout, manifest: CorpusManifest, videos: Collection[str], keys: Collection[str]
) -> RemovedSamples:
    """The samples of source videos, and those with given keys, with their hashes from the index."""
    hashes = {shard.name: shard.sha256 for shard in manifest.shards}
    samples, shards = dict[str, str](), dict[str, str]()
    wanted_videos, wanted_keys = pa.array(sorted(videos), pa.string()), pa.array(sorted(keys), pa.string())
    for path in storage.list_files(layout.index, ".parquet"):
        for batch in batches_of(path, ["key", "video_id", "shard", "sha256"]):
            own = pc.or_(pc.is_in(batch.column("video_id"), wanted_videos), pc.is_in(batch.column("key"), wanted_keys))
            for row in batch.filter(own).to_pylist():
                samples[row["key"]] = row["sha256"]
                name = f"{row['shard']}.tar"
                shards[name] = hashes.get(name, "")
    return RemovedSamples(samples, shards)


def still_there(layout: Layout, removal: Removal) -> list[str]:
    """What a corpus still holds of a removal, in index and plan: the same corpus, another version or a copy of it.

    These are samples and planned long clips of its source videos or with its keys, and samples with the same files under another
    key.
    """
    found = dict[str, None]()
    videos = pa.array(sorted(removal.videos), pa.string())
    keys, hashes = (
        pa.array(sorted(removal.samples), pa.string()),
        pa.array(sorted(set(removal.samples.values())), pa.string()),
    )
    for path in storage.list_files(layout.index, ".parquet"):
        for batch in batches_of(path, ["key", "video_id", "sha256"]):
            by_hash = pc.is_in(batch.column("sha256"), hashes)
            by_name = pc.or_(pc.is_in(batch.column("video_id"), videos), pc.is_in(batch.column("key"), keys))
            for row in batch.filter(pc.or_(by_hash, by_name)).to_pylist():
                named = row["video_id"] in removal.videos or row["key"] in removal.samples
                found[f"sample {row['key']}" + ("" if named else ", which has the same files")] = None
    for path in plan_parts(layout):
        for batch in batches_of(path, ["key", "video_id"]):
            planned = pc.or_(pc.is_in(batch.column("video_id"), videos), pc.is_in(batch.column("key"), keys))
            found |= {f"planned long clip {row['key']}": None for row in batch.filter(planned).to_pylist()}
    return list(found)
