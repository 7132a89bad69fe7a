"""The cues of a video as one text, with the time of each of its characters."""

import re
from bisect import bisect_right
from collections.abc import Sequence

from longtake.pipeline.transcripts.cue import BREAK, UNSPACED, Cue

_LINK = re.compile(r"(?:https?://|www\.)\S+")
_LINE_END = str.maketrans("\n", " ")
# Between two characters of scripts that put no spaces between words, the end of a line is none either.
_WIDE = f"{UNSPACED}\u3001-\u303f\uff00-\uffef"  # and their punctuation
_FALSE_SPACE = re.compile(f"(?<=[{_WIDE}]) (?=[{_WIDE}])")


class Stream:
    """The texts of cues in time order, divided by a space, or by BREAK where nobody spoke for longer than `max_pause_ms`,
    or another person starts to speak.

    `offsets[i]` is where the text of `cues[i]` starts. Of cues that overlap, the earlier ends where the next one starts.
    """

    def __init__(self, cues: Sequence[Cue], max_pause_ms: int) -> None:
        self.cues = sorted(cues, key=lambda cue: cue.start_ms)  # stable: in the order of the file where that is equal
        self.offsets: list[int] = []
        self.ends: list[int] = []  # in ms, of each cue
        parts: list[str] = []
        size = 0
        last = None
        for cue in self.cues:
            if last is not None:
                end = min(last.end_ms, cue.start_ms) if cue.start_ms > last.start_ms else last.end_ms
                self.ends.append(end)
                parts.append(BREAK if cue.turn or cue.start_ms - end > max_pause_ms else " ")
                size += 1
            self.offsets.append(size)
            parts.append(cue.text)
            size += len(cue.text)
            last = cue
        if last is not None:
            self.ends.append(last.end_ms)
        self.text = "".join(parts).translate(_LINE_END)
        self.has_words = any(cue.words for cue in self.cues)  # then ends of cues are those of lines, and mean nothing

    def links(self) -> list[int]:
        """Offsets around cues that are nothing but a link, as on a title: they are part of no sentence."""
        if "://" not in self.text and "www." not in self.text:
            return []
        found = (i for i, cue in enumerate(self.cues) if _LINK.fullmatch(cue.text))
        return [at for i in found for at in (self.offsets[i], self.offsets[i] + len(self.cues[i].text))]

    def cue_at(self, offset: int) -> int:
        """The number of the cue that a character belongs to."""
        return bisect_right(self.offsets, offset) - 1

    def start_of(self, offset: int) -> tuple[int, str]:
        """When the character at `offset` starts to be said, in ms, and how that is known."""
        number = self.cue_at(offset)
        cue, inside = self.cues[number], offset - self.offsets[number]
        if cue.words:
            at = bisect_right(cue.words, (inside, 1 << 60, 0)) - 1
            begin, start, end = cue.words[at]
            if begin == inside:
                return start, "words"
            until = cue.words[at + 1][0] if at + 1 < len(cue.words) else len(cue.text)
            return start + (end - start) * (inside - begin) // max(until - begin, 1), "interpolated"
        if inside == 0:
            return cue.start_ms, "cue"
        return cue.start_ms + (self.ends[number] - cue.start_ms) * inside // len(cue.text), "interpolated"

    def end_of(self, offset: int) -> tuple[int, str]:
        """When the character before `offset` has been said, in ms, and how that is known."""
        number = self.cue_at(offset - 1)
        cue, inside = self.cues[number], offset - self.offsets[number]
        limit = self.ends[number]
        if cue.words:
            at = bisect_right(cue.words, (inside - 1, 1 << 60, 0)) - 1
            begin, start, end = cue.words[at]
            until = cue.words[at + 1][0] if at + 1 < len(cue.words) else len(cue.text)
            if inside >= until or not cue.text[inside:until].strip():
                return min(end, limit), "words"
            return min(start + (end - start) * (inside - begin) // (until - begin), limit), "interpolated"
        if inside >= len(cue.text):
            return limit, "cue"
        return cue.start_ms + (limit - cue.start_ms) * inside // len(cue.text), "interpolated"


def join_lines(text: str) -> str:
    """`text` with single spaces, and none where a line of an unspaced script ended."""
    text = " ".join(text.split())
    return text if text.isascii() else _FALSE_SPACE.sub("", text)


def count_words(text: str) -> int:
    """The words of a text; of scripts without spaces, two characters count for one."""
    if text.isascii():
        return len(text.split())
    return len(_CHARACTER.sub(" ", text).split()) + (len(_CHARACTER.findall(text)) + 1) // 2


_CHARACTER = re.compile(f"[{UNSPACED}]")
