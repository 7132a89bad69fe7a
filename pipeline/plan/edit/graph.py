"""The Beam graph that takes over an edited plan: it compares the edited rows with the plan, and writes a new plan and ledger.

It writes everything below a separate folder. The caller decides whether that replaces the plan: at the end there is either
`problems.json` or `_plan.json`, never both.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.pvalue import AsSingleton, TaggedOutput

from longtake.pipeline.ledger.merge_tallies import MergeTallies, SumTallies
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.ledger.write import WriteLedger
from longtake.pipeline.parse.lines import base_name, quoted
from longtake.pipeline.plan.edit.by_video import (
    ROWS,
    EditedClip,
    PlannedClip,
    Span,
    VideoRows,
    edited_rows,
    join_by_video,
    planned_rows,
    videos_of,
)
from longtake.pipeline.plan.edit.row import RowGroup, RowProblem, check_row, read_rows, recomputed
from longtake.pipeline.plan.edit.summary import edited_summary
from longtake.pipeline.plan.graph import write_plan
from longtake.pipeline.plan.summary import PlanSummary, write_summary
from longtake.pipeline.plan.video import TALLY, Counted, measure
from longtake.pipeline.read.rows import DROPS, Dropped, drop
from longtake.pipeline.run.batches import Batch, Batches
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import batches_for
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, Sentence
from longtake.schemas.words import count_words

LEDGER_PREFIX = "part-edit"
PROBLEMS_FILE = "problems.json"
_PROBLEMS = "problems"
_SHOWN = 20

Flagged: TypeAlias = TaggedOutput[Literal["problems"], RowProblem]


@dataclass(frozen=True, slots=True)
class Origin:
    """The plan that was edited: its parts, its figures, and the ledger parts of earlier edits."""

    parts: tuple[str, ...]
    summary: PlanSummary
    earlier: tuple[str, ...]


def add_edited_plan(
    root: Any, config: CorpusConfig, staged: Layout, groups: Sequence[RowGroup], origin: Origin | None
) -> None:
    """Check the edited rows, and write their plan, ledger and figures below `staged`."""
    batches = batches_for(root.options)
    rows = (
        root
        | "Row groups" >> beam.Create(groups)
        | "Check rows" >> beam.FlatMap(_read_edited, config, batches).with_outputs(_PROBLEMS, TALLY, main="rows")
    )
    planned = (
        root
        | "Plan parts" >> beam.Create(origin.parts if origin else [])
        | "Planned clips" >> beam.FlatMap(planned_rows, batches, config.frames.uniform is not None)
    )
    videos = (
        {"edited": rows.rows, "planned": planned}
        | "By video" >> join_by_video(batches)
        | "Videos" >> beam.FlatMap(lambda element: videos_of(element[1]))
        | "Compare"
        >> beam.FlatMap(compare_video, origin is not None, config).with_outputs(_PROBLEMS, DROPS, TALLY, main="clips")
    )
    earlier = (
        root
        | "Earlier edits" >> beam.Create(origin.earlier if origin else [])
        | "Earlier drops" >> beam.FlatMap(_read_drops)
    )
    problems = (rows[_PROBLEMS], videos[_PROBLEMS]) | "Problems" >> beam.Flatten()
    sums = [side | f"Tallies {n}" >> beam.ParDo(SumTallies()) for n, side in enumerate((rows[TALLY], videos[TALLY]))]
    tally = sums | "Tallies" >> beam.Flatten() | "Tally" >> beam.CombineGlobally(MergeTallies())
    ledger = (videos[DROPS], earlier) | "Ledger" >> WriteLedger(staged.ledger, LEDGER_PREFIX)
    _ = (
        root
        | "Last" >> beam.Create([None], reshuffle=False)
        | "Conclude"
        >> beam.Map(
            _conclude,
            config,
            staged,
            origin.summary if origin else None,
            AsSingleton(tally),
            AsSingleton(ledger),
            AsSingleton(write_plan(videos.clips, config.seed, config.shards.samples, staged)),
            AsSingleton(problems | "Count problems" >> beam.combiners.Count.Globally()),
            AsSingleton(problems | "First problems" >> beam.combiners.Top.Smallest(_SHOWN)),
        )
    )


def _read_edited(group: RowGroup, config: CorpusConfig, batches: Batches) -> Iterator[Batch | Flagged | Counted]:
    name = base_name(group.path)
    tally: Tally = Counter()
    found: list[EditedClip] = []
    for number, row in read_rows(group):
        tally[("rows",)] += 1
        checked = check_row(row, (name, number), config)
        if isinstance(checked, LongClip):
            tally.update(("recomputed", column) for column in recomputed(row, checked))
            found.append(EditedClip((name, number), checked))
        else:
            yield from (TaggedOutput(_PROBLEMS, problem) for problem in checked)
        if len(found) == ROWS:
            yield batches.of(edited_rows(found))
            found = []
    if found:
        yield batches.of(edited_rows(found))
    yield TaggedOutput(TALLY, tally)


def _read_drops(part: str) -> Iterator[Drop]:
    with storage.open_table(part) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=ROWS, use_threads=False):
            yield from map(tables.drop_from_row, batch.to_pylist())


def compare_video(
    rows: VideoRows, has_origin: bool, config: CorpusConfig
) -> Iterator[LongClip | Flagged | Dropped | Counted]:
    """Yield the long clips of one video, the drops of the edit, and the problems of the video as a whole."""
    video_id, edited, planned = rows.video_id, rows.edited, rows.planned
    problems = list(_contradictions(video_id, edited))
    if has_origin:
        problems += _inventions(video_id, edited, planned)
        if config.frames.uniform is not None:
            problems += _texts_apart(edited, planned)
    yield from (TaggedOutput(_PROBLEMS, problem) for problem in problems)
    clips = [row.clip for row in edited]
    yield from clips
    yield from map(drop, left_out(video_id, clips, planned))
    yield TaggedOutput(TALLY, _tally(clips, planned, config))
    PROGRESS.add(videos=1)


def _contradictions(video_id: str, rows: Sequence[EditedClip]) -> Iterator[RowProblem]:
    """Yield the contradictions between the rows of a video."""
    keys: dict[str, tuple[str, int]] = {}
    spans: dict[Span, tuple[str, int]] = {}
    first = rows[0] if rows else None
    for row in rows:
        clip = row.clip
        if first is not None and clip.split != first.clip.split:
            other = f"in split {first.clip.split} at {_at(first.where)}"
            yield RowProblem(
                *row.where, f"video {quoted(video_id)} is in split {clip.split}, but {other}; a video has one split"
            )
        if first is not None and clip.video.uri != first.clip.video.uri:
            other = f"at {_at(first.where)} its uri is {quoted(first.clip.video.uri)}"
            yield RowProblem(*row.where, f"video {quoted(video_id)} has the uri {quoted(clip.video.uri)}, but {other}")
        if clip.key in keys:
            yield RowProblem(*row.where, f"long clip {clip.key} is at {_at(keys[clip.key])} already")
            continue
        keys[clip.key] = row.where
        for sentence in clip.sentences:
            at = spans.setdefault(_span(sentence), row.where)
            if at != row.where:
                yield RowProblem(
                    *row.where, f"sentence {_shown(_span(sentence))} is in the long clip at {_at(at)} already"
                )


def _inventions(video_id: str, rows: Sequence[EditedClip], planned: Sequence[PlannedClip]) -> Iterator[RowProblem]:
    """Yield the videos and sentences in the edited rows that are not in the plan: no speech is known for them."""
    known = {span for clip in planned for span in clip.spans}
    times = {span[0]: span for span in known}
    for row in rows:
        if not planned:
            yield RowProblem(*row.where, f"video {quoted(video_id)} is not in the plan that was edited")
            return
        for span in map(_span, row.clip.sentences):
            if span not in known:
                other = f"; there it is {times[span[0]][1]} to {times[span[0]][2]} ms" if span[0] in times else ""
                yield RowProblem(*row.where, f"sentence {_shown(span)} is not in the plan that was edited{other}")


def _texts_apart(rows: Sequence[EditedClip], planned: Sequence[PlannedClip]) -> Iterator[RowProblem]:
    """Yield the edited texts of whole videos: the task in `meta`, which is what a model reads, would keep the old ones."""
    texts = {span: clip.text for clip in planned for span in clip.spans}
    for row in rows:
        for sentence in row.clip.sentences:
            if texts.get(_span(sentence), sentence.text) != sentence.text:
                yield RowProblem(
                    *row.where,
                    f"the text of sentence {sentence.clip_id} was edited; with frames.uniform the task in meta keeps the old "
                    "one: edit the annotations, and plan anew",
                )


def left_out(video_id: str, clips: Sequence[LongClip], planned: Sequence[PlannedClip]) -> list[Drop]:
    """The ledger rows of everything that was planned for a video but is not in its edited clips."""
    keys = {clip.key for clip in clips}
    home = {_span(sentence): clip.key for clip in clips for sentence in clip.sentences}
    rows = []
    if planned and not clips:
        rows.append(_drop(video_id, Subject.VIDEO, video_id, "none of its long clips is in the edited plan"))
    for clip in planned:
        gone = [span for span in clip.spans if span not in home]
        if clip.key not in keys:
            heirs = sorted({home[span] for span in clip.spans if span in home})
            detail = f"cut anew: {len(gone)} of its {len(clip.spans)} sentences gone, the others in {', '.join(heirs)}"
            rows.append(_drop(video_id, Subject.CLIP, clip.key, detail if heirs else "not in the edited plan"))
        rows += [_drop(video_id, Subject.SENTENCE, span[0], f"in long clip {clip.key}") for span in gone]
    return rows


def _drop(video_id: str, subject: Subject, subject_id: str, detail: str) -> Drop:
    return Drop(video_id, subject, subject_id, Stage.EDIT, Reason.EDITED_OUT, detail)


def _tally(clips: list[LongClip], planned: Sequence[PlannedClip], config: CorpusConfig) -> Tally:
    tally = measure(clips, None, None, config) if clips else Counter()
    before = {clip.key for clip in planned}
    tally[("videos",)] += bool(clips)
    tally[("cut_anew",)] += sum(clip.key not in before for clip in clips)
    tally[("ms_planned",)] += sum(clip.spans[-1][2] - clip.spans[0][1] for clip in planned)
    for sentence in (s for clip in clips for s in clip.sentences):
        tally[("sentences",)] += 1
        tally["words_in", str(count_words(sentence.text))] += 1
        tally[("ms_in",)] += sentence.end_ms - sentence.start_ms
    return tally


def _conclude(
    _: None,
    config: CorpusConfig,
    staged: Layout,
    origin: PlanSummary | None,
    tally: Tally,
    ledger: Tally,
    written: int,
    number: int,
    problems: list[RowProblem],
) -> None:
    if number:
        text = json.dumps({"number": number, "first": [str(problem) for problem in problems]})
        storage.write_bytes(staged.path(PROBLEMS_FILE), text.encode())
        return
    if written != tally[("clips",)]:
        raise AssertionError(f"{written} clips written, {tally[('clips',)]} edited")
    write_summary(staged.plan, edited_summary(config, origin, tally, ledger))


def _span(sentence: Sentence) -> Span:
    return sentence.clip_id, sentence.start_ms, sentence.end_ms


def _shown(span: Span) -> str:
    return f"{quoted(span[0])} ({span[1]} to {span[2]} ms)"


def _at(where: tuple[str, int]) -> str:
    return f"{where[0]} row {where[1]}"
