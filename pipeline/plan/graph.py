"""The Beam graph of `longtake plan`: manifest and transcripts in; plan, ledger and summary out. No video is decoded.

All data that grows with the input goes through Beam's joins. Side inputs hold only a few numbers per part of the plan.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsSingleton

from longtake.pipeline.filters.clip_filter import check_filters
from longtake.pipeline.filters.rejects import RejectIndex, RejectsFile
from longtake.pipeline.fragments.seen_graph import SEEN, WriteSeen
from longtake.pipeline.ledger.merge_tallies import MergeTallies
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.ledger.write import WriteLedger
from longtake.pipeline.merge.groups import is_group_row, one_row
from longtake.pipeline.plan import assign
from longtake.pipeline.plan.duplicates.graph import FILTERED, LeaveOutDuplicates
from longtake.pipeline.plan.duplicates.video_graph import LeaveOutVideos
from longtake.pipeline.plan.summary import summarise, write_summary
from longtake.pipeline.plan.video import TALLY, MeasureVideo, PlanVideo, split_videos
from longtake.pipeline.read.chapters import add_chapters
from longtake.pipeline.read.graph import DROPS, read_videos
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import Layout, part_name
from longtake.schemas.records import LongClip

LEDGER_PREFIX = "part-plan"


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
    clips, drops, tallies = plan_videos(root, config, probe, workers, steps)
    tally = tallies | "Tally" >> beam.CombineGlobally(MergeTallies())
    ledger = drops | "Ledger" >> WriteLedger(layout.ledger, LEDGER_PREFIX)
    parts = write_plan(clips, config.seed, config.shards.samples, layout)
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
) -> tuple[Any, Any, Any]:
    """Return collections of long clips, ledger rows and tallies: the plan of `config` for all its videos, or for `only` these."""
    check_filters(config, probe)
    texts, lost, unreadable = read_videos(root, config, only)
    unread = [lost]
    if config.source.chapters is not None:
        texts, unknown = add_chapters(root, texts, config)
        unread.append(unknown)
    if steps.embed is not None:
        texts = texts | "Embed texts" >> steps.embed
    planned = texts | "Plan video" >> beam.ParDo(
        PlanVideo(config, probe, workers), *rejected_there(root, steps.rejects)
    ).with_outputs(DROPS, TALLY, SEEN, main="videos")
    unique, repeats, repeated = leave_out_duplicates(planned.videos, config, workers)
    notes = []
    if steps.caption is not None:
        captioned = unique | "Captions" >> steps.caption
        unique = captioned["videos"]
        notes.append(captioned[DROPS])
    if config.split_by == "quota":
        unique = unique | "Quotas" >> split_videos(config)
    measured = unique | "Measure video" >> beam.ParDo(MeasureVideo(config, probe, workers)).with_outputs(
        TALLY, main="clips"
    )
    drops = (*unread, planned[DROPS], *repeats, *notes) | "Drops" >> beam.Flatten()
    if config.source.groups is not None:
        drops = _one_row_a_group(drops)
    noted = () if steps.seen is None else (planned[SEEN] | "Seen" >> steps.seen,)
    tallies = (unreadable, planned[TALLY], measured[TALLY], *repeated, *noted) | "Tallies" >> beam.Flatten()
    return measured.clips, drops, tallies


def _one_row_a_group(drops: Any) -> Any:
    """Keep only one row of each published group: its clips may be in several places, and each place reports the group."""
    of_groups = (
        drops
        | "Group rows" >> beam.Filter(is_group_row)
        | "By group" >> beam.Map(lambda row: (row.subject_id, row))
        | "Of each group" >> beam.GroupByKey()
        | "One row" >> beam.Map(lambda element: one_row(element[1]))
    )
    others = drops | "Other rows" >> beam.Filter(lambda row: not is_group_row(row))
    return (of_groups, others) | "All rows" >> beam.Flatten()


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
        drops.append(found[DROPS])
        counted.append(found[FILTERED] | f"Count duplicate {name}" >> beam.Map(lambda n: Counter({("filtered",): n})))
    return videos, drops, counted


def write_plan(clips: Any, seed: int, samples: int, layout: Layout) -> Any:
    """Assign the clips of each split to shards of about `samples`, and write the plan. The result is the number of written clips,
    after all are written."""
    total = clips | "Count clips" >> beam.combiners.Count.Globally()
    keyed = clips | "Part" >> beam.Map(
        lambda clip, n: (assign.part_of(clip.video.video_id, seed, assign.part_count(n)), clip), AsSingleton(total)
    )
    per_split = (
        keyed
        | "Part and split" >> beam.Map(lambda element: ((element[0], element[1].split), 1))
        | "Per split" >> beam.CombinePerKey(sum)
    )
    assigned = (
        keyed | "By part" >> beam.GroupByKey() | "Assign" >> beam.Map(_assign_part, seed, samples, AsDict(per_split))
    )
    return write_assigned(assigned, layout)


def write_assigned(assigned: Any, layout: Layout) -> Any:
    """Set the positions of the clips of each (part, clips in order) in their shards, and write the plan like `write_plan`."""
    per_shard = assigned | "Shards of part" >> beam.FlatMap(_shards_of_part) | "Per shard" >> beam.CombinePerKey(sum)
    return (
        assigned
        | "Write part" >> beam.Map(_write_part, layout, AsDict(per_shard))
        | "Written" >> beam.CombineGlobally(sum)
    )


def _assign_part(
    element: tuple[int, Iterable[LongClip]], seed: int, samples: int, counts: dict[tuple[int, str], int]
) -> tuple[int, list[LongClip]]:
    part, clips = element
    return part, assign.assign(clips, assign.offsets(counts)[part], samples, seed)


def _shards_of_part(element: tuple[int, list[LongClip]]) -> Iterator[tuple[tuple[int, str, int], int]]:
    part, clips = element
    counts = Counter((part, clip.split, clip.shard) for clip in clips)
    return iter(counts.items())


def _write_part(element: tuple[int, list[LongClip]], layout: Layout, counts: dict[tuple[int, str, int], int]) -> int:
    part, clips = element
    placed = assign.place(clips, assign.starts(counts)[part])
    path = storage.join(layout.plan, part_name(part))
    storage.write_parquet(path, tables.table(map(tables.plan_row, placed), tables.PLAN))
    return len(placed)


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
