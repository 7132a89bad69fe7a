"""Loops of speech recognition: a phrase that is put out again and again, within a segment or through many.

Of such a stretch the first time stays, for it may have been said; the others go.
"""

from bisect import bisect_left, bisect_right

import numpy as np
import numpy.typing as npt

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.clean.cleaned import CleanedCues
from longtake.pipeline.text.clean.edit_cue import edited
from longtake.schemas.words import spelled_words, word_spans

_LONGEST = 64  # words of a phrase
_SHORT = 16  # up to which every length is tried
_MIN_CHARACTERS = 32  # of the whole stretch: "no no no no no" is said by people
_PUNCTUATION = ".,;:!?\"'-\u2026\u3001\u3002\uff01\uff0c\uff1f\u060c\u061f\u2013\u2014\u300c\u300d"
# People chant, count and rehearse within a caption; what recognition repeats, it repeats more often.
_SAID_BY_PEOPLE = 2


def remove_loops(cues: list[Cue], times: int, from_recognition: bool = True) -> CleanedCues:
    """The cues without what repeats a phrase of up to 64 words for the second and further time, where it comes at least
    `times` times in a row and fills 32 characters or more.

    What stands within one cue must come twice as often, unless the file is one that only recognition writes. A cue of which
    a part goes is named in `shortened`.
    """
    words: list[str] = []
    first = [0]  # of each cue's words among all
    for cue in cues:
        words += spelled_words(cue.text)
        first.append(len(words))
    if len(words) < times:
        return CleanedCues(cues, [], 0)
    bare: dict[str, int] = {}  # a number for each word without its punctuation
    codes = {word: bare.setdefault(word.lower().strip(_PUNCTUATION), len(bare)) for word in dict.fromkeys(words)}
    lengths = np.fromiter((len(word) + (word.isascii() or 1) for word in bare), np.int64, len(bare))
    stream = np.fromiter(map(codes.__getitem__, words), np.int64, len(words))
    excess = _excess(stream, lengths[stream], times, first, from_recognition)
    if not excess.any():
        return CleanedCues(cues, [], 0)
    return _without(cues, first, excess)


def _excess(
    stream: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], times: int, first: list[int], recognised: bool
) -> npt.NDArray[np.bool_]:
    """Which words repeat a loop's first round. `first`: the first word of each cue, and how many words there are."""
    out = np.zeros(len(stream), bool)
    for phrase in _phrases(stream, times):
        same = stream[phrase:] == stream[:-phrase]
        if np.count_nonzero(same) < (times - 1) * phrase:
            continue
        runs = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])))).reshape(-1, 2)
        enough = runs[:, 1] - runs[:, 0] >= (times - 1) * phrase  # nearly none are
        for start, end in runs[enough].tolist():
            stop = end + phrase
            needed = times
            if not recognised and bisect_right(first, start) == bisect_right(first, stop - 1):
                needed = times * _SAID_BY_PEOPLE
            if stop - start < needed * phrase or lengths[start:stop].sum() < _MIN_CHARACTERS:
                continue
            begin = _first_round(first, start, stop - needed * phrase, phrase)
            if first[bisect_left(first, stop)] != stop:  # what follows in the cue may only begin alike
                stop -= (stop - begin) % phrase
            out[begin + phrase : stop] = True
    return out


def _first_round(first: list[int], start: int, last: int, phrase: int) -> int:
    """Where the first round starts: with a cue, if one starts early enough. Words before it may only end alike."""
    at = first[bisect_left(first, start)]
    return at if at <= min(last, start + phrase - 1) else start


def _phrases(stream: npt.NDArray[np.int64], times: int) -> list[int]:
    """Lengths of phrases to look for: the short ones, and those for which enough words far apart agree.

    A loop of phrases of p words agrees with itself p words on for (times - 1) * p words, so also at every 16th of them.
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
