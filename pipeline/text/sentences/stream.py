"""The cues of a video as one text, with the time of each of its characters."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from operator import attrgetter, gt, sub

from longtake.pipeline.parse.transcripts.cue import BREAK, Cue
from longtake.schemas.words import HAN_KANA, UNSPACED

_START, _TURN, _WORDS, _SPEAKERS = map(attrgetter, ("start_ms", "turn", "words", "speakers"))
_LINK = re.compile(r"(?:https?://|www\.)\S+")
#: The end of a line or cue in a stream, between characters of scripts that put no spaces between words. It becomes nothing in
#: the sentence; a written space stays. str.split() takes it for white space.
LINE_END = "\x1f"
_WIDE_MARKS = "\u3001-\u303f\uff01-\uff9f"
# In Thai and similar scripts a space ends a phrase, and so does a cue's end. A line within a cue only ends because it is full.
_WIDE = re.compile(f"[{HAN_KANA}{_WIDE_MARKS}]")
_UNSPACED_LINE_END = re.compile(f"(?<=[{UNSPACED}{_WIDE_MARKS}])\n(?=[{UNSPACED}{_WIDE_MARKS}])")


class Stream:
    """The texts of cues in time order, divided by a space, or by BREAK if nobody spoke for longer than `max_pause_ms` or another
    person starts to speak.

    The text of `cues[i]` starts at `offsets[i]`. A cue that overlaps the next one ends where the next one starts.
    """

    def __init__(self, cues: Sequence[Cue], max_pause_ms: int) -> None:
        self.cues = sorted(cues, key=_START)  # stable: equal starts stay in file order
        texts = [cue.text for cue in self.cues]
        starts, ends = [cue.start_ms for cue in self.cues], [cue.end_ms for cue in self.cues]
        self.ends = _cut(starts, ends)  # in ms, of each cue
        pauses = list(map(sub, starts[1:], self.ends))
        whole = "".join(texts)
        self.is_ascii = whole.isascii()
        if self.is_ascii and max(pauses, default=0) <= max_pause_ms and not any(map(_TURN, self.cues)):
            self.text = " ".join(texts).replace("\n", " ")
        else:
            divided = [
                BREAK if cue.turn or pause > max_pause_ms else between(last, cue.text)
                for cue, pause, last in zip(self.cues[1:], pauses, texts, strict=False)
            ]
            lines = map(mark_line_ends, texts) if "\n" in whole else texts
            self.text = "".join([part for pair in zip(["", *divided], lines, strict=False) for part in pair])
        self.offsets = list(accumulate([len(text) + 1 for text in texts[:-1]], initial=0))[: len(texts)]
        self.speakers = self._speakers(max_pause_ms)
        self.has_words = any(map(_WORDS, self.cues))  # then a cue ends because a line does, which means nothing

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of the cues."""
        return frozenset(cue.cue_id for cue in self.cues)

    def _speakers(self, max_pause_ms: int) -> list[tuple[int, str | None]]:
        """Return speakers with the offset from which they speak. A named speaker speaks until another turn or a long silence."""
        found: list[tuple[int, str | None]] = []
        if not any(map(_SPEAKERS, self.cues)):
            return found
        for number, (cue, offset) in enumerate(zip(self.cues, self.offsets, strict=True)):
            pauses = number > 0 and cue.start_ms - self.ends[number - 1] > max_pause_ms
            names = cue.speakers or (None,)
            if cue.turn or pauses or names[0] is not None:
                found.append((offset, names[0]))
            turns = (at for at, character in enumerate(cue.text) if character == BREAK)
            found += [
                (offset + at, name) for at, name in zip(turns, [*names[1:], *[None] * len(cue.text)], strict=False)
            ]
        return found

    def speaker_of(self, offset: int) -> str | None:
        """The speaker at an offset; None if unknown."""
        at = bisect_right(self.speakers, offset, key=lambda entry: entry[0]) - 1
        return self.speakers[at][1] if at >= 0 else None

    def links(self) -> list[int]:
        """Offsets around cues that are only a link, as on a title: they are part of no sentence."""
        if "://" not in self.text and "www." not in self.text:
            return []
        found = (i for i, cue in enumerate(self.cues) if _LINK.fullmatch(cue.text))
        return [at for i in found for at in (self.offsets[i], self.offsets[i] + len(self.cues[i].text))]

    def cue_at(self, offset: int) -> int:
        """The number of the cue that holds a character."""
        return bisect_right(self.offsets, offset) - 1

    def times_of(self, pieces: Sequence[tuple[int, int]]) -> list[tuple[int, int, str]]:
        """Start and end in ms of pieces [start, end) of the text, and the source of these times."""
        found: list[tuple[int, int, str]] = []
        starting = dict(zip(self.offsets, self.cues, strict=True))
        ending = {
            at + len(cue.text): (cue, limit)
            for at, cue, limit in zip(self.offsets, self.cues, self.ends, strict=True)
            if cue.text
        }
        for start, end in pieces:
            first, last = starting.get(start), ending.get(end)
            if first is None or first.words:
                start_ms, start_known = self.start_of(start)
            else:  # nearly always: the piece starts with a cue
                start_ms, start_known = first.start_ms, "cue"
            if last is None:
                end_ms, end_known = self.end_of(end)
            elif last[0].words:
                begin, _, until = last[0].words[-1]
                end_ms, end_known = min(until, last[1]), "interpolated" if begin in last[0].guessed else "words"
            else:
                end_ms, end_known = last[1], "cue"
            known = (start_known, end_known)
            timing = "interpolated" if "interpolated" in known else "words" if "words" in known else "cue"
            found.append((start_ms, end_ms, timing))
        return found

    def start_of(self, offset: int) -> tuple[int, str]:
        """The time in ms when the character at `offset` starts to be said, and the source of the time."""
        number = self.cue_at(offset)
        cue, inside = self.cues[number], offset - self.offsets[number]
        if cue.words:
            at = bisect_right(cue.words, (inside, 1 << 60, 0)) - 1
            begin, start, end = cue.words[at]
            if begin == inside:
                return start, "interpolated" if begin in cue.guessed else "words"
            until = cue.words[at + 1][0] if at + 1 < len(cue.words) else len(cue.text)
            return start + (end - start) * (inside - begin) // max(until - begin, 1), "interpolated"
        if inside == 0:
            return cue.start_ms, "cue"
        return cue.start_ms + (self.ends[number] - cue.start_ms) * inside // len(cue.text), "interpolated"

    def end_of(self, offset: int) -> tuple[int, str]:
        """The time in ms when the character before `offset` has been said, and the source of the time."""
        number = self.cue_at(offset - 1)
        cue, inside = self.cues[number], offset - self.offsets[number]
        limit = self.ends[number]
        if cue.words:
            at = bisect_right(cue.words, (inside - 1, 1 << 60, 0)) - 1
            begin, start, end = cue.words[at]
            until = cue.words[at + 1][0] if at + 1 < len(cue.words) else len(cue.text)
            if inside >= until or not cue.text[inside:until].strip():
                return min(end, limit), "interpolated" if begin in cue.guessed else "words"
            return min(start + (end - start) * (inside - begin) // (until - begin), limit), "interpolated"
        if inside >= len(cue.text):
            return limit, "cue"
        return cue.start_ms + (limit - cue.start_ms) * inside // len(cue.text), "interpolated"


class CueEnds:
    """The offsets at which the cues of a stream end. They are made when they are first asked for."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @cached_property
    def _offsets(self) -> frozenset[int]:
        return frozenset(at + len(cue.text) for at, cue in zip(self._stream.offsets, self._stream.cues, strict=True))

    def __contains__(self, offset: object) -> bool:
        return offset in self._offsets


def _cut(starts: list[int], ends: list[int]) -> list[int]:
    """The ends of cues in order of their starts, each cut where the next one starts, if that starts later."""
    if all(map(gt, starts[1:], starts)):
        return [*map(min, ends, starts[1:]), *ends[-1:]]
    following = [*starts[1:], None]
    return [
        min(end, after) if after is not None and after > start else end
        for start, end, after in zip(starts, ends, following, strict=True)
    ]


def between(before: str, text: str) -> str:
    """The character between the texts of two cues."""
    if before.isascii() or text.isascii():
        return " "
    return LINE_END if _WIDE.match(before[-1:]) and _WIDE.match(text[:1]) else " "


def join_lines(text: str) -> str:
    """Return `text` with single spaces, and no space where a line of Han or kana ended; see LINE_END."""
    return " ".join(text.replace(LINE_END, "").split())


def mark_line_ends(text: str) -> str:
    """Replace each line end in `text` by a space, or by LINE_END between characters of unspaced scripts. The length stays."""
    if "\n" not in text:
        return text
    return (text if text.isascii() else _UNSPACED_LINE_END.sub(LINE_END, text)).replace("\n", " ")
