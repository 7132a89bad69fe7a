"""A cue: what one entry of a transcript file says, when, and where the file knows it, when each word was said."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, compact

#: (offset, start_ms, end_ms): the characters of the cue's text from `offset` to the next word's were spoken then.
Word = tuple[int, int, int]

#: Stands in a cue's text where another person starts to speak: no sentence goes across. White space to str.split().
BREAK = "\x1e"

#: Scripts that put no spaces between words, as the inside of a character class: kana, Han, Thai, Lao, Burmese, Khmer.
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"

# Text shown before its time or after it is no evidence of when it was said.
_TOLERANCE_MS = 250
# A word takes no longer than this, whatever the time until the next one: about 14 characters a second, and a start.
_WORD_MS, _CHARACTER_MS = 250, 70

# As in texts.clean_text; and the marks that embed or isolate a direction, which belong to a line's layout.
_REMOVED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\u200b\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_BLANK = re.compile(r"\s+")


@compact
@dataclass(frozen=True, slots=True)
class Cue:
    """One entry of a transcript: [start_ms, end_ms), its text with lines divided by a line feed, and its words' times.

    `words` is empty where the file has no times of words; else it begins at offset 0, and offsets and starts rise.
    `no_speech` is the probability that nobody speaks, 0 where the file does not say. `turn`: with it another person starts
    to speak.
    """

    cue_id: str
    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()
    no_speech: float = 0.0
    turn: bool = False


@dataclass(slots=True)
class Transcript:
    """The cues of a video in the order of the file, and a Drop for each that cannot be used.

    `recognised`: the file is one that only speech recognition writes.
    """

    cues: list[Cue]
    drops: list[Drop]
    recognised: bool = False


def plain(text: str) -> str:
    """`text` without control characters, in Unicode form C; white space as it is."""
    if text.isascii() and text.isprintable():
        return text
    text = _REMOVED.sub("", text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def plain_lines(text: str) -> str:
    """`text` in plain form: in each line single spaces, none at its ends, and no empty line."""
    if "\n" not in text:
        return " ".join(plain(text).split())
    lines = (" ".join(line.split()) for line in plain(text).split("\n"))
    return "\n".join(line for line in lines if line)


def timed_text(pieces: Iterable[tuple[int, str]], end_ms: int) -> tuple[str, tuple[Word, ...]]:
    """Text and words of pieces (start_ms, text), which carry their own white space.

    No file of this kind says when a word ends: at the next one, or as soon as it can have been said.
    """
    out: list[str] = []
    starts: list[tuple[int, int, int]] = []  # offset, start, number of characters
    size, blank = 0, True  # whether the text so far ends with white space
    for start_ms, piece in pieces:
        if not (piece.isascii() and piece.isprintable()) or "  " in piece:
            piece = _BLANK.sub(lambda found: "\n" if "\n" in found[0] else " ", plain(piece))
        if blank:
            piece = piece.lstrip()
        if not piece:
            continue
        lead = piece[0] in " \n"
        if len(piece) > lead:
            starts.append((size + lead, start_ms, len(piece) - piece.rfind("\n") - 1))
        out.append(piece)
        size += len(piece)
        blank = piece[-1] in " \n"
    text = "".join(out).rstrip()
    words = []
    for at, (offset, start, characters) in enumerate(starts):
        following = starts[at + 1][1] if at + 1 < len(starts) else end_ms
        words.append((offset, start, min(following, start + _WORD_MS + _CHARACTER_MS * characters)))
    return text, tuple(words)


def trusted(words: Sequence[Word], start_ms: int, end_ms: int) -> tuple[Word, ...]:
    """The words, each held to its cue; none where their times do not rise or are not those of the cue."""
    kept: list[Word] = []
    last = start_ms - _TOLERANCE_MS
    for offset, start, end in words:
        if start < last or start > end_ms + _TOLERANCE_MS:
            return ()
        last = start
        start = min(max(start, start_ms), end_ms)
        kept.append((offset, start, max(start, min(end, end_ms))))
    if kept and kept[0][0] > 0:
        kept[0] = (0, *kept[0][1:])
    return tuple(kept)


def sentence_drop(video_id: str, cue_id: str, reason: Reason, detail: str, stage: Stage = Stage.READ) -> Drop:
    """The ledger row of a cue that is not used."""
    return Drop(video_id, Subject.SENTENCE, cue_id, stage, reason, detail)


def record_drop(video_id: str, place: str, problem: str, reason: Reason = Reason.MALFORMED) -> Drop:
    """The ledger row of a place in a file that cannot be read."""
    return Drop(video_id, Subject.RECORD, place, Stage.READ, reason, f"{place}: {problem}")
