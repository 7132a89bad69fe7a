"""The Beam graph of a revision's shards: packs samples of finished corpora, and newly decoded ones, as the new plan says."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput

from longtake.pipeline.build.graph import (
    LEDGER_PREFIX,
    Pack,
    TaskResult,
    decode_tasks,
    lost_videos,
    pack_results,
)
from longtake.pipeline.build.seal import final_counts, publish
from longtake.pipeline.decode import versions
from longtake.pipeline.fragments.plan_table import plan_parts, tasks_of
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.ledger.write import WriteLedger
from longtake.pipeline.plan.summary import PlanSummary
from longtake.pipeline.read.rows import DROPS
from longtake.pipeline.revise.change import VersionChange
from longtake.pipeline.revise.tables_graph import carried, read_drops
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, Filters
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, ShardRecord

_ROWS = 4096
_MISSING = "missing"


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """The settings to decode long clips without frames. `staging` is the corpus that provides fragments and gets new ones."""

    config: CorpusConfig
    staging: Layout
    workers: int


def add_shards(
    root: Any, change: VersionChange, sealed: "SealFacts", stay: bool, decoding: DecodeSettings | None = None
) -> None:
    """Pack the shards of the target, and seal it. With `stay`, unchanged shards of the first origin are not written."""
    joined = (
        {
            "planned": root
            | "New plan" >> beam.Create(plan_parts(change.target))
            | "Planned" >> beam.FlatMap(_planned),
            "stored": root
            | "Indexes"
            >> beam.Create(
                [
                    (n, o.shard_index(path.rsplit("/", 1)[-1].removesuffix(".parquet")))
                    for n, o in enumerate(change.origins)
                    for path in storage.list_files(o.index, ".parquet")
                ]
            )
            | "Stored" >> beam.FlatMap(_stored),
        }
        | "Plan and samples" >> beam.CoGroupByKey()
        | "Find frames" >> beam.FlatMap(_find, change).with_outputs(_MISSING, main="found")
    )
    results, drops = (
        joined.found,
        root | "Carried" >> beam.Create(storage.list_files(carried(change.target), ".parquet")),
    )
    drops = drops | "Carried drops" >> beam.FlatMap(read_drops)
    filters = Filters()
    if decoding is not None:
        filters = decoding.config.filters
        tasks = (
            joined[_MISSING]
            | "Rows of part" >> beam.GroupByKey()
            | "Tasks" >> beam.FlatMap(_tasks, decoding.config, versions(decoding.config.frames.decoder))
        )
        decoded = decode_tasks(tasks, decoding.config, decoding.staging, decoding.workers)
        results = (results, decoded.results) | "Found and decoded" >> beam.Flatten()
        drops = (drops, decoded[DROPS], lost_videos(results)) | "All drops" >> beam.Flatten()
    ledger = drops | "Ledger" >> WriteLedger(change.target.ledger, LEDGER_PREFIX)
    unchanged = change.origins[0] if stay else None
    pack = Pack(filters, change.target, unchanged.root if unchanged else None)
    shards = pack_results(results, pack, decoding.workers if decoding else 0, ledger)
    _ = (
        root
        | "Last" >> beam.Create([None], reshuffle=False)
        | "Seal" >> beam.Map(_seal, change, sealed, unchanged, AsSingleton(ledger), AsList(shards))
    )


def _planned(part: str) -> Iterator[tuple[str, tuple[str, int, str, tuple[str, int]]]]:
    """Yield (video, (part, row, key, place)) for each row of a plan."""
    number = 0
    columns = ["video_id", "key", "split", "shard"]
    with storage.open_table(part) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=_ROWS, columns=columns):
            for row in batch.to_pylist():
                yield row["video_id"], (part, number, row["key"], (row["split"], row["shard"]))
                number += 1


def _stored(element: tuple[int, str]) -> Iterator[tuple[str, tuple[int, str, str]]]:
    """Yield (video, (corpus, index, key)) for each sample of a shard."""
    number, index = element
    for row in storage.read_parquet(index, columns=["video_id", "key"]).to_pylist():
        yield row["video_id"], (number, index, row["key"])


def _find(element: tuple[str, dict[str, Iterable[Any]]], change: VersionChange) -> Iterator[Any]:
    """Yield the places of a video's stored samples, as if decoded, and the rows of its plan that need decoding."""
    video_id, sides = element
    stored: list[tuple[int, str, str]] = list(sides["stored"])
    chosen = min((number for number, *_ in stored), default=0)
    index_of = {key: index for number, index, key in stored if number == chosen}
    found: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
    for part, row, key, place in sorted(sides["planned"]):
        if key in index_of:
            found.setdefault((part, index_of[key]), Counter())[place] += 1
        elif video_id in change.retried or video_id in change.replanned:
            yield TaggedOutput(_MISSING, (part, row))
    for (part, index), kept in sorted(found.items()):
        yield TaskResult(video_id, part, index, tuple(sorted(kept.items())))


def _tasks(element: tuple[str, Iterable[int]], config: CorpusConfig, found: dict[str, str]) -> Iterator[Any]:
    part, rows = element
    yield from tasks_of(part, config, found, frozenset(rows))


# -- seal --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SealFacts:
    """The contents of the new corpus.json except counts and shards. `plan` has the figures of the new plan."""

    manifest: CorpusManifest
    plan: PlanSummary


def _seal(
    _: None, change: VersionChange, sealed: SealFacts, unchanged: Layout | None, drops: Tally, shards: list[ShardRecord]
) -> None:
    if not shards:
        raise CorpusError("no sample would be left in the corpus; to remove all of it, delete its folder")
    storage.delete_folder(carried(change.target))
    counts = final_counts(sealed.plan, drops, sum(shard.samples for shard in shards))
    in_order = tuple(sorted(shards, key=lambda shard: shard.name))
    update = {"counts": counts, "shards": in_order, "decisions": sealed.plan.decisions}
    publish(change.target, sealed.manifest.model_copy(update=update), unchanged)
