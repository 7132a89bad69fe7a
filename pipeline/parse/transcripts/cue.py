"""A cue: the text of one entry of a transcript file, its time and, if the file has them, the times of its words."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import le
from typing import Any

from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, compact, from_columns

#: (offset, start_ms, end_ms): the time of the characters of the cue's text from `offset` to the offset of the next word.
Word = tuple[int, int, int]

#: Marks where another person starts to speak in a cue's text: no sentence crosses it. str.split() takes it for white space.
BREAK = "\x1e"

# Times of words may be this far outside their cue; further out, they are no evidence of the speech.
_TOLERANCE_MS = 250
# A word takes at most this long, whatever the time until the next one: a start, and about 14 characters a second.
_WORD_MS, _CHARACTER_MS = 250, 70

# As in texts.clean_text, and the marks that embed or isolate a direction, which belong to a line's layout.
_REMOVED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\u200b\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
LONGEST_MS = 10_000  # a cue without an end lasts until the next start only if that is within this time
_MAX_NAME = 100
_BLANK = re.compile(r"\s+")
_TWO_BLANKS = re.compile(r"[ \n]{2}")
_LEADS = (" ", "\n")


@compact
@dataclass(frozen=True, slots=True)
class Cue:
    """One entry of a transcript: [start_ms, end_ms), its text with lines divided by a line feed, and its words' times.

    `words` is empty if the file has no times of words; else it begins at offset 0, and offsets and starts rise. `no_speech` is
    the probability that nobody speaks, 0 if the file does not say. `turn`: another person starts to speak with this cue.
    `speakers`: the speaker at its start and after each BREAK in its text; () if no name is known. `guessed`: the offsets of words
    whose times were interpolated.
    """

    cue_id: str
    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()
    no_speech: float = 0.0
    turn: bool = False
    speakers: tuple[str | None, ...] = ()
    guessed: tuple[int, ...] = ()

    def with_text(self, text: str, words: tuple[Word, ...], turn: bool, speakers: tuple[str | None, ...]) -> "Cue":
        """Put another text into the cue: dataclasses.replace in a third of the time.

        Args:
            text: its lines divided by a line feed.
            words: the words that have times.
            turn: whether another person starts to speak with it.
            speakers: the speaker at the start of the text and after each BREAK in it.

        Returns:
            A new cue with the same id, span and `no_speech`.
        """
        return Cue(self.cue_id, self.start_ms, self.end_ms, text, words, self.no_speech, turn, speakers)


cues_of = from_columns(Cue)


@dataclass(slots=True)
class Transcript:
    """The cues of a video in the order of the file, and a Drop for each that cannot be used.

    `recognised`: only speech recognition writes files of this format. `file` is the path that was read, if there was a choice.
    """

    cues: list[Cue]
    drops: list[Drop]
    recognised: bool = False
    file: str = ""


def name_of(raw: str) -> str | None:
    """The name of a speaker as a sample may hold it; None if nothing is left."""
    return " ".join(plain(raw).split())[:_MAX_NAME] or None


def with_turns(cues: Sequence[Cue]) -> list[Cue]:
    """Return the cues. A cue becomes a turn if the file names another speaker for it than for the cue before."""
    if not any(cue.speakers for cue in cues):
        return list(cues)
    made: list[Cue] = []
    last: str | None = None
    for cue in cues:
        first = cue.speakers[0] if cue.speakers else None
        made.append(replace(cue, turn=True, speakers=cue.speakers or (None,)) if made and first != last else cue)
        last = cue.speakers[-1] if cue.speakers else None
    return made


def plain(text: str) -> str:
    """Return `text` without control characters, in Unicode form C, with unchanged white space."""
    if text.isascii() and text.isprintable():
        return text
    text = _REMOVED.sub("", text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def plain_lines(text: str) -> str:
    """Return `text` in plain form: single spaces in each line, none at its ends, and no empty lines."""
    if "\n" not in text:
        return " ".join(plain(text).split())
    lines = (" ".join(line.split()) for line in plain(text).split("\n"))
    return "\n".join(line for line in lines if line)


def timed_text(pieces: Iterable[tuple[int, str]], end_ms: int) -> tuple[str, tuple[Word, ...]]:
    """Return text and words of pieces (start_ms, text). The pieces include their white space.

    No such file says when a word ends: it ends at the next word, or earlier, as soon as it can have been said.
    """
    pieces = list(pieces)
    text = "".join([piece for _, piece in pieces])
    if not _is_plain(text):
        pieces = _made_plain(pieces)
        text = "".join([piece for _, piece in pieces])
    starts: list[tuple[int, int, int]] = []  # offset, start, number of characters
    size = 0
    for start_ms, piece in pieces:
        length = len(piece)
        lead = piece[:1] in _LEADS
        if length > lead:
            starts.append((size + lead, start_ms, length - piece.rfind("\n") - 1))
        size += length
    following = [start for _, start, _ in starts[1:]] + [end_ms]
    ends = [min(until, s + _WORD_MS + _CHARACTER_MS * n) for (_, s, n), until in zip(starts, following, strict=False)]
    return text.rstrip(), tuple([(at, start, end) for (at, start, _), end in zip(starts, ends, strict=True)])


def _is_plain(text: str) -> bool:
    """Whether a text needs no removals, has single blanks only, and no blank at its start."""
    if not text.isascii() or _TWO_BLANKS.search(text) or text[:1] in _LEADS:
        return False
    return text.replace("\n", "").isprintable()


def _made_plain(pieces: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the pieces with plain texts, without double blanks across pieces and without empty pieces."""
    out: list[tuple[int, str]] = []
    blank = True  # whether the text so far ends with white space
    for start_ms, piece in pieces:
        if not (piece.isascii() and piece.isprintable()) or "  " in piece:
            piece = _BLANK.sub(lambda found: "\n" if "\n" in found[0] else " ", plain(piece))
        if blank:
            piece = piece.lstrip()
        if piece:
            out.append((start_ms, piece))
            blank = piece[-1] in " \n"
    return out


def spoken_ms(text: str) -> int:
    """The time to say a text if no file gives its end: 250 ms, and 70 ms for each character."""
    return _WORD_MS + _CHARACTER_MS * len(text.strip())


def with_ends(spans: Sequence[tuple[int, int | None, str]]) -> list[tuple[int, int]]:
    """Return start and end of cues (start_ms, end_ms or None, text). A cue without an end ends at the next start if that is
    within 10 s; else, or if it is the last cue, it ends when its text can have been said."""
    made: list[tuple[int, int]] = []
    for number, (start, end, text) in enumerate(spans):
        if end is None:
            end = start + spoken_ms(text)
            following = spans[number + 1][0] if number + 1 < len(spans) else start
            if following > start:
                end = following if following - start <= LONGEST_MS else min(end, following)
        made.append((start, end))
    return made


def trusted(words: Sequence[Word], start_ms: int, end_ms: int) -> tuple[Word, ...]:
    """Return the words, each cut to the span of its cue; none if their times do not rise or lie outside the cue."""
    if not words:
        return ()
    starts, ends = [word[1] for word in words], [word[2] for word in words]
    inside = start_ms <= starts[0] and max(ends) <= end_ms and words[0][0] == 0
    if inside and starts == sorted(starts) and all(map(le, starts, ends)):
        return tuple(words)
    kept: list[Word] = []
    last = start_ms - _TOLERANCE_MS
    for offset, start, end in words:
        if start < last or start > end_ms + _TOLERANCE_MS:
            return ()
        last = start
        start = min(max(start, start_ms), end_ms)
        kept.append((offset, start, max(start, min(end, end_ms))))
    if kept[0][0] > 0:
        kept[0] = (0, *kept[0][1:])
    return tuple(kept)


def read_cues(
    entries: Iterable[Any], video_id: str, name: str, what: str, read: Callable[[Any, str], Cue]
) -> tuple[list[Cue], list[Drop]]:
    """Return the cues of the entries of a JSON file, and a Drop for each unusable entry.

    `what` is the word for an entry in details. `read` makes a cue from an entry and a cue id, or raises ValueError.
    """
    cues: list[Cue] = []
    drops: list[Drop] = []
    for number, entry in enumerate(entries, 1):
        cue_id, place = f"{video_id}.{number}", f"{name}: {what} {number}"
        try:
            cue = read(entry, cue_id)
        except ValueError as error:
            drops.append(sentence_drop(video_id, cue_id, Reason.MALFORMED, f"{place}: {error}"))
            continue
        if cue.start_ms < 0 < cue.end_ms and cue.text:
            drops.append(clipped_note(video_id, place, cue.start_ms))
            cue = from_zero(cue)
        if cue.end_ms <= cue.start_ms or cue.start_ms < 0:
            detail = f"{place} lasts from {cue.start_ms} to {cue.end_ms} ms"
            drops.append(sentence_drop(video_id, cue_id, Reason.SPAN_REVERSED, detail))
        elif not cue.text:
            drops.append(sentence_drop(video_id, cue_id, Reason.EMPTY_TEXT, f"{place} has no text"))
        else:
            cues.append(cue)
    return cues, drops


def from_zero(cue: Cue) -> Cue:
    """Clip a cue that starts before the video does to the video's start."""
    words = tuple((at, max(start, 0), max(end, 0)) for at, start, end in cue.words)
    return replace(cue, start_ms=0, words=words)


def clipped_note(video_id: str, place: str, start_ms: int) -> Drop:
    """The ledger row of a cue that starts before the video does."""
    detail = f"{place} starts at {start_ms} ms; it was clipped to 0"
    return Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.CLIPPED, detail)


def sentence_drop(video_id: str, cue_id: str, reason: Reason, detail: str, stage: Stage = Stage.READ) -> Drop:
    """The ledger row of a cue that is not used."""
    return Drop(video_id, Subject.SENTENCE, cue_id, stage, reason, detail)


def record_drop(video_id: str, place: str, problem: str, reason: Reason = Reason.MALFORMED) -> Drop:
    """The ledger row of a place in a file that cannot be read."""
    return Drop(video_id, Subject.RECORD, place, Stage.READ, reason, f"{place}: {problem}")
