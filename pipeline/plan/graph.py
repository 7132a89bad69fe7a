"""The Beam graph of `longtake plan`: manifest and transcripts in; plan, ledger and summary out. No video is decoded.

All data that grows with the input goes through Beam's joins. Side inputs hold only a few numbers per part of the plan.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any, Literal, TypeAlias

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import AsDict, AsSingleton, TaggedOutput

from longtake.pipeline.filters.clip_filter import check_filters
from longtake.pipeline.filters.rejects import RejectIndex, RejectsFile
from longtake.pipeline.fragments.seen_graph import SEEN, WriteSeen
from longtake.pipeline.ledger.merge_tallies import MergeTallies, SumTallies
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.ledger.write import WriteLedger
from longtake.pipeline.merge.groups import is_group_row, one_row
from longtake.pipeline.plan import assign
from longtake.pipeline.plan.duplicates.graph import FILTERED, LeaveOutDuplicates
from longtake.pipeline.plan.duplicates.video_graph import NOTES, LeaveOutVideos
from longtake.pipeline.plan.plain import LEDGER, ROWS, PlanPlain, is_plain
from longtake.pipeline.plan.plain_texts import PlanTexts, has_plain_texts
from longtake.pipeline.plan.summary import summarise, write_summary
from longtake.pipeline.plan.video import TALLY, MeasureVideo, PlanVideo
from longtake.pipeline.plan.video_rows import packed_videos, split_videos
from longtake.pipeline.read.chapters import add_chapters
from longtake.pipeline.read.graph import read_videos
from longtake.pipeline.read.rows import DROPS
from longtake.pipeline.run.batches import Batch, Batches, Pack, chunked_table, table_of
from longtake.pipeline.run.concurrent import Concurrent
from longtake.pipeline.run.parts import HASH, ByPart, with_hash, without_hash
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import batches_for
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import Layout, part_name
from longtake.schemas.records import LongClip

LEDGER_PREFIX = "part-plan"
_VIDEOS = "videos"
_CLIPS_IN_BATCH = 2048

OrderedVideos: TypeAlias = TaggedOutput[Literal["videos"], tuple[int, list[tuple[str, int]]]]


@dataclass(frozen=True, slots=True)
class PlanOutput:
    """Collections of LongClip, of Drop and of Tally. Several of drops and tallies: see WriteLedger."""

    clips: Any
    drops: tuple[Any, ...]
    tallies: tuple[Any, ...]
    rows: tuple[Any, ...] = ()  # batches of plan rows that were made by columns
    ledger: tuple[Any, ...] = ()  # batches of their ledger rows


@dataclass(frozen=True, slots=True)
class PlanSteps:
    """The parts of planning that not every plan has.

    Attributes:
        embed: adds embeddings to texts (embeddings.graph).
        caption: adds captions to the remaining long clips (captions.graph).
        rejects: what curators rejected; dropped before the search for duplicates.
        seen: stores size and tag of the sources.
    """

    embed: beam.PTransform | None = None
    caption: beam.PTransform | None = None
    rejects: RejectsFile | None = None
    seen: beam.PTransform | None = None


def add_planning(
    root: Any, config: CorpusConfig, layout: Layout, probe: str, workers: int, steps: PlanSteps | None = None
) -> None:
    """Add the planning of `config` to the pipeline `root`. `probe` is "none", "header" or "packets"."""
    steps = replace(steps or PlanSteps(), seen=WriteSeen(layout, config.seed))
    planned = plan_videos(root, config, probe, workers, steps)
    tallies = [side | f"Tallies {n}" >> beam.ParDo(SumTallies()) for n, side in enumerate(planned.tallies)]
    tally = tallies | "Tallies" >> beam.Flatten() | "Tally" >> beam.CombineGlobally(MergeTallies())
    ledger = planned.drops | "Ledger" >> WriteLedger(layout.ledger, LEDGER_PREFIX, planned.ledger)
    parts = write_plan(planned.clips, config.seed, config.shards.samples, layout, planned.rows)
    _ = (
        root
        | "Last" >> beam.Create([None], reshuffle=False)
        | "Summary"
        >> beam.Map(
            partial(_write_summary, config, layout, probe, steps.rejects),
            AsSingleton(tally),
            AsSingleton(ledger),
            AsSingleton(parts),
        )
    )


def plan_videos(
    root: Any, config: CorpusConfig, probe: str, workers: int, steps: PlanSteps, only: frozenset[str] | None = None
) -> PlanOutput:
    """Return the plan of `config` for all its videos, or for `only` these."""
    check_filters(config, probe)
    batches, take = batches_for(root.options), None
    by_columns = only is None and steps.rejects is None
    if by_columns and is_plain(config, probe):
        take = beam.ParDo(PlanPlain(config, batches)).with_outputs(ROWS, LEDGER, TALLY)
    read = read_videos(root, config, batches, probe != "none", only, take, workers)
    texts, taken, unread = read.texts, read.taken, list(read.drops)
    if by_columns and has_plain_texts(config, probe):
        taken = texts | "Plan by columns" >> beam.ParDo(PlanTexts(config, batches)).with_outputs(ROWS, LEDGER, TALLY)
        texts = taken[None]
    if config.source.chapters is not None:
        texts, unknown = add_chapters(root, texts, config)
        unread.append(unknown)
    if steps.embed is not None:
        texts = texts | "Embed texts" >> steps.embed
    PROGRESS.expect("planning", 0, "video")
    plan_video: beam.DoFn = PlanVideo(config, probe, workers)
    planned = texts | "Plan video" >> beam.ParDo(
        plan_video if probe == "none" else Concurrent(plan_video, workers), *rejected_there(root, steps.rejects)
    ).with_outputs(DROPS, TALLY, SEEN, main="videos")
    unique, repeats, repeated = leave_out_duplicates(planned.videos, config, workers)
    notes = []
    if steps.caption is not None:
        captioned = unique | "Captions" >> steps.caption
        unique = captioned["videos"]
        notes.append(captioned[DROPS])
    if config.split_by == "quota":
        unique = packed_videos(unique) | "Quotas" >> split_videos(config)
    measure_video: beam.DoFn = MeasureVideo(config, probe, workers)
    measured = unique | "Measure video" >> beam.ParDo(
        Concurrent(measure_video, workers) if probe == "packets" else measure_video
    ).with_outputs(TALLY, main="clips")
    drops = (*unread, planned[DROPS], *repeats, *notes)
    if config.source.groups is not None:
        drops = _one_row_a_group(drops)
    noted = () if steps.seen is None else (planned[SEEN] | "Seen" >> steps.seen,)
    tallies = (*read.tallies, planned[TALLY], measured[TALLY], *repeated, *noted)
    if taken is None:
        return PlanOutput(measured.clips, drops, tallies)
    return PlanOutput(measured.clips, drops, (*tallies, taken[TALLY]), (taken[ROWS],), (taken[LEDGER],))


def _one_row_a_group(drops: tuple[Any, ...]) -> tuple[Any, ...]:
    """Keep only one row of each published group: its clips may be in several places, and each place reports the group."""
    of_groups = [
        side | f"Group rows {n}" >> beam.FlatMap(lambda row: [(row.subject_id, row)] if is_group_row(row) else [])
        for n, side in enumerate(drops)
    ]
    one_of_each = (
        of_groups
        | "All group rows" >> beam.Flatten()
        | "Of each group" >> beam.GroupByKey()
        | "One row" >> beam.Map(lambda element: one_row(element[1]))
    )
    others = [
        side | f"Other rows {n}" >> beam.Filter(lambda row: not is_group_row(row)) for n, side in enumerate(drops)
    ]
    return (*others, one_of_each)


def rejected_there(root: Any, rejects: RejectsFile | None) -> tuple[AsSingleton, ...]:
    """The side input with the rejections, if there are any. The workers read them: there may be too many to carry in a step."""
    if rejects is None:
        return ()
    found = root | "Rejects" >> beam.Create([rejects], reshuffle=False) | "Read rejects" >> beam.Map(_read_rejects)
    return (AsSingleton(found),)


def _read_rejects(file: RejectsFile) -> RejectIndex:
    return RejectIndex(file.read())


def leave_out_duplicates(videos: Any, config: CorpusConfig, workers: int) -> tuple[Any, list[Any], list[Any]]:
    """Return the videos without duplicates, and collections of ledger rows and of tallies: one for each enabled search."""
    drops, counted = [], []
    steps: dict[str, beam.PTransform] = {}
    if config.duplicates.videos != "keep":
        steps["videos"] = LeaveOutVideos(config, workers)
    if config.duplicates.paragraphs != "keep":
        steps["paragraphs"] = LeaveOutDuplicates(config.duplicates, config.seed)
    for name, step in steps.items():
        found = videos | f"Duplicate {name}" >> step
        videos = found["videos"]
        drops += [found[DROPS], *([found[NOTES]] if name == "videos" else [])]
        counted.append(found[FILTERED] | f"Count duplicate {name}" >> beam.Map(lambda n: Counter({("filtered",): n})))
    return videos, drops, counted


def write_plan(clips: Any, seed: int, samples: int, layout: Layout, more: tuple[Any, ...] = ()) -> Any:
    """Assign the clips of each split to shards of about `samples`, and write the plan. `more` are collections of batches of plan
    rows, with the hash of their videos. The result is the number of written clips, after all are written."""
    PROGRESS.expect("writing", 0, "long clip")
    batches = batches_for(clips.pipeline.options)
    packed = clips | "Plan rows" >> beam.ParDo(Pack(partial(_plan_rows, seed=seed), batches, _CLIPS_IN_BATCH))
    ordered = (
        (packed, *more)
        | "All plan rows" >> beam.Flatten()
        | "Parts" >> ByPart(assign.CLIPS_PER_PART, batches)
        | "Order" >> beam.FlatMap(_ordered, batches, seed).with_outputs(_VIDEOS, main="parts")
    )
    per_split = (
        ordered[_VIDEOS] | "Splits of part" >> beam.FlatMap(_splits_of_part) | "Per split" >> beam.CombinePerKey(sum)
    )
    per_shard = (
        ordered[_VIDEOS]
        | "Assign" >> beam.FlatMap(_shards_of_videos, samples, AsDict(per_split))
        | "Per shard" >> beam.CombinePerKey(sum)
    )
    return _written(ordered.parts, layout, per_shard, samples, per_split)


def write_assigned(assigned: Any, layout: Layout) -> Any:
    """Set the positions of the clips of each (part, clips in order) in their shards, and write the plan like `write_plan`."""
    batches = batches_for(assigned.pipeline.options)
    parts = assigned | "Plan rows" >> beam.MapTuple(
        lambda part, clips: (part, batches.of(tables.bare_plan_table(clips)))
    )
    per_shard = assigned | "Shards of part" >> beam.FlatMap(_shards_of_part) | "Per shard" >> beam.CombinePerKey(sum)
    return _written(parts, layout, per_shard)


def _written(parts: Any, layout: Layout, per_shard: Any, samples: int = 0, per_split: Any = None) -> Any:
    splits = () if per_split is None else (AsDict(per_split),)
    return (
        parts
        | "Write part" >> beam.Map(_write_part, layout, samples, AsDict(per_shard), *splits)
        | "Written" >> beam.CombineGlobally(sum)
    )


def _plan_rows(clips: Sequence[LongClip], seed: int) -> pa.Table:
    return with_hash(tables.bare_plan_table(clips), [clip.video.video_id for clip in clips], seed)


def _ordered(
    element: tuple[tuple[int, int], Iterable[Batch]], batches: Batches, seed: int
) -> Iterator[tuple[int, Batch] | OrderedVideos]:
    """Put the rows of a part into the order of the corpus. Its videos, as (split, number of long clips), are another output."""
    (part, _), rows = element
    ordered = _in_order(chunked_table(rows, _plan_rows([], seed).schema))
    yield TaggedOutput(_VIDEOS, (part, _videos_of(ordered)))
    yield part, batches.of(ordered)


def _in_order(table: pa.Table) -> pa.Table:
    order = pc.sort_indices(table, [(name, "ascending") for name in (HASH, "video_id", "start_ms", "key")])
    table, columns = without_hash(table), []
    schema = table.schema  # BARE_PLAN, and SPEECH if speech was recognised
    for name in schema.names:  # one by one, so that memory holds the rows once
        columns.append(table[name].combine_chunks().take(order))
        table = table.drop_columns(name)
    return pa.Table.from_arrays(columns, schema=schema)


def _videos_of(ordered: pa.Table) -> list[tuple[str, int]]:
    rows = zip(*(ordered[name].to_numpy().tolist() for name in ("video_id", "split")), strict=True)
    return [(split, sum(1 for _ in clips)) for (_, split), clips in groupby(rows)]


def _splits_of_part(element: tuple[int, list[tuple[str, int]]]) -> Iterator[tuple[tuple[int, str], int]]:
    part, videos = element
    return (((part, split), clips) for split, clips in videos)


def _shards_of_videos(
    element: tuple[int, list[tuple[str, int]]], samples: int, counts: dict[tuple[int, str], int]
) -> Iterator[tuple[tuple[int, str, int], int]]:
    part, videos = element
    shards = assign.assign(videos, assign.offsets(counts)[part], samples)
    splits = (split for split, clips in videos for _ in range(clips))
    return iter(Counter((part, split, shard) for split, shard in zip(splits, shards, strict=True)).items())


def _shards_of_part(element: tuple[int, list[LongClip]]) -> Iterator[tuple[tuple[int, str, int], int]]:
    part, clips = element
    counts = Counter((part, clip.split, clip.shard) for clip in clips)
    return iter(counts.items())


def _write_part(
    element: tuple[int, Batch],
    layout: Layout,
    samples: int,
    per_shard: dict[tuple[int, str, int], int],
    per_split: dict[tuple[int, str], int] | None = None,
) -> int:
    part, batch = element
    table = tables.with_paragraphs(table_of(batch))
    splits = table["split"].to_numpy().tolist()
    if per_split is None:
        shards = table["shard"].to_numpy().tolist()
    else:
        shards = assign.assign(_videos_of(table), assign.offsets(per_split)[part], samples)
    places = assign.place(zip(splits, shards, strict=True), assign.starts(per_shard)[part])
    for name, values in (("shard", shards), ("position", places)):
        number = table.schema.get_field_index(name)
        table = table.set_column(number, tables.PLAN.field(name), pa.array(values, pa.int32()))
    storage.write_parquet(storage.join(layout.plan, part_name(part)), table.combine_chunks())
    PROGRESS.advance("writing", len(places))
    return len(places)


def _write_summary(
    config: CorpusConfig,
    layout: Layout,
    probe: str,
    rejects: RejectsFile | None,
    _: None,
    tally: Tally,
    ledger: Tally,
    written: int,
) -> None:
    if written != tally[("clips",)]:
        raise AssertionError(f"{written} clips written, {tally[('clips',)]} planned")
    write_summary(layout.plan, summarise(config, probe, tally, ledger, rejects))
