"""WebVTT and SRT subtitle files as they really are. Parsing never fails, whatever a file holds.

Other parsers stop at the first bad cue and give no line numbers. But one bad cue must not cost a video its text.
"""

import html
import re
import unicodedata
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from longtake.pipeline.parse.lines import base_name, quoted
from longtake.pipeline.parse.timecode import parse_timecode
from longtake.pipeline.parse.transcripts.cue import (
    BREAK,
    LONGEST_MS,
    Cue,
    Transcript,
    Word,
    clipped_note,
    from_zero,
    name_of,
    plain_lines,
    record_drop,
    sentence_drop,
    timed_text,
    trusted,
    with_ends,
    with_turns,
)
from longtake.pipeline.parse.transcripts.encodings import decoded_lines
from longtake.pipeline.parse.transcripts.regular import TIMING_HINT, regular_cues
from longtake.schemas.reasons import Reason
from longtake.schemas.records import Drop

CueFormat = Literal["vtt", "srt"]

_TIME = r"-?(?:[0-9]{1,9}:)?[0-9]{1,9}:[0-9]{1,2}(?:[.,][0-9]{1,64})?"
# Word processors turn "-->" into dashes of all kinds, and web pages into "--&gt;". Both are still clear.
_DASH = r"[-\u2013\u2014\u2212]"
_TIMING = re.compile(rf"\s*({_TIME})\s*{_DASH}{{1,3}}(?:>|&gt;)\s*(?:({_TIME})(?:\s.*)?)?")
_SBV_TIMING = re.compile(r"\s*([0-9]{1,3}:[0-9]{2}:[0-9]{2}\.[0-9]{3}),([0-9]{1,3}:[0-9]{2}:[0-9]{2}\.[0-9]{3})\s*")

# These find a line that was meant as a timing line, but whose times cannot be read: it must not become text. One side of an arrow
# looks like a time, or there are two times without an arrow. Each pattern sees only a short stretch, so its run time is bounded.
_ARROW = re.compile(rf"{_DASH}(?:>|&gt;)")
_ENDS_LIKE_TIME = re.compile(
    rf"(?:\A|\s)-?(?:\w{{1,3}}:){{1,2}}\w{{1,3}}(?:[.,]\w*)?\s*{_DASH}{{0,2}}\Z|\A\s*{_DASH}{{1,2}}\Z"
)
_STARTS_LIKE_TIME = re.compile(r"\s*-?[0-9]{1,3}:[0-9]")
_CLEAR_TIME = r"[0-9]{1,3}:[0-9:]{2,5}[.,][0-9]{1,3}"
_TWO_TIMES = re.compile(rf"\s{{0,20}}{_CLEAR_TIME}[^\w<]{{1,20}}{_CLEAR_TIME}(?!\S)")
_STRETCH = 40
# Translators and word processors write other digits, colons and arrows into timing lines, and spaces between them.
_ARROWS = re.compile(
    r"\s*(?:[-=]\s?){0,4}(?:&gt;|[>\u2192\u21d2\u27f6\u2794\u279c\u203a\u300b]|<(?=\s?[-=]))(?:\s?[-=]){0,3}\s*"
)
_SPREAD = re.compile(r"(?<=[0-9])\s{0,3}([:.,])\s{0,3}(?=[0-9])")
_FULL_TIME = r"[0-9]{1,3}[:;h][0-9]{1,2}[:;m][0-9]{1,2}(?:[s.,:; ][0-9]{1,4})?"
_ONLY_TIMES = re.compile(rf"\s*(?:\S{{1,8}}\s)?{_FULL_TIME}\s{{0,3}}(?:\D{{1,12}}?\s{{0,3}}{_FULL_TIME})\s*")
_CLOCK = re.compile(r"-?(?:\S{1,8}\s)?[0-9]{1,3}(?:[:;hm][0-9]{1,3}){1,3}(?:[s., ][0-9]{0,4})?")
_CLOCK_LIKE = re.compile(r"-{0,3}|[-\w:;., ]{0,12}[0-9][-\w:;., ]{0,12}")
# A number before a cue, and the signs that people put around it.
_NUMBER = re.compile(r"[\s\u200e\u200f\u202a-\u202e]*[#\u2116]?\s?(\d{1,9})\s?[.):]?\s*")
_LONGEST_TIMING = 80
_BLOCK = re.compile(r"(?:NOTE|STYLE|REGION|WEBVTT)(?:[ \t:].*)?|X-TIMESTAMP-MAP.*")
_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
# HLS cuts WebVTT into segments, and times restart in each. Files joined from segments have this line for the place of each.
_TIMESTAMP_MAP = re.compile(r"X-TIMESTAMP-MAP=(?=.*\bMPEGTS:([0-9]{1,18}))(?=.*\bLOCAL:([0-9:.]{1,20})).*")
_MPEG_TICKS = 90  # in a millisecond

_BREAK = re.compile(r"<[bB][rR][ \t]*/?>")
# A tag starts with a letter, a slash or a time, so "a < b" and "<3" stay. An unclosed tag at the end counts too.
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</?>|<[0-9][0-9:.]*>|</?[A-Za-z][\w.]*\Z")
# The time when the text after it starts to be spoken, as in YouTube's recognition and in karaoke files.
_SPOKEN_AT = re.compile(r"<((?:[0-9]{1,4}:)?[0-9]{1,4}:[0-9]{2}\.[0-9]{1,3})>")
# Styling of ASS, also found in SRT files: codes in braces, drawings between {\p1} and {\p0}, line ends, hard spaces.
_OVERRIDE = re.compile(r"\{\\[^{}]*\}|\{\*?\\?[^{}]*\\[^{}]*\}")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}[^{}]*(?:\{[^{}]*\\p0[^{}]*\}|\Z)")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,60})?[ \t]+([^<>]{1,200})>|</v>")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


@dataclass(slots=True)
class _Cue:
    number: int  # from 1, in the file
    line: int  # of its timing
    timing: str
    start_ms: int
    end_ms: int | None  # None: the file has none
    shift_ms: int
    text: list[str] = field(default_factory=list)
    undecodable_line: int = 0


def parse_subtitles(data: bytes, video_id: str, file: str, format: CueFormat, encoding: str = "utf-8") -> Transcript:
    """Return the cues of a subtitle file in file order, and a Drop for each unusable cue.

    The n-th cue of the file has the id `<video_id>.<n>`, even if cues before it were dropped. An unreadable timing line counts
    as a cue and gives a record Drop. A file without any cue gives a record Drop too. Raises nothing.
    """
    if encoding == "utf-8" and (regular := regular_cues(data, video_id, format == "vtt")) is not None:
        return Transcript(regular, [])
    lines = decoded_lines(data, encoding)
    reader = _Reader(video_id, base_name(file), format, _has_segments(lines))
    reader.read(lines)
    return Transcript(reader.cues, reader.drops)


def cue_text(text: str) -> str:
    """Return the text of a cue's lines without tags, times and position codes, with entities resolved."""
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub("\n", text))
    return plain_lines(_without_codes(text))


def without_styling(text: str) -> str:
    """Return `text` without the codes of ASS: no drawings, no overrides; \\N becomes a line end, \\h a space."""
    if "{" in text:
        text = _OVERRIDE.sub("", _DRAWING.sub("", text))
    return text.replace("\\N", "\n").replace("\\h", " ") if "\\" in text else text


def _without_codes(text: str) -> str:
    if "{" in text or "\\" in text:
        text = without_styling(text)
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    return text


def _timed(text: str, cue: _Cue, end_ms: int) -> tuple[str, tuple[Word, ...]]:
    """Return text and words of a cue with times in its text. Times that cannot belong to the cue are ignored."""
    whole = text.replace("<c>", "").replace("</c>", "")
    found = _SPOKEN_AT.split(_BREAK.sub("\n", whole) if "r" in whole else whole)
    if len(found) == 1:
        return cue_text(text), ()
    has_tags, has_codes = whole.count("<") > len(found) // 2, "{" in whole or "&" in whole or "\\" in whole
    try:
        times = [cue.start_ms, *[parse_timecode(time) + cue.shift_ms for time in found[1::2]]]
    except ValueError:
        return cue_text(text), ()
    pieces = found[::2]
    if has_tags:
        pieces = [_TAG.sub("", piece) for piece in pieces]
    if has_codes:
        pieces = list(map(_without_codes, pieces))
    said, words = timed_text(zip(times, pieces, strict=True), end_ms)
    if has_tags and said != (whole := cue_text(text)):  # a tag was cut in two by a time
        return whole, ()
    return said, trusted(words, cue.start_ms, end_ms)


def _has_segments(lines: list[tuple[str, bool]]) -> bool:
    """Whether the file is joined from segments at different times."""
    maps = {line for line, _ in lines if line.startswith("X-TIMESTAMP-MAP=")}
    return len(maps) > 1


def _timing(line: str) -> re.Match[str] | None:
    """Match the start and, if there is one, the end of a timing line."""
    if ":" not in line:
        return None
    return _TIMING.fullmatch(line) or (_SBV_TIMING.fullmatch(line) if "," in line else None)


def _meant_as_timing(line: str) -> bool:
    if line.isascii() and not (":" in line or ">" in line or ";" in line or "&gt" in line or "<-" in line):
        return False
    if not TIMING_HINT.search(line):
        return False
    if len(line) <= _LONGEST_TIMING and _is_odd_timing(line):
        return True
    arrow = _ARROW.search(line) if "->" in line or "&gt;" in line or not line.isascii() else None
    if arrow is None:
        return _TWO_TIMES.match(line) is not None
    before = line[max(0, arrow.start() - _STRETCH) : arrow.start()]
    after = line[arrow.end() : arrow.end() + _STRETCH]
    return _ENDS_LIKE_TIME.search(before) is not None or _STARTS_LIKE_TIME.match(after) is not None


def _is_odd_timing(line: str) -> bool:
    """Whether a line holds two times, or one time beside an arrow, in any digits, and nothing else."""
    plain = _SPREAD.sub(r"\1", line if line.isascii() else _in_ascii_digits(line))
    arrow = _ARROWS.search(plain)
    if arrow is not None and (">" in arrow[0] or not arrow[0].isascii() or "<" in arrow[0]):
        before, after = plain[: arrow.start()], plain[arrow.end() :]
        sides = [side.strip() for side in (before, after)]
        return any(_CLOCK.fullmatch(side) for side in sides) and all(_CLOCK_LIKE.fullmatch(side) for side in sides)
    return _ONLY_TIMES.fullmatch(plain) is not None


def _in_ascii_digits(line: str) -> str:
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in unicodedata.normalize("NFKC", line))


class _Reader:
    """Reads line by line. At most one of these is set: an open cue, a block to skip, lines outside any cue."""

    def __init__(self, video_id: str, file: str, format: CueFormat, has_segments: bool) -> None:
        self.cues: list[Cue] = []
        self.drops: list[Drop] = []
        self._has_segments = has_segments
        self._shift_ms = 0  # from times of the segment to times of the video
        self._video_id = video_id
        self._file = file
        self._blank_ends_cue = format == "vtt"
        self._count = 0
        self._cue: _Cue | None = None
        self._skipping = False  # a header, comment or style, or the text of a cue without usable times
        self._outside: list[tuple[int, str, bool]] = []  # an identifier, until something else follows
        self._numbers_only = False  # whether all lines of digits before timing lines are numbers
        self._last_number = 0
        self._endless: set[str] = set()  # ids of cues without an end

    def read(self, lines: list[tuple[str, bool]]) -> None:
        if lines and _HEADER.fullmatch(lines[0][0]):
            self._blank_ends_cue = True  # WebVTT, whatever the suffix
            self._skipping = True
        self._numbers_only = _numbers_only(lines)
        for number, (line, decodable) in enumerate(lines, 1):
            if not line:
                self._blank()
            elif (timing := _timing(line)) is not None:
                self._start(number, line, timing[1], timing[2])
            elif _meant_as_timing(line):
                self._broken(number, line, "this timing line cannot be read")
            elif self._has_segments and (found := _TIMESTAMP_MAP.match(line)):
                self._start_segment(found[1], found[2])
            else:
                self._text(number, line, decodable)
        self._close(at_end=True)
        self.cues = with_turns(self._ended())
        if self._count == 0:
            self.drops = []  # one row for the file says more than one for each line of it
            self._record(self._file, "no cue found; is it a WebVTT or SRT file in UTF-8?")

    def _start_segment(self, mpegts: str, local: str) -> None:
        """From here on, the time `local` is the media's `mpegts`. The file does not give the media's start; players take 0."""
        try:
            self._shift_ms = int(mpegts) // _MPEG_TICKS - parse_timecode(local)
        except ValueError:
            self._shift_ms = 0
        self._skipping = True

    def _ended(self) -> list[Cue]:
        """Return the cues, with ends for cues without an end; see with_ends."""
        if not self._endless:
            return self.cues
        open_ends = [cue.cue_id in self._endless for cue in self.cues]
        spans = with_ends(
            [
                (c.start_ms, None if is_open else c.end_ms, c.text)
                for c, is_open in zip(self.cues, open_ends, strict=True)
            ]
        )
        return [replace(cue, end_ms=end) for cue, (_, end) in zip(self.cues, spans, strict=True)]

    def _start(self, number: int, line: str, start: str, end: str | None) -> None:
        cue = self._cue
        if cue is not None and not cue.text and cue.line == number - 1 and cue.timing == f"{start} {end}":
            cue.line = number  # the same line twice in a row
            return
        try:
            start_ms = parse_timecode(start) + self._shift_ms
            end_ms = None if end is None else parse_timecode(end) + self._shift_ms
        except ValueError as error:
            self._broken(number, line, str(error))
            return
        self._close()
        self._count += 1
        self._cue = _Cue(self._count, number, f"{start} {end}", start_ms, end_ms, self._shift_ms)

    def _broken(self, number: int, line: str, problem: str) -> None:
        self._close()
        self._count += 1
        place = f"{self._file}:{number}"
        self._record(place, f"{problem}: {quoted(line.strip())}; write it as 00:00:01.000 --> 00:00:02.000")
        self._skipping = True

    def _blank(self) -> None:
        if self._cue is not None and not self._blank_ends_cue:
            self._cue.text.append("")  # players of SRT go on until the next number and timing
        elif self._blank_ends_cue:
            self._finish()

    def _text(self, number: int, line: str, decodable: bool) -> None:
        if self._cue is not None:
            self._cue.text.append(line)
            if not decodable and not self._cue.undecodable_line:
                self._cue.undecodable_line = number
        elif self._skipping:
            return
        elif self._blank_ends_cue and not self._outside and _BLOCK.fullmatch(line):
            self._skipping = True
        else:
            self._outside.append((number, line, decodable))

    def _close(self, at_end: bool = False) -> None:
        """Close the open cue at a timing line or the end of the file. The line before may be the next cue's number."""
        if self._cue is not None:
            self._take_number(self._cue.text, at_end)
        elif self._outside and not at_end:
            _, identifier, _ = self._outside.pop()
            if found := _NUMBER.fullmatch(identifier):
                self._last_number = int(found[1])
        self._finish()

    def _take_number(self, text: list[str], at_end: bool) -> None:
        """Remove the number of the next cue from the end of this cue's text.

        A line of digits right above a timing line is a number if it is a separate paragraph, or the next number, or if the file
        has such a line above most timing lines. At the end of the file there is no next cue, so the rules are stricter.
        """
        last = next((i for i in reversed(range(len(text))) if text[i].strip()), None)
        found = None if last is None else _NUMBER.fullmatch(text[last])
        if found is None or last is None:
            return
        number = int(found[1])
        follows = number == self._last_number + 1 or (not self._last_number and number == 2 and self._count == 1)
        own_paragraph = last > 0 and not text[last - 1].strip()
        above = last == len(text) - 1
        if at_end:
            is_number = own_paragraph and (self._numbers_only or bool(self._last_number))
        else:
            is_number = follows or self._numbers_only or (above and own_paragraph)
        if is_number:
            self._last_number = number
            del text[last:]

    def _finish(self) -> None:
        """End the open cue, block or text outside cues."""
        if self._cue is not None:
            self._deliver(self._cue)
        self._cue = None
        self._skipping = False
        if not self._outside:
            return
        stray = next(((n, line) for n, line, _ in self._outside if re.search(r"[^\W\d_]", line)), None)
        if stray is not None:
            place = f"{self._file}:{stray[0]}"
            self._record(place, f"text outside any cue: {quoted(stray[1].strip())}; give it a timing line")
        self._outside = []

    def _deliver(self, cue: _Cue) -> None:
        cue_id = f"{self._video_id}.{cue.number}"
        if cue.end_ms is None:
            self._endless.add(cue_id)
        end_ms = cue.start_ms + LONGEST_MS if cue.end_ms is None else cue.end_ms
        text, words, speakers = _said(cue, end_ms)
        if cue.undecodable_line:
            place = f"{self._file}:{cue.undecodable_line}"
            detail = f"{place}: not UTF-8: {quoted(text)}; save the file as UTF-8, or set source.text.encoding"
            self._sentence(cue_id, Reason.INVALID_UTF8, detail)
        elif cue.start_ms >= end_ms or end_ms <= 0:
            detail = f"{self._file}:{cue.line}: lasts from {cue.timing.replace(' ', ' to ')}"
            self._sentence(cue_id, Reason.SPAN_REVERSED, detail)
        elif not text:
            self._sentence(cue_id, Reason.EMPTY_TEXT, f"{self._file}:{cue.line}: cue without text")
        else:
            made = Cue(cue_id, cue.start_ms, end_ms, text, words, speakers=speakers)
            if cue.start_ms < 0:
                self.drops.append(clipped_note(self._video_id, f"{self._file}:{cue.line}: the cue", cue.start_ms))
                made = from_zero(made)
            self.cues.append(made)

    def _sentence(self, cue_id: str, reason: Reason, detail: str) -> None:
        self.drops.append(sentence_drop(self._video_id, cue_id, reason, detail))

    def _record(self, place: str, problem: str) -> None:
        self.drops.append(record_drop(self._video_id, place, problem))


def _numbers_only(lines: list[tuple[str, bool]]) -> bool:
    """Whether most timing lines are below a line of digits, and at least half of these numbers rise."""
    numbers: list[int | None] = []
    last = ""
    for line, _ in lines:
        if "-->" in line:
            found = _NUMBER.fullmatch(last)
            numbers.append(int(found[1]) if found else None)
        if line:
            last = line
    known = [number for number in numbers[1:] if number is not None]
    rising = sum(one < other for one, other in pairwise(known))
    return len(known) * 2 > len(numbers) and rising * 2 >= len(known) - 1


def _said(cue: _Cue, end_ms: int) -> tuple[str, tuple[Word, ...], tuple[str | None, ...]]:
    """Return a cue's text, the times of its words, and its speakers."""
    whole = "\n".join(cue.text)
    if "<" not in whole:
        return cue_text(whole), (), ()
    text, speakers = _voices(whole) if "<v" in whole or "</v" in whole else (None, ())
    if _SPOKEN_AT.search(whole) and not (text and BREAK in text):
        return *_timed(whole, cue, end_ms), speakers
    return cue_text(whole) if text is None else text, (), speakers


def _voices(whole: str) -> tuple[str, tuple[str | None, ...]]:
    """Return the text of a cue, with a BREAK where WebVTT names another speaker, and the names."""
    parts = _VOICE.split(whole)
    if len(parts) == 1:
        return cue_text(whole), ()
    said: list[tuple[str, str | None]] = []
    for text, name in zip(parts[::2], [None, *parts[1::2]], strict=True):
        plain_text, speaker = cue_text(text), None if name is None else name_of(html.unescape(name))
        if not plain_text:
            continue
        if said and said[-1][1] == speaker:
            said[-1] = f"{said[-1][0]}\n{plain_text}", speaker
        else:
            said.append((plain_text, speaker))
    return BREAK.join(text for text, _ in said), tuple(speaker for _, speaker in said)
