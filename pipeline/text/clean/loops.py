"""Loops of speech recognition: a phrase that it repeats again and again, within one segment or across many.

The first round of a loop stays, because it may have been said; the other rounds are removed.
"""

from bisect import bisect_left, bisect_right
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.clean.cleaned import CleanedCues
from longtake.pipeline.text.clean.edit_cue import edited
from longtake.schemas.words import distinct_words, spelled_words, word_spans

_LONGEST = 64  # words of a phrase
_SHORT = 16  # words; every length up to this is tried
_MIN_CHARACTERS = 32  # of the whole loop: people do say "no no no no no"
_PUNCTUATION = ".,;:!?\"'-\u2026\u3001\u3002\uff01\uff0c\uff1f\u060c\u061f\u2013\u2014\u300c\u300d"
# People chant, count and rehearse within a caption. Recognition in a loop repeats more often.
_SAID_BY_PEOPLE = 2


def remove_loops(cues: list[Cue], times: int, from_recognition: bool = True) -> CleanedCues:
    """Remove loops: a phrase of up to 64 words, at least `times` times in a row and at least 32 characters in all. The first
    round stays.

    Within one cue, the phrase must come twice as often, unless only recognition writes such a file. A cue from which a part is
    removed is in `shortened`.
    """
    words, distinct = distinct_words("\n".join([cue.text for cue in cues]))
    if len(words) < times:
        return CleanedCues(cues, [], 0)
    bare: dict[str, int] = {}  # a number for each word without its punctuation
    codes = {word: bare.setdefault(word.lower().strip(_PUNCTUATION), len(bare)) for word in distinct}
    stream = np.fromiter(map(codes.__getitem__, words), np.int64, len(words))
    phrases = [p for p in _phrases(stream, times) if _has_run(stream[p:] == stream[:-p], (times - 1) * p)]
    if not phrases:  # nearly always
        return CleanedCues(cues, [], 0)
    first = [0, *accumulate([len(spelled_words(cue.text)) for cue in cues])]  # position of each cue's first word
    lengths = np.fromiter((len(word) + (word.isascii() or 1) for word in bare), np.int64, len(bare))
    excess = _excess(stream, lengths[stream], phrases, times, first, from_recognition)
    if not excess.any():
        return CleanedCues(cues, [], 0)
    return _without(cues, first, excess)


def _excess(
    stream: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    phrases: list[int],
    times: int,
    first: list[int],
    recognised: bool,
) -> npt.NDArray[np.bool_]:
    """Mark the words that repeat a loop's first round. `first` has the first word of each cue, then the number of words."""
    out = np.zeros(len(stream), bool)
    for phrase in phrases:
        same = stream[phrase:] == stream[:-phrase]
        runs = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])))).reshape(-1, 2)
        enough = runs[:, 1] - runs[:, 0] >= (times - 1) * phrase
        for start, end in runs[enough].tolist():
            stop = end + phrase
            needed = times
            if not recognised and bisect_right(first, start) == bisect_right(first, stop - 1):
                needed = times * _SAID_BY_PEOPLE
            if stop - start < needed * phrase or lengths[start:stop].sum() < _MIN_CHARACTERS:
                continue
            begin = _first_round(first, start, stop - needed * phrase, phrase)
            if first[bisect_left(first, stop)] != stop:  # the text after the loop may only begin alike
                stop -= (stop - begin) % phrase
            out[begin + phrase : stop] = True
    return out


def _has_run(same: npt.NDArray[np.bool_], length: int) -> bool:
    """Whether so many of the values are true in a row. As bytes, because no other search is as quick."""
    return b"\1" * length in same.tobytes()


def _first_round(first: list[int], start: int, last: int, phrase: int) -> int:
    """The start of the first round: the start of a cue, if one is early enough. Words before it may only end alike."""
    at = first[bisect_left(first, start)]
    return at if at <= min(last, start + phrase - 1) else start


def _phrases(stream: npt.NDArray[np.int64], times: int) -> list[int]:
    """Lengths of phrases to look for: all short ones, and longer ones for which enough words at that distance agree.

    In a loop of a phrase of p words, (times - 1) * p words agree with the words p places later. So every 16th of them does.
    """
    most = min(_LONGEST, len(stream) // times)
    found = list(range(1, min(_SHORT, most) + 1))
    if most <= _SHORT:
        return found
    longer = np.arange(_SHORT + 1, most + 1)
    places = np.arange(most, len(stream), _SHORT)
    agrees = stream[places[:, None]] == stream[places[:, None] - longer]
    least = (times - 1) * (_SHORT + 1) // _SHORT
    run = agrees[: len(places) - least + 1].copy() if len(places) >= least else agrees[:0]
    for step in range(1, least):
        run &= agrees[step : len(places) - least + 1 + step]
    return found + [int(phrase) for phrase in longer[run.any(axis=0)]]


def _without(cues: list[Cue], first: list[int], excess: npt.NDArray[np.bool_]) -> CleanedCues:
    kept: list[Cue] = []
    gone: list[tuple[Cue, str]] = []
    shortened: list[tuple[Cue, str]] = []
    removals = 0
    for number, cue in enumerate(cues):
        marks = excess[first[number] : first[number + 1]]
        if not marks.any():
            kept.append(cue)
            continue
        spans = word_spans(cue.text)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], marks, [False])))).reshape(-1, 2)
        rest = edited(cue, [(spans[start][0], spans[end - 1][1], "") for start, end in edges])
        removals += len(edges)
        if any(c.isalnum() for c in rest.text):
            kept.append(rest)
            words = int(np.count_nonzero(marks))
            shortened.append(
                (cue, f"{words} words of {cue.cue_id} repeat what was said just before; they were taken out")
            )
        else:
            gone.append((cue, "repeats what was said just before, as recognition does when it loops"))
    return CleanedCues(kept, gone, removals, shortened)
