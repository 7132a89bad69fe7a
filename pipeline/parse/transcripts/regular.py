"""WebVTT and SRT files of the regular form that programs write, read as a whole, which takes a third of the time.

A file that differs in anything (tags, entities, comments, gaps in the numbers, text that may be meant as a time) is left to
`subtitles`. What is read here is what `subtitles` would read; a test compares the two.
"""

import codecs
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from longtake.pipeline.parse.timecode import parse_timecodes
from longtake.pipeline.parse.transcripts.cue import Cue, cues_of, plain_lines

#: A line with neither is no timing line, whatever it was meant to be.
TIMING_HINT = re.compile(r"\d\s?[:;\uff1a]|[-=\u2010-\u2015\u2212]\s?>|&gt;|[\u2190-\u21ff\u2794-\u27ff]|<\s?-")

_TIME = "(?:[0-9]{2}:)?[0-9]{2}:[0-9]{2}[.,][0-9]{3}"
_CUE = r"(?:{0}[0-9]{{1,9}})\n)?+{0}{1}) --> {0}{1})(?: [^\n]*+)?+\n{0}(?:[^\n]++\n)++)\n*+"
_CUES = re.compile(_CUE.format("(", _TIME))  # number, start, end, text
_HEADER = re.compile(r"WEBVTT(?:[ \t][^\n]*+)?\n(?:[^\n]++\n)*+\n++")
# Signs of tags, of codes and entities, and of all that is removed or hidden in a text. In ASCII, the text of a cue without one of
# the last holds no hint of a timing line.
_SPECIAL = bytes(set(range(32)) - set(b"\n")) + b"\x7f<{\\&"
_HIDDEN = tuple(map(str.encode, "\ufeff\u200b\u2060"))
_IN_HINTS = (":", ";", ">")
_SEGMENT = "X-TIMESTAMP-MAP="  # in a file joined from segments, whose times restart
_LONG = len("00:00:00.000")
_HOURS = "00:"


def regular_cues(data: bytes, video_id: str, is_vtt: bool) -> list[Cue] | None:
    """The cues of a file of the regular form; None for any other file, and if one of its cues would not be used as it is."""
    data = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")
    if len(data.translate(None, _SPECIAL)) < len(data) or any(map(data.__contains__, _HIDDEN)):
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if _SEGMENT in text:
        return None
    header = _HEADER.match(text)
    is_vtt = is_vtt or header is not None
    if header is not None and TIMING_HINT.search(header[0]):
        return None
    text = (text if header is None else text[header.end() :]).lstrip("\n")
    text = text if text.endswith("\n") else f"{text}\n"
    scanner: Any = _CUES.scanner(text)  # type: ignore[attr-defined]
    found = list(iter(scanner.match, None))  # one after the other, with nothing in between
    if not found or found[-1].end() < len(text):
        return None
    numbers, starts, ends, texts = zip(*[cue.groups() for cue in found], strict=True)
    if not (is_vtt or _are_in_row(numbers)):
        return None
    said = "".join(texts)
    if (any(map(said.__contains__, _IN_HINTS)) or not said.isascii()) and TIMING_HINT.search(said):
        return None
    texts = _plain(texts, said)
    times: Sequence[str] = (*starts, *ends)
    if len("".join(times)) < _LONG * len(times):
        times = [time if len(time) == _LONG else _HOURS + time for time in times]
    starts_ms, ends_ms = parse_timecodes(times).reshape(2, -1)
    if not (all(texts) and np.all((starts_ms >= 0) & (starts_ms < ends_ms))):
        return None
    ids = [f"{video_id}.{number}" for number in range(1, len(texts) + 1)]
    return cues_of(ids, starts_ms.tolist(), ends_ms.tolist(), texts)


def _are_in_row(numbers: tuple[str, ...]) -> bool:
    """Whether each cue has the number after that of the cue before. Only then is it no part of that cue in SRT."""
    if not numbers[0]:
        return False
    first = int(numbers[0])
    return numbers == tuple(map(str, range(first, first + len(numbers))))


def _plain(texts: tuple[str, ...], whole: str) -> tuple[str, ...]:
    if whole.isascii() and not ("  " in whole or " \n" in whole or "\n " in whole or texts[0][0] == " "):
        return tuple([text[:-1] for text in texts])
    return tuple(map(plain_lines, texts))
