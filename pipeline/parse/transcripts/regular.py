"""WebVTT and SRT files of the regular form that programs write, read as a whole, which takes a third of the time.

A file that differs in anything (tags, entities, comments, gaps in the numbers, text that may be meant as a time) is left to
`subtitles`. What is read here is what `subtitles` would read; a test compares the two.
"""

import re

from longtake.pipeline.parse.timecode import parse_timecodes
from longtake.pipeline.parse.transcripts.cue import Cue, plain_lines

#: A line with neither is no timing line, whatever it was meant to be.
TIMING_HINT = re.compile(r"\d\s?[:;\uff1a]|[-=\u2010-\u2015\u2212]\s?>|&gt;|[\u2190-\u21ff\u2794-\u27ff]|<\s?-")

_TIME = "(?:[0-9]{2}:)?[0-9]{2}:[0-9]{2}[.,][0-9]{3}"
_CUE = r"(?:{0}[0-9]{{1,9}})\n)?+{0}{1}) --> {0}{1})(?: [^\n]*+)?+\n{0}(?:[^\n]++\n)++)\n*+"
_CUES = re.compile(_CUE.format("(", _TIME))  # number, start, end, text
_NOTHING_ELSE = re.compile(f"(?:{_CUE.format('(?:', _TIME)})++")
_HEADER = re.compile(r"WEBVTT(?:[ \t][^\n]*+)?\n(?:[^\n]++\n)*+\n++")
# Signs of tags, of codes and entities, and of all that is removed or hidden in a text.
_SPECIAL = re.compile("[\x00-\x09\x0b-\x1f\x7f<{\\\\&\ufeff\u200b\u2060]")
_SEGMENT = "X-TIMESTAMP-MAP="
_LONG = len("00:00:00.000")
_HOURS = "00:"


def regular_cues(data: bytes, video_id: str, is_vtt: bool) -> list[Cue] | None:
    """The cues of a file of the regular form; None for any other file, and if one of its cues would not be used as it is."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None
    if _SPECIAL.search(text) or _SEGMENT in text:
        return None
    header = _HEADER.match(text)
    is_vtt = is_vtt or header is not None
    if header is not None and TIMING_HINT.search(header[0]):
        return None
    text = (text if header is None else text[header.end() :]).lstrip("\n")
    text = text if text.endswith("\n") else f"{text}\n"
    if not _NOTHING_ELSE.fullmatch(text):
        return None
    numbers, starts, ends, texts = zip(*_CUES.findall(text), strict=True)
    if not (is_vtt or _are_in_row(numbers)):
        return None
    if TIMING_HINT.search("".join(texts)):
        return None
    texts = _plain(texts)
    times = [time if len(time) == _LONG else _HOURS + time for time in (*starts, *ends)]
    ms = parse_timecodes(times).tolist()
    starts_ms, ends_ms = ms[: len(starts)], ms[len(starts) :]
    if not (all(texts) and all(0 <= start < end for start, end in zip(starts_ms, ends_ms, strict=True))):
        return None
    numbered = enumerate(zip(starts_ms, ends_ms, texts, strict=True), 1)
    return [Cue(f"{video_id}.{number}", start, end, said) for number, (start, end, said) in numbered]


def _are_in_row(numbers: tuple[str, ...]) -> bool:
    """Whether each cue has the number after that of the cue before. Only then is it no part of that cue in SRT."""
    if not numbers[0]:
        return False
    first = int(numbers[0])
    return numbers == tuple(map(str, range(first, first + len(numbers))))


def _plain(texts: tuple[str, ...]) -> tuple[str, ...]:
    whole = "".join(texts)
    if whole.isascii() and not ("  " in whole or " \n" in whole or "\n " in whole or texts[0][0] == " "):
        return tuple([text[:-1] for text in texts])
    return tuple(map(plain_lines, texts))
