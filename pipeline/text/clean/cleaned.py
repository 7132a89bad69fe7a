"""What a cleaning step hands on: the cues that are left, those that are not, and how much it took out."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.clean.edit_cue import Edit, edited


@dataclass(slots=True)
class CleanedCues:
    """The cues after a step; the cues that vanished, each with the reason in words; how many removals there were."""

    cues: list[Cue]
    gone: list[tuple[Cue, str]]
    removals: int
    shortened: list[tuple[Cue, str]] = field(default_factory=list)  # of which a part of what was said is gone, and why


@dataclass(frozen=True, slots=True)
class CleanStep:
    """One cleaning step of a video: the cues it was given, and what it made of them."""

    name: str
    before: list[Cue]
    made: CleanedCues


def remove(cues: list[Cue], signs: re.Pattern[str], find: Callable[[str], list[Edit]], what: str) -> CleanedCues:
    """Apply the edits that `find` names for each text that holds one of `signs`. A cue of which nothing is left is gone."""
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
