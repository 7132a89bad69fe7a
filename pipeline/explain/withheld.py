"""An explanation without what may not be shown: the long clips of its video that were taken down or rejected."""

from dataclasses import replace

from longtake.pipeline.corpus.withdrawn import HIDDEN, Withdrawn
from longtake.pipeline.explain.explanation import ClipFate, Explanation, Passage, Said, TextChange
from longtake.schemas.reasons import Subject
from longtake.schemas.records import Drop


def without_withdrawn(found: Explanation, withdrawn: Withdrawn) -> Explanation:
    """The explanation, but with only ids, times and reasons for everything that shares time with a withdrawn long clip.

    The cues of such a video lose all text: rolling cues repeat each other's lines, also beyond the long clip.
    """
    video_id = found.video.video_id

    def is_out(one: Said | ClipFate) -> bool:
        return withdrawn.span(video_id, one.start_ms, one.end_ms)

    def said(one: Said) -> Said:
        return replace(one, text=HIDDEN, caption=one.caption and HIDDEN, detail="") if is_out(one) else one

    def clip(one: ClipFate) -> ClipFate:
        return replace(one, text=HIDDEN, detail="") if is_out(one) else one

    if not withdrawn.any_of(video_id):
        return found
    return replace(
        found,
        cues=tuple(map(_cue, found.cues)),
        steps=tuple(replace(step, changes=tuple(map(_change, step.changes))) for step in found.steps),
        sentences=tuple(map(said, found.sentences)),
        clips=tuple(map(clip, found.clips)),
        recomputed=tuple(_row(row, withdrawn) for row in found.recomputed),
        later=tuple(_row(row, withdrawn) for row in found.later),
    )


def _cue(one: Passage) -> Passage:
    return replace(one, text=HIDDEN)


def _change(one: TextChange) -> TextChange:
    return replace(one, before=HIDDEN, after=one.after and HIDDEN)


def _row(row: Drop, withdrawn: Withdrawn) -> Drop:
    """The ledger row without forbidden details. A sentence row does not say whether it is withdrawn, and its detail can quote
    text."""
    told = withdrawn.told(row)
    is_id = row.detail.startswith("in long clip ")
    return replace(told, detail="") if row.subject is Subject.SENTENCE and not is_id else told
