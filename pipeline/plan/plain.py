"""Plans the plain videos of a bucket by columns, as `video.py` would one by one, but without an object for each sentence.

It is for plans that need nothing of a video but its sentences: no probe, coherence, filter, group, chapter. A video with
sentences that start together is left to `video.py`, as is a video without any. A test compares the two on all kinds of input.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.filters.clip_filter import wanted_scores
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.ledger.write import hashed_rows
from longtake.pipeline.merge.merge import cut, left_over, too_short
from longtake.pipeline.plan.assign import split_of
from longtake.pipeline.plan.estimate import cost_of, text_bytes
from longtake.pipeline.plan.video import TALLY, without_clips
from longtake.pipeline.read.by_clip import SENTENCES, VIDEOS
from longtake.pipeline.run import metrics as step_metrics
from longtake.pipeline.run.batches import Batch, Batches, one_table
from longtake.pipeline.run.events import is_logged
from longtake.pipeline.run.parts import with_hash
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import tables
from longtake.schemas.config import CorpusConfig, Merge
from longtake.schemas.keys import safe_name
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Sentence
from longtake.schemas.word_columns import count_words_of_each

ROWS, LEDGER = "rows", "ledger"
_TEXT = ("clip_id", "text", "timing", "speaker")
Ints = npt.NDArray[np.int64]
Sides = dict[str, Iterable[Batch]]


def is_plain(config: CorpusConfig, probe: str) -> bool:
    """Whether a plan with this configuration can be made by columns, from metadata and texts that are joined by clip."""
    unchanged = not (config.cleans_text or config.splits_sentences)
    return config.source.text.format == "hdvila" and unchanged and needs_only_sentences(config, probe)


def needs_only_sentences(config: CorpusConfig, probe: str) -> bool:
    """Whether planning needs nothing of a video but its sentences."""
    source, same = config.source, config.duplicates
    merges_only = source.groups is None and source.chapters is None and not config.coherence.enabled
    keeps_all = not wanted_scores(config.filters) and not same.evaluation and same.paragraphs == same.videos == "keep"
    return probe == "none" and merges_only and keeps_all and not config.captions.model and config.split_by == "hash"


@dataclass(frozen=True, slots=True)
class PlainPlan:
    """What the plain videos of a bucket give: plan rows, ledger rows, figures. And the rows of the other videos."""

    rows: pa.Table
    ledger: pa.Table
    tally: Tally
    other_videos: pa.Table
    other_sentences: pa.Table


class PlanPlain(beam.DoFn):
    """Takes a bucket of videos and sentences; gives it with those that are not plain, if any. ROWS, LEDGER, TALLY: of others."""

    def __init__(self, config: CorpusConfig, batches: Batches) -> None:
        self._config, self._batches = config, batches

    def process(self, element: tuple[int, Sides]) -> Iterator[Any]:
        bucket, sides = element
        if is_logged(logging.DEBUG):  # there is an event for each video
            yield element
            return
        videos, said = one_table(sides["videos"], VIDEOS), one_table(sides["sentences"], SENTENCES)
        found = plan_plain(videos, said, self._config)
        yield from outputs_of(found, self._config, self._batches)
        if len(found.other_videos):
            here = Batches()
            yield bucket, {"videos": [here.of(found.other_videos)], "sentences": [here.of(found.other_sentences)]}


def outputs_of(found: PlainPlan, config: CorpusConfig, batches: Batches) -> Iterator[Any]:
    """Count what was planned, and yield it as ROWS, LEDGER and TALLY."""
    PROGRESS.add(videos=found.tally[("videos",)])
    PROGRESS.advance("planning", found.tally[("videos",)])
    PROGRESS.expect("writing", len(found.rows))
    step_metrics.count("plan", videos=found.tally[("videos",)], sentences=found.tally[("sentences",)])
    step_metrics.count("plan", clips=found.tally[("clips",)], clips_ms=found.tally[("ms_out",)])
    if len(found.rows):
        keys = found.rows["video_id"].to_pylist()
        yield TaggedOutput(ROWS, batches.of(with_hash(found.rows, keys, config.seed)))
    if len(found.ledger):
        counts = found.ledger.group_by(["subject", "reason"]).aggregate([([], "count_all")])
        for subject, reason, number in zip(*counts.to_pydict().values(), strict=True):
            step_metrics.count_drops(Stage.MERGE, Subject(subject), Reason(reason), number)
        yield TaggedOutput(LEDGER, batches.of(hashed_rows(found.ledger)))
    yield TaggedOutput(TALLY, found.tally)


def plan_plain(videos: pa.Table, said: pa.Table, config: CorpusConfig) -> PlainPlan:
    """Plan the plain videos among `videos`. `said` are the sentences of all; a column that it lacks is null in the plan."""
    of_video = pc.index_in(said["video_id"], value_set=videos["video_id"].combine_chunks()).to_numpy().astype(np.int64)
    start, end = said["start_ms"].to_numpy(), said["end_ms"].to_numpy()
    order = np.lexsort((start, of_video))
    video, first_ms = of_video[order], start[order]
    together = (video[1:] == video[:-1]) & (first_ms[1:] == first_ms[:-1])
    is_other = np.bincount(of_video, minlength=len(videos)) == 0
    is_other[video[1:][together]] = True
    others = is_other[of_video]
    order = order[~is_other[video]]
    plain = _Timeline(of_video[order], start[order], end[order])
    said_plain = said.take(order)
    merged = _merged(plain, config.merge)
    names = videos["video_id"].to_numpy().tolist()
    n_words = count_words_of_each(said_plain["text"])
    rows = _rows(videos, names, said_plain, plain, merged, n_words, config)
    sizes = np.bincount(plain.video, minlength=len(videos))
    is_empty = ~is_other
    is_empty[plain.video[merged.first]] = False
    ledger = pa.concat_tables([
        _sentence_drops(said_plain, merged),
        _video_drops([(names[n], int(sizes[n])) for n in np.flatnonzero(is_empty)]),
    ])  # fmt: skip
    tally = _tally(said_plain, plain, merged, rows, n_words, config)
    tally[("videos",)] = int((~is_other).sum())
    tally[("ms_in",)] = int((end - start)[~others].sum())
    return PlainPlan(rows, ledger, tally, videos.filter(pa.array(is_other)), said.filter(pa.array(others)))


@dataclass(frozen=True, slots=True)
class _Timeline:
    """The sentences of all videos: number of the video, start and end in ms, in order."""

    video: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True, slots=True)
class _Merged:
    """Long clips as ranges of sentences, whose ends are cut where the next one starts; and the dropped sentences with their
    reasons and details."""

    first: Ints
    size: Ints
    end: Ints
    dropped: list[tuple[int, Reason, str]]

    @property
    def bounds(self) -> Ints:
        """The number of sentences in the long clips before each."""
        return np.cumsum(self.size) - self.size

    @property
    def sentences(self) -> Ints:
        """The sentences of all long clips, one clip after the other."""
        return np.repeat(self.first - self.bounds, self.size) + np.arange(int(self.size.sum()))

    def length(self, plain: _Timeline) -> Ints:
        """The milliseconds from start to end of each long clip."""
        found: Ints = self.end[self.first + self.size - 1] - plain.start[self.first]
        return found


def _merged(plain: _Timeline, merge: Merge) -> _Merged:
    """The same as merge/merge.py: `order`, `runs`, then even pieces; runs that do not fit into them go through `cut`."""
    end = plain.end.copy()
    number = len(end)
    if not number:
        return _Merged(np.zeros(0, np.int64), np.zeros(0, np.int64), end, [])
    same = plain.video[1:] == plain.video[:-1]
    end[:-1] = np.where(same, np.minimum(end[:-1], plain.start[1:]), end[:-1])
    breaks = ~same | (plain.start[1:] - end[:-1] > merge.max_gap_ms)
    first = np.flatnonzero(np.concatenate([[True], breaks]))
    size = np.diff(np.append(first, number))
    dropped = [
        (row, Reason.RUN_TOO_SHORT, too_short(n, merge))
        for row, n in zip(first.tolist(), size.tolist(), strict=True)
        if n < merge.min_sentences
        for row in range(row, row + n)
    ]
    long = size >= merge.min_sentences
    first, size = first[long], size[long]
    pieces = -(-size // merge.max_sentences)
    run = np.repeat(np.arange(len(first)), pieces)
    place = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    even, larger = (size // pieces)[run], (size % pieces)[run]
    piece_size = even + (place < larger)
    piece_first = first[run] + place * even + np.minimum(place, larger)
    length = end[piece_first + piece_size - 1] - plain.start[piece_first]
    unfit = np.unique(run[(piece_size < merge.min_sentences) | (length > merge.max_duration_ms)])
    fits = ~np.isin(run, unfit)
    firsts, sizes = [piece_first[fits]], [piece_size[fits]]
    for start, n in zip(first[unfit].tolist(), size[unfit].tolist(), strict=True):
        numbered = range(start, start + n)
        spans = zip(numbered, plain.start[start : start + n].tolist(), end[start : start + n].tolist(), strict=True)
        found = cut([Sentence(str(row), a, b, "") for row, a, b in spans], merge)
        firsts.append(np.array([int(piece[0].clip_id) for piece in found.pieces], np.int64))
        sizes.append(np.array([len(piece) for piece in found.pieces], np.int64))
        detail = left_over(n, merge)
        dropped += [(int(sentence.clip_id), Reason.CUT_REMAINDER, detail) for sentence in found.remainder]
    whole, sizes_of = np.concatenate(firsts), np.concatenate(sizes)
    in_order = np.argsort(whole)
    return _Merged(whole[in_order], sizes_of[in_order], end, dropped)


def _rows(
    videos: pa.Table,
    names: list[str],
    said: pa.Table,
    plain: _Timeline,
    merged: _Merged,
    n_words: Ints,
    config: CorpusConfig,
) -> pa.Table:
    """The plan rows of the long clips."""
    of_clip, bounds, taken = plain.video[merged.first], merged.bounds, merged.sentences
    starts = plain.start[merged.first]
    ends = starts + merged.length(plain)
    safe = {n: safe_name(names[n]) for n in np.unique(of_clip).tolist()}
    splits = {n: split_of(names[n], config.split, config.seed) for n in safe}
    numbers = of_clip.tolist()
    clip_start, clip_end = plain.start[taken], merged.end[taken]
    steps = np.arange(config.frames.per_sentence)
    times = clip_start[:, None] + steps * (clip_end - clip_start)[:, None] // config.frames.per_sentence
    columns: dict[str, Any] = {
        "key": [f"{safe[n]}-{a:09d}-{b:09d}" for n, a, b in zip(numbers, starts.tolist(), ends.tolist(), strict=True)],
        **{name: videos[name].take(of_clip) for name in VIDEOS.names},
        "start_ms": starts,
        "end_ms": ends,
        "n_words": _sums(n_words[taken], bounds),
        "split": [splits[n] for n in numbers],
        "shard": np.full(len(numbers), -1),
        "position": np.full(len(numbers), -1),
    }
    sentences = {"start_ms": clip_start, "end_ms": clip_end}
    sentences |= {name: said[name].take(taken) for name in _TEXT if name in said.column_names}
    return tables.plan_columns(columns, sentences, merged.size, times.ravel(), merged.size * config.frames.per_sentence)


def _sums(values: Ints, bounds: Ints) -> Ints:
    """The sums of the values from each bound to the next."""
    found: Ints = np.add.reduceat(values, bounds) if len(bounds) else bounds
    return found


def _sentence_drops(said: pa.Table, merged: _Merged) -> pa.Table:
    rows = np.array([row for row, _, _ in merged.dropped], np.int64)
    number = len(rows)
    return pa.table(
        [
            said["video_id"].take(rows),
            pa.array([Subject.SENTENCE.value] * number, pa.string()),
            said["clip_id"].take(rows),
            pa.array([Stage.MERGE.value] * number, pa.string()),
            pa.array([reason.value for _, reason, _ in merged.dropped], pa.string()),
            pa.array([detail for _, _, detail in merged.dropped], pa.string()),
        ],
        schema=tables.LEDGER,
    )


def _video_drops(empty: list[tuple[str, int]]) -> pa.Table:
    common = Subject.VIDEO.value, Stage.MERGE.value, Reason.NO_LONG_CLIP.value
    rows = [(name, common[0], name, common[1], common[2], without_clips(sentences)) for name, sentences in empty]
    columns = zip(*rows, strict=True) if rows else [()] * len(tables.LEDGER)
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=tables.LEDGER)


def _tally(
    said: pa.Table, plain: _Timeline, merged: _Merged, rows: pa.Table, n_words: Ints, config: CorpusConfig
) -> Tally:
    """The figures of PlanVideo and MeasureVideo for all these videos."""
    tally: Tally = Counter()
    tally[("sentences",)] = len(plain.video)
    _add_counts(tally, "words_in", n_words)
    _add_counts(tally, "words_out", rows["n_words"].to_numpy())
    _add_counts(tally, "sentences_out", merged.size)
    per_sentence = config.frames.per_sentence
    of_clip, in_clip, length = plain.video[merged.first], merged.sentences, merged.length(plain)
    for split, size in zip(rows["split"].to_pylist(), merged.size.tolist(), strict=True):
        tally["clips_of", split] += 1
        tally["frames_of", split] += size * per_sentence
    tally[("clips",)] = len(rows)
    tally[("ms_out",)] = int(length.sum())
    tally[("ms_said",)] = int((merged.end[in_clip] - plain.start[in_clip]).sum())
    characters = _sums(pc.utf8_length(said["text"]).to_numpy()[in_clip], merged.bounds) + merged.size - 1
    text = np.array(
        [text_bytes(*each) for each in zip(characters.tolist(), merged.size.tolist(), strict=True)], np.int64
    )
    planned, where = np.unique(of_clip, return_inverse=True)
    tally[("planned",)] = len(planned)
    sums = (
        np.bincount(where, weights, len(planned)).astype(np.int64).tolist() for weights in (length, merged.size, text)
    )
    for span_ms, sentences, size in zip(*sums, strict=True):
        cost = cost_of(span_ms, sentences * per_sentence, size, None, None, config.frames)
        tally[("decoded_frames",)] += cost.decoded_frames
        tally[("cpu_ms",)] += cost.cpu_ms
        tally[("bytes",)] += cost.bytes
    return tally


def _add_counts(tally: Tally, name: str, values: Ints) -> None:
    for value, number in zip(*np.unique(values, return_counts=True), strict=True):
        tally[name, str(value)] += int(number)
