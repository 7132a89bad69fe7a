"""Segments of speech recognition in the form that Whisper and its kin write, read as a whole, which takes a third of the time.

Segments that differ in anything (no seconds, speakers, words that are not the text, words without times) are left to `whisper`,
all of them. What is read here is what `whisper` would read; a test compares the two.
"""

from itertools import accumulate, chain, repeat
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from longtake.pipeline.parse.transcripts.cue import Cue, Word, cues_of, plain_lines, trusted

_USUAL_SECONDS = 1e8  # a time up to this needs no parser
#: What a segment may have without another meaning than here.
_KNOWN = frozenset(
    ("id", "seek", "start", "end", "text", "words", "tokens", "temperature", "avg_logprob", "compression_ratio", "confidence",
     "no_speech_prob")
)  # fmt: skip
Ints = npt.NDArray[np.int64]
_WORD, _START, _END = map(itemgetter, ("word", "start", "end"))
_as_float = float.__float__  # of a float alone: it raises TypeError for all else, also for a whole number or a bool


def regular_segments(segments: list[Any], video_id: str) -> list[Cue] | None:
    """The cues of segments of the regular form; None for any others, and if one of the cues would not be used as it is."""
    try:
        if not (segments and _KNOWN.issuperset(chain.from_iterable(segments))):
            return None
        raws, lists = [one["text"] for one in segments], [one.get("words") for one in segments]
        texts, spans = _texts(raws), _milliseconds(segments)
        if texts is None or spans is None or not (spans[0] < spans[1]).all():
            return None
        words = repeat(()) if lists.count(None) == len(lists) else _words(lists, raws, *spans)
    except (AttributeError, KeyError, TypeError):
        return None
    if words is None:
        return None
    ids = [f"{video_id}.{number}" for number in range(1, len(segments) + 1)]
    return cues_of(ids, *(times.tolist() for times in spans), texts, words, _silences(segments))


def _texts(raws: list[str]) -> list[str] | None:
    """The texts, if nothing but one space before each is to be removed, and none is empty. Raises TypeError."""
    lines = "\n" + "\n".join(raws) + "\n"
    plain = lines.isascii() and lines.replace("\n", "").isprintable() and lines.count("\n") == len(raws) + 1
    if not plain or "  " in lines or " \n" in lines:
        texts = list(map(plain_lines, raws))
        if any("\n" in raw or raw.removeprefix(" ") != text for raw, text in zip(raws, texts, strict=True)):
            return None
    else:
        texts = [raw.removeprefix(" ") for raw in raws]
    return texts if all(texts) else None


def _milliseconds(timed: list[Any]) -> tuple[Ints, Ints] | None:
    """The starts and ends of segments or words, in seconds, as milliseconds. Raises TypeError, also if one is no float."""
    times = np.array([np.fromiter(map(_as_float, map(get, timed)), float, len(timed)) for get in (_START, _END)])
    if not ((times >= 0) & (times <= _USUAL_SECONDS)).all():  # also NaN
        return None
    start_ms, end_ms = (times * 1000 + 0.5).astype(np.int64)
    return start_ms, end_ms


def _words(lists: list[Any], raws: list[str], starts: Ints, ends: Ints) -> list[tuple[Word, ...]] | None:
    """The words of each segment with offsets in its text and times, if they are the text. Raises TypeError or KeyError."""
    if set(map(type, lists)) != {list} or not all(lists):
        return None
    words = list(chain.from_iterable(lists))
    spelled = list(map(_WORD, words))
    times, whole = _milliseconds(words), "".join(raws)
    if times is None or "".join(spelled) != whole or not all(spelled):
        return None
    lengths = np.fromiter(map(len, spelled), np.int64, len(spelled))
    until = np.cumsum(lengths)
    before = until - lengths
    characters = np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), np.uint32)
    blank = characters[before] == ord(" ")
    size = np.fromiter(map(len, lists), np.int64, len(lists))
    last = np.cumsum(size)
    first = last - size
    if (lengths <= blank).any() or (until[last - 1] != np.fromiter(accumulate(map(len, raws)), np.int64)).any():
        return None
    offsets = before + blank - np.repeat((before + blank)[first], size)
    found = tuple(zip(offsets.tolist(), *(each.tolist() for each in times), strict=True))
    inside = (times[0][first] >= starts) & (np.maximum.reduceat(times[1], first) <= ends)
    falls = times[0][1:] < times[0][:-1]
    falls[last[:-1] - 1] = False
    parts = [found[start:end] for start, end in zip(first.tolist(), last.tolist(), strict=True)]
    if inside.all() and not falls.any() and (times[0] <= times[1]).all():
        return parts
    return list(map(trusted, parts, starts.tolist(), ends.tolist()))


def _silences(segments: list[Any]) -> list[float]:
    """The probability that nobody speaks in each segment; 0 without a usable one."""
    values = [one.get("no_speech_prob") for one in segments]
    if set(map(type, values)) == {float} and 0 <= min(values) <= max(values) <= 1 and sum(values) >= 0:  # no NaN
        return values
    return list(map(_silence, values))


def _silence(value: Any) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if usable else 0.0
