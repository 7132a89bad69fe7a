"""Find where the long clips of a source video end, and why."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from longtake.pipeline.explain.explanation import ExplainedCut, Said
from longtake.pipeline.plan.video import Planning
from longtake.schemas.config import CorpusConfig, Merge
from longtake.schemas.records import LongClip, Sentence


def find_cuts(
    ordered: Sequence[Sentence], sentences: Sequence[Said], planning: Planning, config: CorpusConfig
) -> Iterator[ExplainedCut]:
    """Yield the cuts among `ordered`, the merged sentences. Sentence numbers are positions in `sentences`, the list of all."""
    clips = planning.merged.clips
    numbers = {said.clip_id: number for number, said in enumerate(sentences)}
    owner = {s.clip_id: number for number, clip in enumerate(clips) for s in clip.sentences}
    starts_run: set[str] = set()
    starts_chapter: set[str] = set()
    for stretch in planning.merged.stretches:
        starts_run.add(stretch[0][0].clip_id)
        starts_chapter |= {run[0].clip_id for run in stretch[1:]}
    grouped = config.source.groups is not None
    for before, after in pairwise(ordered):
        silence = after.start_ms - before.end_ms
        one, other = owner.get(before.clip_id), owner.get(after.clip_id)
        if after.clip_id in starts_run:
            kind = "gap"
            detail = f"nobody speaks for {silence / 1000:.1f} s, more than max_gap_ms {config.merge.max_gap_ms}"
        elif after.clip_id in starts_chapter:
            kind, detail = "chapter", "a chapter starts"
        elif one == other:
            continue
        elif grouped:
            kind, detail = "group", "another group of the source"
        elif one is None or other is None:
            kind, detail = "dropped", "a sentence beside it fits into no long clip"
        else:
            kind, detail = _choice(clips[one], clips[other], config.merge, planning.topics is not None)
        yield ExplainedCut(numbers[after.clip_id], after.start_ms, kind, detail, silence)


def _choice(one: LongClip, other: LongClip, merge: Merge, by_topic: bool) -> tuple[str, str]:
    """Why a run was cut between two long clips: together they would break a limit, or the topic turns."""
    count, lasts = len(one.sentences) + len(other.sentences), other.end_ms - one.start_ms
    where = "placed where topics part best" if by_topic else "cut as evenly as it goes"
    if count > merge.max_sentences:
        return "limit", f"{count} sentences together, max_sentences is {merge.max_sentences}; {where}"
    if lasts > merge.max_duration_ms:
        return "limit", f"{lasts / 1000:.1f} s together, max_duration_ms is {merge.max_duration_ms}; {where}"
    return "topic" if by_topic else "limit", "the topic turns" if by_topic else "further ones would not fit otherwise"
