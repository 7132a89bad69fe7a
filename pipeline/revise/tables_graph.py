"""The Beam graph of a revision's tables: reads plans and ledgers of finished corpora, writes plan and ledger of the new
version.

Rows of stage decode go to a separate folder (`carried`), because making the shards can add more of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.pvalue import AsSingleton

from longtake.pipeline.embeddings.saved import without_videos
from longtake.pipeline.fragments.plan_table import plan_parts
from longtake.pipeline.ledger.counts import TAKEDOWN_PREFIX
from longtake.pipeline.ledger.merge_tallies import MergeTallies
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.ledger.write import WriteLedger
from longtake.pipeline.parse.lines import quoted
from longtake.pipeline.plan.edit.graph import LEDGER_PREFIX as EDIT_PREFIX
from longtake.pipeline.plan.graph import LEDGER_PREFIX as PLAN_PREFIX, PlanOutput, write_assigned, write_plan
from longtake.pipeline.plan.quota_graph import SplitByQuota
from longtake.pipeline.plan.summary import PlanSummary, write_summary
from longtake.pipeline.plan.video import speech_ms
from longtake.pipeline.read.rows import DROPS, drop
from longtake.pipeline.revise.change import VersionChange, merge_video, takedown_row, takedown_rows
from longtake.pipeline.revise.figures import revised_summary
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.keys import sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Stage
from longtake.schemas.records import Drop, LongClip

_ROWS = 512
_PREFIXES = {Stage.EDIT: EDIT_PREFIX, Stage.TAKEDOWN: TAKEDOWN_PREFIX}
_CARRIED = "carried"

#: A function that plans the replanned source videos.
Planning = Callable[[Any], PlanOutput]


def carried(target: Layout) -> str:
    """The folder that holds the ledger rows of stage decode until the shards are made."""
    return target.path(_CARRIED)


def add_tables(
    root: Any, change: VersionChange, origins: tuple[PlanSummary, ...], planning: Planning | None = None
) -> None:
    """Write plan and ledger of the new version below the target. `origins` are the figures of the old plans."""
    if change.is_merge:
        clips, drops = _merged(root, change)
        written = write_plan(clips, change.seed, change.samples, change.target)
    elif change.keep_places:
        assigned, drops = _kept(root, change)
        clips = assigned | "Clips" >> beam.FlatMap(lambda element: element[1])
        written = write_assigned(assigned, change.target)
    else:
        clips, drops = _of_one(root, change)
        if planning is not None:
            clips, drops, tallies = _replanned(clips, drops, planning(root), change)
        written = write_plan(clips, change.seed, change.samples, change.target)
    figures = (
        clips | "Measure" >> beam.Map(measure),
        clips
        | "Video of clip" >> beam.Map(lambda clip: (clip.video.video_id, None))
        | "Each video" >> beam.combiners.Count.PerKey()
        | "Count video" >> beam.Map(lambda _: Counter({("planned",): 1})),
        *((tallies,) if planning is not None else ()),
    )
    tally = figures | "Figures" >> beam.Flatten() | "Tally" >> beam.CombineGlobally(MergeTallies())
    if change.forgets:
        _ = (
            root
            | "Embeddings" >> beam.Create(storage.list_files(change.origins[0].embeddings, ".parquet"))
            | "Without taken down"
            >> beam.Map(without_videos, change.taken_down, change.target.embeddings, change.rejection.sentences)
        )
    _ = (
        root
        | "Last" >> beam.Create([None], reshuffle=False)
        | "Summary"
        >> beam.Map(
            _conclude,
            change,
            origins,
            AsSingleton(tally),
            AsSingleton(_write_ledger(drops, change)),
            AsSingleton(written),
        )
    )


# -- rows of finished corpora ------------------------------------------------------------------------------------------


def read_clips(part: str) -> Iterator[LongClip]:
    """Yield the rows of one part of a plan.

    Raises CorpusError for a key or split that Longtake would not make: they become file names, and the corpus may be a
    stranger's.
    """
    with storage.open_table(part) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=_ROWS):
            for clip in map(tables.clip_from_row, batch.to_pylist()):
                if clip.key != sample_key(clip.video.video_id, clip.start_ms, clip.end_ms):
                    raise CorpusError(
                        f"{part}: key {quoted(clip.key)} does not match its long clip. Check the corpus with: longtake verify"
                    )
                if not (clip.split.isascii() and clip.split.isalnum()):
                    raise CorpusError(f"{part}: split {quoted(clip.split)} is not made of letters and digits")
                yield clip


def read_drops(part: str) -> Iterator[Drop]:
    """Yield the rows of one part of a ledger."""
    with storage.open_table(part) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=_ROWS):
            yield from map(tables.drop_from_row, batch.to_pylist())


def _ledger_parts(layout: Layout) -> list[str]:
    return storage.list_files(layout.ledger, ".parquet")


def _old_drops(root: Any, change: VersionChange) -> Any:
    """The old ledger rows that stay, and the rows of the source videos that are taken down."""
    takedowns = [takedown_row(video_id, note) for video_id, note in sorted(change.taken_down.items())]
    takedowns += change.rejection.video_rows()
    kept = (
        root
        | "Ledger parts" >> beam.Create(_ledger_parts(change.origins[0]))
        | "Read ledger" >> beam.FlatMap(read_drops)
        | "Drops that stay" >> beam.FlatMap(lambda row: [kept] if (kept := change.keeps(row)) else [])
    )
    return (kept, root | "Takedowns" >> beam.Create(takedowns)) | "All drops" >> beam.Flatten()


def _kept(root: Any, change: VersionChange) -> tuple[Any, Any]:
    """(part, clips) for each part, without what is taken down, and the ledger rows."""
    parts = (
        root
        | "Old plan" >> beam.Create(list(enumerate(plan_parts(change.origins[0]))))
        | "Take down" >> beam.FlatMap(_take_down, change).with_outputs(DROPS, main="clips")
    )
    return parts.clips, (parts[DROPS], _old_drops(root, change)) | "Rows" >> beam.Flatten()


def _take_down(element: tuple[int, str], change: VersionChange) -> Iterator[Any]:
    number, part = element
    clips = []
    for clip in read_clips(part):
        if clip.video.video_id in change.taken_down:
            yield from map(drop, takedown_rows(clip))
        elif clip.key in change.rejection.why:
            yield from map(drop, change.rejection.rows(clip))
        else:
            clips.append(clip)
    if clips:
        yield number, clips


def _of_one(root: Any, change: VersionChange) -> tuple[Any, Any]:
    clips = root | "Old plan" >> beam.Create(plan_parts(change.origins[0])) | "Read clips" >> beam.FlatMap(read_clips)
    if change.shares and change.by_quota:
        clips = clips | "Quotas" >> SplitByQuota(dict(change.shares), change.seed, _ids_of_clip, _with_splits)
    else:
        clips = clips | "New splits" >> beam.Map(change.place)
    return clips, _old_drops(root, change)


def _ids_of_clip(clip: LongClip) -> list[str]:
    return [clip.video.video_id]


def _with_splits(clip: LongClip, split_of: Callable[[str], str]) -> list[LongClip]:
    return [replace(clip, split=split_of(clip.video.video_id))]


def _replanned(clips: Any, drops: Any, planned: PlanOutput, change: VersionChange) -> tuple[Any, Any, Any]:
    """The clips, ledger rows and tallies with the replanned source videos added. A video that the sources no longer name keeps
    its rows."""
    new_drops = planned.drops | "New drops" >> beam.Flatten()
    tallies = planned.tallies | "New tallies" >> beam.Flatten()
    of_them = drops | "Theirs" >> beam.Filter(lambda row: row.video_id in change.replanned)
    others = drops | "Others" >> beam.Filter(lambda row: row.video_id not in change.replanned)
    outcome = (
        {
            "clips": planned.clips | "By its video" >> beam.Map(lambda clip: (clip.video.video_id, clip)),
            "drops": new_drops | "New by video" >> beam.Map(lambda row: (row.video_id, row)),
            "old": of_them | "Old by video" >> beam.Map(lambda row: (row.video_id, row)),
        }
        | "Old and new" >> beam.CoGroupByKey()
        | "Outcome" >> beam.FlatMap(_outcome).with_outputs(DROPS, main="clips")
    )
    return (
        (clips, outcome.clips) | "With planned" >> beam.Flatten(),
        (others, outcome[DROPS]) | "With their drops" >> beam.Flatten(),
        tallies | "What came in" >> beam.Map(_incoming),
    )


def _incoming(tally: Tally) -> Tally:
    """The counters of a tally that concern the sources; long clips are counted when they are written."""
    kept = ("ms_in", "words_in", "cleaned", "masked", "applied")
    return Counter({key: n for key, n in tally.items() if key[0] in kept})


def _outcome(element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[Any]:
    _, sides = element
    clips, drops = list(sides["clips"]), list(sides["drops"])
    yield from clips
    yield from map(drop, drops if clips or drops else sides["old"])


def _merged(root: Any, change: VersionChange) -> tuple[Any, Any]:
    """The clips and ledger rows of several corpora, each source video from one corpus."""
    numbered = list(enumerate(change.origins))
    drops = (
        root
        | "Ledger parts" >> beam.Create([(n, part) for n, layout in numbered for part in _ledger_parts(layout)])
        | "Read ledger" >> beam.FlatMap(lambda element: ((element[0], row) for row in read_drops(element[1])))
    )
    clips = (
        root
        | "Old plan" >> beam.Create([(n, part) for n, layout in numbered for part in plan_parts(layout)])
        | "Read clips" >> beam.FlatMap(lambda element: ((element[0], clip) for clip in read_clips(element[1])))
    )
    samples = (
        root
        | "Indexes"
        >> beam.Create([(n, p) for n, layout in numbered for p in storage.list_files(layout.index, ".parquet")])
        | "Videos of index" >> beam.FlatMap(_videos_of)
    )
    merged = (
        {
            "clips": clips | "Clips by video" >> beam.Map(lambda element: (element[1].video.video_id, element)),
            "drops": drops
            | "Of videos" >> beam.Filter(lambda element: element[1].video_id)
            | "Drops by video" >> beam.Map(lambda element: (element[1].video_id, element)),
            "samples": samples,
        }
        | "By video" >> beam.CoGroupByKey()
        | "Merge" >> beam.FlatMap(_merge, change.names).with_outputs(DROPS, main="clips")
    )
    others = drops | "Of no video" >> beam.FlatMap(lambda element: [] if element[1].video_id else [element[1]])
    return merged.clips, (merged[DROPS], others) | "Rows" >> beam.Flatten()


def _videos_of(element: tuple[int, str]) -> Iterator[tuple[str, int]]:
    number, index = element
    for video_id in sorted(set(storage.read_parquet(index, columns=["video_id"])["video_id"].to_pylist())):
        yield video_id, number


def _merge(element: tuple[str, dict[str, Iterable[Any]]], names: tuple[str, ...]) -> Iterator[Any]:
    video_id, sides = element
    for outcome in merge_video(video_id, sides["clips"], sides["drops"], sides["samples"], names):
        yield drop(outcome) if isinstance(outcome, Drop) else outcome


# -- writing -----------------------------------------------------------------------------------------------------------


def _write_ledger(drops: Any, change: VersionChange) -> Any:
    """Write each row under the prefix of its stage. Return a tally of all rows except stage decode."""
    used = {PLAN_PREFIX}
    for layout in change.origins:
        names = {part.rsplit("/", 1)[-1] for part in _ledger_parts(layout)}
        used |= {prefix for prefix in _PREFIXES.values() if any(name.startswith(f"{prefix}-") for name in names)}
    if change.forgets:
        used.add(TAKEDOWN_PREFIX)
    tallies = []
    for prefix in sorted(used):
        rows = drops | f"Rows {prefix}" >> beam.Filter(_goes_below, prefix)
        tallies.append(rows | f"Write {prefix}" >> WriteLedger(change.target.ledger, prefix))
    lost = drops | "Rows of decode" >> beam.Filter(lambda row: row.stage is Stage.DECODE)
    _ = lost | "Write carried" >> WriteLedger(carried(change.target), "part")
    return tallies | "Ledger tallies" >> beam.Flatten() | "Ledger tally" >> beam.CombineGlobally(MergeTallies())


def _goes_below(row: Drop, prefix: str) -> bool:
    return row.stage is not Stage.DECODE and _PREFIXES.get(row.stage, PLAN_PREFIX) == prefix


def measure(clip: LongClip) -> Tally:
    """The counters that a long clip adds to the figures of the new plan."""
    PROGRESS.add(planned=1)
    return Counter(
        {
            ("clips",): 1,
            ("rewritten",): int(clip.is_rewritten),
            ("clips_of", clip.split): 1,
            ("frames_of", clip.split): len(clip.frame_times_ms),
            ("words_out", str(clip.n_words)): 1,
            ("sentences_out", str(len(clip.sentences))): 1,
            ("ms_out",): clip.end_ms - clip.start_ms,
            ("ms_said",): speech_ms(clip.sentences),
        }
    )


def _conclude(
    _: None, change: VersionChange, origins: tuple[PlanSummary, ...], tally: Tally, ledger: Tally, written: int
) -> None:
    if written != tally[("clips",)]:
        raise AssertionError(f"{written} clips written, {tally[('clips',)]} planned")
    write_summary(change.target.plan, revised_summary(change, origins, tally, ledger))
