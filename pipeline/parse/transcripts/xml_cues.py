"""Subtitles in XML: YouTube's timed text (srv1, srv2, srv3) and TTML (DFXP).

The parser is expat. It refuses every entity that a document declares: none of these formats declares entities. So nothing is ever
fetched or expanded.
"""

import html
import re
from dataclasses import replace
from typing import NoReturn
from xml.parsers import expat

from longtake.pipeline.parse.lines import base_name, quoted
from longtake.pipeline.parse.timecode import parse_seconds, parse_timecode
from longtake.pipeline.parse.transcripts.cue import (
    LONGEST_MS,
    Cue,
    Transcript,
    clipped_note,
    name_of,
    plain_lines,
    record_drop,
    sentence_drop,
    timed_text,
    trusted,
    with_ends,
    with_turns,
)
from longtake.pipeline.parse.transcripts.json_values import whole_ms
from longtake.schemas.reasons import Reason
from longtake.schemas.records import Drop

_MAX_DEPTH = 64
_XML_ENTITIES = {"amp", "lt", "gt", "quot", "apos"}
_NAMED = re.compile(rb"&([A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_OFFSET = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,12}))?(h|m|s|ms|f|t)")
_FRAMES = re.compile(r"([0-9]{1,9}:[0-9]{1,2}:[0-9]{1,2}):([0-9]{1,4})(?:\.[0-9]+)?")


def declares_encoding(data: bytes) -> bool:
    """Whether an XML file declares an encoding other than UTF-8 in its first line. Expat then uses that encoding."""
    found = re.match(rb"\s*<\?xml[^>]{0,200}\bencoding\s*=\s*[\"']([\w.-]+)", data)
    return found is not None and found[1].lower() not in (b"utf-8", b"utf8")


def parse_xml(data: bytes, video_id: str, file: str, encoding: str = "utf-8") -> Transcript:
    """Return the cues of an XML subtitle file in file order. Broken XML ends the cues where it breaks. Raises nothing."""
    name = base_name(file)
    reader = _Reader(video_id, name)
    parser = expat.ParserCreate(None if encoding == "utf-8" else encoding, " ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.EntityDeclHandler = _refuse_entity
    parser.ExternalEntityRefHandler = _refuse_entity
    try:
        parser.Parse(_NAMED.sub(_resolved, data), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        place = f"{name}:{parser.CurrentLineNumber}"
        reader.drops.append(record_drop(video_id, place, f"not XML from here on: {error}"))
    if not reader.number and not reader.drops:
        reader.drops.append(record_drop(video_id, name, "no cue found; is it timed text of YouTube, or TTML?"))
    return Transcript(reader.finish(), reader.drops)


def _refuse_entity(*_: object) -> NoReturn:
    raise ValueError("it declares entities of its own, which no subtitles need")


def _resolved(entity: re.Match[bytes]) -> bytes:
    """Resolve HTML's named entities: XML does not know them, but people use them in it."""
    name = entity[1].decode()
    text = html.unescape(f"&{name};")
    if name in _XML_ENTITIES or text.startswith("&"):
        return entity[0]
    return "".join(f"&#{ord(c)};" for c in text).encode()


class _Reader:
    """Handlers for expat. A cue is a <p> or <text> with a time; its pieces may have times too."""

    def __init__(self, video_id: str, file: str) -> None:
        self.cues: list[Cue] = []
        self.drops: list[Drop] = []
        self.number = 0
        self._video_id, self._file = video_id, file
        self._frame_rate, self._tick_rate = 30.0, 1.0
        self._depth = 0
        self._cue: tuple[int, int | None, bool] | None = None  # start, end, whether text is escaped markup
        self._cue_depth = 0
        self._pieces: list[tuple[int, str]] = []
        self._starts: list[int] = []  # of the open elements inside the cue
        self._timed = False
        self._appended = False
        self._offsets = [0]  # TTML: times of inner elements count from the start of outer ones
        self._ends: list[int | None] = [None]  # of outer elements, if they have one
        self._bare: tuple[int, list[str]] | None = None  # depth and text of a <p> without a time
        self._endless: set[str] = set()  # ids of cues without an end
        self._speaker: str | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"nested more than {_MAX_DEPTH} deep")
        name = tag.rpartition(" ")[2]
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        if self._cue is not None:
            self._inside(name, plain)
        elif name in ("p", "text", "span") and plain.keys() & {"t", "start", "begin"}:
            self._open(name, plain)
        elif name == "p":
            self._bare = self._depth, []
        elif name == "tt":
            self._rates(plain)
        elif name in ("body", "div"):
            outer = self._offsets[-1]
            begin = outer + self._ttml_time(plain.get("begin", "0s"))
            end = begin + self._ttml_time(plain["dur"]) if "dur" in plain else self._ends[-1]
            self._ends.append(outer + self._ttml_time(plain["end"]) if "end" in plain else end)
            self._offsets.append(begin)

    def end(self, tag: str) -> None:
        if self._cue is not None:
            if self._depth == self._cue_depth:
                self._deliver()
            else:
                self._starts.pop()
        elif self._bare is not None and self._depth == self._bare[0]:
            self._deliver_bare("".join(self._bare[1]))
        elif tag.rpartition(" ")[2] in ("body", "div") and len(self._offsets) > 1:
            self._offsets.pop()
            self._ends.pop()
        self._depth -= 1

    def characters(self, text: str) -> None:
        if self._cue is not None:
            self._pieces.append((self._starts[-1], text))
        elif self._bare is not None:
            self._bare[1].append(text)

    def _open(self, name: str, plain: dict[str, str]) -> None:
        self._cue_depth = self._depth
        self._pieces, self._timed = [], False
        self._appended = plain.get("a") == "1"
        self._speaker = name_of(plain.get("agent", ""))
        try:
            start, end = self._span(plain)
            self._cue = start, end, name == "text"
            self._starts = [start]
        except ValueError as error:
            self.number += 1
            cue_id = f"{self._video_id}.{self.number}"
            detail = f"{self._file}: cue {self.number}: {error}"
            self.drops.append(sentence_drop(self._video_id, cue_id, Reason.MALFORMED, detail))

    def _span(self, plain: dict[str, str]) -> tuple[int, int | None]:
        """Start and end; the end is None if the file has none."""
        if "t" in plain:  # srv2, srv3
            start = whole_ms(plain["t"])
            return start, start + whole_ms(plain["d"]) if "d" in plain else None
        if "start" in plain:  # srv1
            start = parse_seconds(plain["start"])
            return start, start + parse_seconds(plain["dur"]) if "dur" in plain else None
        start = self._offsets[-1] + self._ttml_time(plain["begin"])
        if "end" in plain:
            return start, self._offsets[-1] + self._ttml_time(plain["end"])
        return start, start + self._ttml_time(plain["dur"]) if "dur" in plain else self._ends[-1]

    def _inside(self, name: str, plain: dict[str, str]) -> None:
        start = self._starts[0]
        try:
            if name == "s" and "t" in plain:
                start += whole_ms(plain["t"])
                self._timed = True
            elif name == "span" and "begin" in plain:
                start += self._ttml_time(plain["begin"])
                self._timed = True
            else:
                start = self._starts[-1]
        except ValueError:
            start = self._starts[-1]
        if name == "br":
            self._pieces.append((start, "\n"))
        self._starts.append(start)

    def _deliver(self) -> None:
        assert self._cue is not None  # noqa: S101
        start, known_end, is_escaped = self._cue
        self._cue = None
        pieces = self._pieces
        if is_escaped:  # srv1 holds HTML as text
            pieces = [(start, html.unescape(_TAG.sub("", "".join(text for _, text in pieces))))]
        if self._appended and not any(text.strip() for _, text in pieces):
            return  # a line feed in a window of srv3
        self.number += 1
        cue_id = f"{self._video_id}.{self.number}"
        end = known_end
        if end is None:
            self._endless.add(cue_id)
            end = max(at for at, _ in [*pieces, (start, "")]) + LONGEST_MS
        text, words = timed_text(pieces, end)
        place = f"{self._file}: cue {self.number}"
        if start < 0 < end and text:
            self.drops.append(clipped_note(self._video_id, place, start))
            start = 0
        if end <= start or start < 0:
            detail = f"{self._file}: cue {self.number} lasts from {start} to {end} ms"
            self.drops.append(sentence_drop(self._video_id, cue_id, Reason.SPAN_REVERSED, detail))
        elif not text:
            detail = f"{self._file}: cue {self.number} has no text"
            self.drops.append(sentence_drop(self._video_id, cue_id, Reason.EMPTY_TEXT, detail))
        else:
            speakers = () if self._speaker is None else (self._speaker,)
            found = trusted(words, start, end) if self._timed else ()
            self.cues.append(Cue(cue_id, start, end, text, found, speakers=speakers))

    def _deliver_bare(self, text: str) -> None:
        """Make a cue of a <p> without a time: it has the time of the element around it."""
        self._bare = None
        if not text.strip():
            return
        self.number += 1
        cue_id = f"{self._video_id}.{self.number}"
        start, end = self._offsets[-1], self._ends[-1]
        if end is None or end <= start:
            detail = f"{self._file}: cue {self.number}: no time for {quoted(text.strip())}; give its <p> begin and end"
            self.drops.append(sentence_drop(self._video_id, cue_id, Reason.MALFORMED, detail))
        else:
            self.cues.append(Cue(cue_id, start, end, plain_lines(text)))

    def finish(self) -> list[Cue]:
        """Return the cues, with ends for cues without an end; see with_ends."""
        if not self._endless:
            return with_turns(self.cues)
        ends = with_ends([(c.start_ms, None if c.cue_id in self._endless else c.end_ms, c.text) for c in self.cues])
        cues = [
            replace(cue, end_ms=end, words=trusted(cue.words, start, end)) if cue.cue_id in self._endless else cue
            for cue, (start, end) in zip(self.cues, ends, strict=True)
        ]
        return with_turns(cues)

    def _rates(self, plain: dict[str, str]) -> None:
        try:
            multiplier = [float(n) for n in plain.get("frameRateMultiplier", "1 1").split()]
            self._frame_rate = float(plain.get("frameRate", "30")) * multiplier[0] / multiplier[1]
            self._tick_rate = float(plain.get("tickRate", "1"))
        except (ValueError, IndexError, ZeroDivisionError):
            self._frame_rate = 30.0
        if not 0 < self._frame_rate < 1e6:
            self._frame_rate = 30.0
        if not 0 < self._tick_rate < 1e12:
            self._tick_rate = 1.0

    def _ttml_time(self, text: str) -> int:
        """Milliseconds of a TTML time: a clock time, perhaps with frames, or a number with a unit."""
        text = text.strip()
        if found := _FRAMES.fullmatch(text):
            return parse_timecode(found[1]) + round(int(found[2]) * 1000 / self._frame_rate)
        if found := _OFFSET.fullmatch(text):
            value = float(f"{found[1]}.{found[2] or 0}")
            unit = {"h": 3.6e6, "m": 6e4, "s": 1e3, "ms": 1.0, "f": 1e3 / self._frame_rate, "t": 1e3 / self._tick_rate}
            milliseconds = value * unit[found[3]]
            if milliseconds > 1e12:
                raise ValueError(f"{text!r}: longer than any video")
            return int(milliseconds + 0.5)
        return parse_timecode(text) if ":" in text else parse_seconds(text)
