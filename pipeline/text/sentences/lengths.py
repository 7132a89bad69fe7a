"""Cuts text where punctuation does not help: at pauses and, if a piece is too long, at the best place in it."""

import re
from bisect import bisect_left

from longtake.pipeline.text.sentences.stream import Stream
from longtake.schemas.text_config import Sentences
from longtake.schemas.words import UNSPACED, word_spans

# The worth of a place besides its silence, in milliseconds of silence. Between words without a space, the dictionary may be
# wrong.
_COMMA, _SEMICOLON, _CUE_END, _SPACE, _NO_SPACE = 400, 600, 300, 200, -1000
_MARKS = dict.fromkeys(",\u3001\uff0c\u060c", _COMMA) | dict.fromkeys(";:\u2014\u2013\uff1b\uff1a\u061b", _SEMICOLON)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_MIN_SILENCE_MS = 100  # shorter gaps are not silence: the times of words are not exact enough


def cut_lengths(stream: Stream, start: int, end: int, settings: Sentences, at_pauses: bool) -> list[int]:
    """Return the offsets at which to cut the stretch [start, end) of the text, in order: with `at_pauses` at every pause, and
    wherever a piece would have more than `max_words`. Pieces have at least `min_words` words.

    One pass: each cut is the place of most worth within the words that a piece may have; of equal places, the last.
    """
    most, least = settings.max_words, settings.min_words
    if not at_pauses and (end - start <= most or (stream.is_ascii and stream.text.count(" ", start, end) < most)):
        return []
    text = stream.text[start:end]
    if len(text) < least or (not at_pauses and text.isascii() and text.count(" ") < most):
        return []
    words = word_spans(text)
    total = len(words)
    if total < 2 * least or (total <= most and not at_pauses):
        return []
    silences = _silences(stream, start, end)
    is_bare = text.isascii() and not any(mark in text for mark in _MARKS)  # then only silences have worth
    cuts: list[int] = []
    chosen: tuple[int, int] | None = None  # worth, the word
    done, number = 0, 1  # words before the last cut, the next word
    while total - number >= least:
        at = words[number][0]
        if number - done >= least:
            silence = silences.get(start + at)
            if at_pauses and silence is not None and silence >= settings.pause_ms:
                cuts.append(start + at)
                done, chosen = number, None
            elif total - done > most:
                if chosen is not None and number - done > most:
                    cuts.append(start + words[chosen[1]][0])
                    done = number = chosen[1]
                    chosen = None
                else:
                    worth = 0 if is_bare and silence is None else _worth(text, at, silence, stream.has_words)
                    if chosen is None or worth >= chosen[0]:
                        chosen = worth, number
        number += 1
    if chosen is not None and total - done > most:
        cuts.append(start + words[chosen[1]][0])
    return cuts


def _worth(text: str, at: int, silence: int | None, has_words: bool) -> int:
    last = at - 1
    while last > 0 and text[last].isspace():
        last -= 1
    worth = _MARKS.get(text[last], 0) if at else 0
    if silence is not None:
        return worth + silence + (0 if has_words else _CUE_END)
    if worth or text[last].isascii() or not _UNSPACED.match(text[last]):
        return worth
    return _SPACE if last < at - 1 else _NO_SPACE


def _silences(stream: Stream, start: int, end: int) -> dict[int, int]:
    """The milliseconds of silence by offset: before each cue, and before each word after a silence."""
    found: dict[int, int] = {}
    number = stream.cue_at(start)
    last = None
    while number < len(stream.cues) and (offset := stream.offsets[number]) < end:
        cue = stream.cues[number]
        begin = cue.words[0][1] if cue.words else cue.start_ms
        if last is not None:
            found[offset] = max(begin - last, 0)
        # In a cue with many words, look only at the words from `start` to `end` and the word before them.
        first = max(bisect_left(cue.words, (start - offset, 0, 0)) - 1, 0)
        until = cue.words[first][1] if cue.words else begin
        for at, from_ms, until_ms in cue.words[first : bisect_left(cue.words, (end - offset, 0, 0))]:
            if from_ms - until >= _MIN_SILENCE_MS:
                found[offset + at] = from_ms - until
            until = until_ms
        last = until if cue.words else stream.ends[number]
        number += 1
    return found
