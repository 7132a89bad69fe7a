"""Loops of speech recognition: a phrase that is put out again and again, within a segment or through many.

Of such a stretch the first time stays, for it may have been said; the others go.
"""

import re

import numpy as np
import numpy.typing as npt

from longtake.pipeline.clean.cleaned import Cleaned
from longtake.pipeline.clean.edit_cue import edited
from longtake.pipeline.transcripts.cue import UNSPACED, Cue

_LONGEST = 16  # words of a phrase
_MIN_CHARACTERS = 32  # of the whole stretch: "no no no no no" is said by people
# Scripts without spaces between words: each character counts for a word.
_UNSPACED = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]+")
_WORD = re.compile(r"\S+")
_PUNCTUATION = ".,;:!?\"'-\u2026\u3001\u3002\uff01\uff0c\uff1f\u060c\u061f\u2013\u2014"


def remove_loops(cues: list[Cue], times: int) -> Cleaned:
    """The cues without what repeats a phrase of up to 16 words for the second and further time, where it comes at least
    `times` times in a row and fills 32 characters or more."""
    codes: dict[str, int] = {}  # of words without their punctuation
    spelled: dict[str, int] = {}
    found: list[int] = []
    first = [0]  # of each cue's words among all
    for cue in cues:
        text = cue.text.lower()
        words = text.split() if text.isascii() else _UNSPACED.findall(text)
        for word in words:
            code = spelled.get(word)
            if code is None:
                code = spelled[word] = codes.setdefault(word.strip(_PUNCTUATION), len(codes))
            found.append(code)
        first.append(len(found))
    if len(found) < times:
        return Cleaned(cues, [], 0)
    lengths = np.fromiter((len(word) + 1 for word in codes), np.int64, len(codes))
    stream = np.array(found, np.int64)
    excess = _excess(stream, lengths[stream], times)
    if not excess.any():
        return Cleaned(cues, [], 0)
    return _without(cues, first, excess)


def _excess(stream: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], times: int) -> npt.NDArray[np.bool_]:
    """Which words repeat a loop's first round."""
    out = np.zeros(len(stream), bool)
    for phrase in range(1, min(_LONGEST, len(stream) // times) + 1):
        same = stream[phrase:] == stream[:-phrase]
        if np.count_nonzero(same) < (times - 1) * phrase:
            continue
        edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
        for start, end in edges.reshape(-1, 2):
            if end - start >= (times - 1) * phrase and lengths[start : end + phrase].sum() >= _MIN_CHARACTERS:
                out[start + phrase : end + phrase] = True
    return out


def _without(cues: list[Cue], first: list[int], excess: npt.NDArray[np.bool_]) -> Cleaned:
    kept: list[Cue] = []
    gone: list[tuple[Cue, str]] = []
    removals = 0
    for number, cue in enumerate(cues):
        marks = excess[first[number] : first[number + 1]]
        if not marks.any():
            kept.append(cue)
            continue
        pattern = _WORD if cue.text.lower().isascii() else _UNSPACED
        spans = [found.span() for found in pattern.finditer(cue.text)]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], marks, [False])))).reshape(-1, 2)
        rest = edited(cue, [(spans[start][0], spans[end - 1][1], "") for start, end in edges])
        removals += len(edges)
        if any(c.isalnum() for c in rest.text):
            kept.append(rest)
        else:
            gone.append((cue, "repeats what was said just before, as recognition does when it loops"))
    return Cleaned(kept, gone, removals)
