"""The result of a cleaning step: the remaining cues, the dropped cues, and the number of removals; and the signs by which a step
sees that there is nothing to do.
"""

import re
from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Signs:
    """What a text holds if a rule changes it: a match of `pattern` and, if it is ASCII after a line end, one of `in_ascii`.

    Few files hold any, and one search in the text of all cues takes a tenth of the time of one in each.
    """

    pattern: re.Pattern[str]
    in_ascii: tuple[str, ...]

    def may_be_in(self, cues: Sequence[Cue]) -> bool:
        """Whether the text of any of the cues may hold a sign."""
        lines = "\n" + "\n".join([cue.text for cue in cues])
        if lines.isascii():
            return any(map(lines.__contains__, self.in_ascii))
        return self.pattern.search(lines) is not None


def remove(cues: list[Cue], signs: Signs, find: Callable[[str], list[Edit]], what: str) -> CleanedCues:
    """Apply the edits that `find` returns for each text with one of `signs`. A cue is dropped if no letter or digit is left."""
    if not signs.may_be_in(cues):
        return CleanedCues(cues, [], 0)
    kept: list[Cue] = []
    gone: list[tuple[Cue, str]] = []
    removals = 0
    for cue in cues:
        edits = find(cue.text) if signs.pattern.search(cue.text) else None
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
