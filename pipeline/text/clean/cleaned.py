"""The result of a cleaning step: the remaining cues, the dropped cues, and the number of removals."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.clean.edit_cue import Edit, edited


@dataclass(slots=True)
class CleanedCues:
    """The cues after a step, the dropped cues with the reason in words, and the number of removals."""

    cues: list[Cue]
    gone: list[tuple[Cue, str]]
    removals: int
    shortened: list[tuple[Cue, str]] = field(default_factory=list)  # cues without a part of the speech, and why


@dataclass(frozen=True, slots=True)
class CleanStep:
    """One cleaning step of a video: the cues before it, and its result."""

    name: str
    before: list[Cue]
    made: CleanedCues


def remove(cues: list[Cue], signs: re.Pattern[str], find: Callable[[str], list[Edit]], what: str) -> CleanedCues:
    """Apply the edits that `find` returns for each text with one of `signs`. A cue is dropped if no letter or digit is left."""
    kept: list[Cue] = []
    gone: list[tuple[Cue, str]] = []
    removals = 0
    for cue in cues:
        edits = find(cue.text) if signs.search(cue.text) else None  # few have any
        if not edits:
            kept.append(cue)
            continue
        removals += len(edits)
        rest = edited(cue, edits)
        if any(c.isalnum() for c in rest.text):
            kept.append(rest)
        else:
            gone.append((cue, f"nothing but {what}"))
    return CleanedCues(kept, gone, removals)
