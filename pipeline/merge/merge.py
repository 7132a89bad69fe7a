"""Sentences of one video become long clips: sorted, split into runs where nobody speaks, cut to length.

If their topics are known, runs are cut where the topic changes, within the same limits.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from longtake.pipeline.merge.coherence import Topics
from longtake.pipeline.merge.frame_times import frame_times_ms
from longtake.schemas import config
from longtake.schemas.keys import sample_key
from longtake.schemas.reasons import Reason, Stage
from longtake.schemas.records import Drop, LongClip, Sentence, SourceVideo, drop_sentences


@dataclass(frozen=True, slots=True)
class Ordered:
    """Sentences in time order without overlap, the drops of sentences without time, and the number of shortened sentences."""

    sentences: list[Sentence]
    drops: list[Drop]
    trimmed: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The pieces of a run in time order, and its sentences that fit into no piece."""

    pieces: tuple[tuple[Sentence, ...], ...]
    remainder: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class MergedVideo:
    """The long clips of a video in time order, not yet assigned to a shard, and the drops.

    `trimmed` counts sentences that were shortened because the next one starts before they end. `stretches` are the runs that
    were cut, each divided by chapters; empty if published groups decide the long clips.
    """

    clips: list[LongClip]
    drops: list[Drop]
    trimmed: int
    stretches: tuple[tuple[tuple[Sentence, ...], ...], ...] = ()


def order(video_id: str, sentences: Sequence[Sentence]) -> Ordered:
    """Sort by time and end each overlapping sentence where the next one starts, so that frame times rise.

    Speech recognition gives reliable starts and late ends. Of sentences that start together, only the longest has time left; the
    others are dropped.
    """
    in_order = sorted(sentences, key=attrgetter("start_ms", "end_ms", "clip_id"))
    kept: list[Sentence] = []
    drops: list[Drop] = []
    trimmed = 0
    for sentence, following in zip(in_order, [*in_order[1:], None], strict=False):
        if following is None or sentence.end_ms <= following.start_ms:
            kept.append(sentence)
        elif sentence.start_ms < following.start_ms:
            kept.append(sentence.ending(following.start_ms))
            trimmed += 1
        else:
            detail = f"{following.clip_id} starts at the same time, {sentence.start_ms} ms, and is not shorter"
            drops += drop_sentences(video_id, (sentence,), Stage.MERGE, Reason.OVERLAP, detail)
    return Ordered(kept, drops, trimmed)


def runs(sentences: Sequence[Sentence], max_gap_ms: int) -> list[tuple[Sentence, ...]]:
    """Split sentences in time order wherever the silence before the next one is longer than `max_gap_ms`."""
    found: list[list[Sentence]] = []
    for sentence in sentences:
        if found and sentence.start_ms - found[-1][-1].end_ms <= max_gap_ms:
            found[-1].append(sentence)
        else:
            found.append([sentence])
    return [tuple(run) for run in found]


def split_at(runs: Sequence[tuple[Sentence, ...]], starts_ms: Sequence[int]) -> list[tuple[Sentence, ...]]:
    """Split runs at chapters that start at the given times, in order. A sentence belongs to the chapter of its middle."""
    found: list[tuple[Sentence, ...]] = []
    for run in runs:
        chapters = [bisect_right(starts_ms, (s.start_ms + s.end_ms) / 2) for s in run]
        bounds = [i for i in range(1, len(run)) if chapters[i] != chapters[i - 1]]
        found += [run[i:j] for i, j in zip([0, *bounds], [*bounds, len(run)], strict=True)]
    return found


def cut(run: Sequence[Sentence], merge: config.Merge, costs: Mapping[int, Sequence[int]] | None = None) -> Cut:
    """Cut a run into the fewest pieces within the limits of `merge`, with sizes in sentences as even as possible.

    In order of importance: the fewest sentences are left over; there are the fewest pieces; their sizes are as even as possible;
    larger pieces come first.

    `costs` holds costs, whole and not negative, by size of a piece and number of its first sentence. With them: the fewest
    sentences are left over; the sum of the pieces' costs is smallest; larger pieces come first.
    """
    run = tuple(run)
    if not run:
        return Cut((), ())
    if costs is not None:
        return _best_cut(run, merge, costs)
    sizes = _even_sizes(len(run), merge.max_sentences)
    if not _fits(run, sizes, merge):
        return _best_cut(run, merge, _costs_of_size(len(run), merge))
    pieces, start = [], 0
    for size in sizes:
        pieces.append(run[start : start + size])
        start += size
    return Cut(tuple(pieces), ())


def merge_video(
    video: SourceVideo,
    sentences: Sequence[Sentence],
    merge: config.Merge,
    frames_per_sentence: int,
    topics: Topics | None = None,
    chapters_ms: Sequence[int] = (),
) -> MergedVideo:
    """Merge sentences into the long clips of a video. Every sentence ends in exactly one long clip or has exactly one Drop.

    Args:
        video: the video.
        sentences: its sentences, in any order.
        merge: the limits of a long clip.
        frames_per_sentence: how many frame times each sentence gets.
        topics: the topics of all sentences, for cuts where they change; None: even cuts.
        chapters_ms: the starts of its chapters in ms, in order. No long clip spans two chapters.

    Returns:
        The long clips in time order, the drops, and the runs that were cut.
    """
    ordered = order(video.video_id, sentences)
    clips: list[LongClip] = []
    drops = list(ordered.drops)
    stretches = tuple(tuple(split_at([run], chapters_ms)) for run in runs(ordered.sentences, merge.max_gap_ms))
    for run in (part for stretch in stretches for part in stretch):
        if len(run) < merge.min_sentences:
            detail = too_short(len(run), merge)
            drops += drop_sentences(video.video_id, run, Stage.MERGE, Reason.RUN_TOO_SHORT, detail)
            continue
        parts = cut(run, merge, topics.costs(run, merge.min_sentences, merge.max_sentences) if topics else None)
        clips += [long_clip(video, piece, frames_per_sentence) for piece in parts.pieces]
        detail = left_over(len(run), merge)
        drops += drop_sentences(video.video_id, parts.remainder, Stage.MERGE, Reason.CUT_REMAINDER, detail)
    return MergedVideo(clips, drops, ordered.trimmed, stretches)


def too_short(sentences: int, merge: config.Merge) -> str:
    """Why the sentences of a short run are dropped."""
    return f"run of {sentences} sentence{'s' if sentences > 1 else ''}, min_sentences is {merge.min_sentences}"


def left_over(sentences: int, merge: config.Merge) -> str:
    """Why a sentence of a run that was cut is dropped."""
    return (
        f"run of {sentences} sentences; this one fits into no long clip of {merge.min_sentences} to "
        f"{merge.max_sentences} sentences and at most {merge.max_duration_ms} ms"
    )


def long_clip(video: SourceVideo, sentences: tuple[Sentence, ...], frames_per_sentence: int) -> LongClip:
    """The long clip of sentences in time order, not yet assigned to a shard."""
    key = sample_key(video.video_id, sentences[0].start_ms, sentences[-1].end_ms)
    return LongClip(key, video, sentences, frame_times_ms(sentences, frames_per_sentence))


def _even_sizes(n: int, largest: int) -> list[int]:
    count = -(-n // largest)
    size, larger = divmod(n, count)
    return [size + 1] * larger + [size] * (count - larger)


def _fits(run: tuple[Sentence, ...], sizes: list[int], merge: config.Merge) -> bool:
    start = 0
    for size in sizes:
        if size < merge.min_sentences:
            return False
        if run[start + size - 1].end_ms - run[start].start_ms > merge.max_duration_ms:
            return False
        start += size
    return True


def _costs_of_size(n: int, merge: config.Merge) -> dict[int, list[int]]:
    """Costs that hold (pieces, sum of squared sizes) in one number: no sum of squares reaches n * n + 1."""
    return {size: [n * n + 1 + size * size] * n for size in range(merge.min_sentences, merge.max_sentences + 1)}


def _best_cut(run: tuple[Sentence, ...], merge: config.Merge, costs: Mapping[int, Sequence[int]]) -> Cut:
    """Dynamic programming from the end: the best cut of a tail is a step plus the best cut of a shorter tail."""
    n = len(run)
    drop_cost = 1 + n * max((max(of_size) for of_size in costs.values()), default=0)  # more than all pieces together
    cheapest = [0] * (n + 1)
    first_size = [0] * n  # size of the first piece of the tail from here; 0: its first sentence is dropped
    for i in reversed(range(n)):
        best, best_size = cheapest[i + 1] + drop_cost, 0
        latest_end = run[i].start_ms + merge.max_duration_ms
        for size in range(merge.min_sentences, min(merge.max_sentences, n - i) + 1):
            if run[i + size - 1].end_ms > latest_end:
                break
            cost = cheapest[i + size] + costs[size][i]
            if cost <= best:  # on a tie, the larger piece; a piece rather than a dropped sentence
                best, best_size = cost, size
        cheapest[i], first_size[i] = best, best_size
    pieces: list[tuple[Sentence, ...]] = []
    remainder: list[Sentence] = []
    i = 0
    while i < n:
        if first_size[i]:
            pieces.append(run[i : i + first_size[i]])
            i += first_size[i]
        else:
            remainder.append(run[i])
            i += 1
    return Cut(tuple(pieces), tuple(remainder))
