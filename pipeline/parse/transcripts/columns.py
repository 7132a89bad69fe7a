"""Captions in columns, as in HowTo100M and VidChapters: lists of starts, ends and texts, or a CSV file with these columns.

Whisper writes such a file with tabs in place of commas, nothing quoted, and times in milliseconds.
"""

import csv
import io
from contextlib import suppress
from typing import Any

from longtake.pipeline.parse.lines import base_name, quoted
from longtake.pipeline.parse.transcripts.cue import (
    Cue,
    Transcript,
    clipped_note,
    plain_lines,
    record_drop,
    sentence_drop,
    with_ends,
)
from longtake.pipeline.parse.transcripts.encodings import decoded
from longtake.pipeline.parse.transcripts.json_values import read_json, seconds, text_of
from longtake.pipeline.parse.transcripts.whisper import parse_segments, segments_of
from longtake.schemas.reasons import Reason
from longtake.schemas.records import Drop

_COLUMNS = ("start", "end", "text")
_MAX_FIELD = 1 << 20
_DIGITS = 16


def parse_columns(value: Any, video_id: str, name: str) -> Transcript:
    """The cues of {"start": [...], "end": [...], "text": [...]} in seconds, or of a list of segments. Raises nothing."""
    if isinstance(value, dict) and all(isinstance(value.get(column), list) for column in _COLUMNS):
        lengths = {column: len(value[column]) for column in _COLUMNS}
        if len(set(lengths.values())) > 1:
            problem = f"lists of unequal length: {', '.join(f'{n} {column}' for column, n in lengths.items())}"
            return Transcript([], [record_drop(video_id, name, problem)])
        return _rows(zip(*(value[column] for column in _COLUMNS), strict=True), video_id, name)
    try:
        return parse_segments(segments_of(value), video_id, name)
    except ValueError as error:
        problem = f"neither lists start, end and text, nor a list of segments: {error}"
        return Transcript([], [record_drop(video_id, name, problem)])


def parse_columns_file(data: bytes, video_id: str, file: str, encoding: str = "utf-8") -> Transcript:
    """The cues of a file of one video: CSV or TSV with the columns start, end and text, or JSON as above. Raises nothing."""
    name = base_name(file)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        try:
            return parse_columns(read_json(data), video_id, name)
        except ValueError as error:
            return Transcript([], [record_drop(video_id, name, str(error))])
    return _parse_csv(decoded(data, encoding), video_id, name)


def _parse_csv(text: str, video_id: str, name: str) -> Transcript:
    csv.field_size_limit(_MAX_FIELD)
    has_tabs = "\t" in text.partition("\n")[0]
    style: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if has_tabs else {}
    rows = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), **style)
    try:
        heading = [cell.strip().lower() for cell in next(rows, [])]
        places = [heading.index(column) for column in _COLUMNS]
    except ValueError:
        problem = "its first line does not name the columns start, end and text"
        return Transcript([], [record_drop(video_id, name, problem)])
    except csv.Error as error:
        return Transcript([], [record_drop(video_id, name, f"not CSV: {error}")])
    cells: list[tuple[Any, Any, Any]] = []
    drops: list[Drop] = []
    try:
        for row in rows:
            if row:
                start, end, said = (row[place] if place < len(row) else None for place in places)
                cells.append((_in_seconds(start), _in_seconds(end), said) if has_tabs else (start, end, said))
    except csv.Error as error:
        drops.append(record_drop(video_id, f"{name}:{rows.line_num}", f"not CSV from here on: {error}"))
    found = _rows(cells, video_id, name)
    return Transcript(found.cues, drops + found.drops)


def _in_seconds(ms: str | None) -> str | None:
    return f"{int(ms) / 1000}" if ms is not None and ms.isascii() and ms.isdigit() and len(ms) < _DIGITS else ms


def _rows(rows: Any, video_id: str, name: str) -> Transcript:
    cues: list[Cue] = []
    drops: list[Drop] = []
    rows = list(rows)
    for number, (raw_start, raw_end, raw_text) in enumerate(rows, 1):
        cue_id = f"{video_id}.{number}"
        try:
            start, said = seconds(raw_start), text_of(raw_text)
            end = seconds(raw_end) if raw_end not in (None, "") else _end(rows, number, start, said)
        except ValueError as error:
            drops.append(sentence_drop(video_id, cue_id, Reason.MALFORMED, f"{name}: caption {number}: {error}"))
            continue
        text = plain_lines(said)
        if start < 0 < end and text:
            drops.append(clipped_note(video_id, f"{name}: caption {number}", start))
            start = 0
        if start >= end or start < 0:
            detail = f"{name}: caption {number} lasts from {quoted(raw_start)} to {quoted(raw_end)}"
            drops.append(sentence_drop(video_id, cue_id, Reason.SPAN_REVERSED, detail))
        elif "\ufffd" in text:
            drops.append(sentence_drop(video_id, cue_id, Reason.INVALID_UTF8, f"{name}: caption {number}: not UTF-8"))
        elif not text:
            drops.append(sentence_drop(video_id, cue_id, Reason.EMPTY_TEXT, f"{name}: caption {number} has no text"))
        else:
            cues.append(Cue(cue_id, start, end, text))
    if not cues and not drops:
        drops.append(record_drop(video_id, name, "no caption in it"))
    return Transcript(cues, drops)


def _end(rows: list[Any], number: int, start: int, said: str) -> int:
    """The end of a caption without an end: the start of the next caption; see with_ends."""
    spans: list[tuple[int, int | None, str]] = [(start, None, said)]
    with suppress(ValueError):
        spans += [(seconds(row[0]), None, "") for row in rows[number : number + 1]]
    return with_ends(spans)[0][1]
