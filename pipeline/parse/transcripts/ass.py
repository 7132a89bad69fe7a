"""Advanced SubStation Alpha (.ass, .ssa): events with start, end, speaker, and a text with styling codes.

pysubs2 reads these files too. But it takes the fields in a fixed order, whatever the Format line says, gives no line numbers, and
fails on the whole file at the first unreadable time.
"""

import re

from longtake.pipeline.parse.lines import base_name, quoted
from longtake.pipeline.parse.timecode import parse_timecode
from longtake.pipeline.parse.transcripts.cue import (
    Cue,
    Transcript,
    clipped_note,
    from_zero,
    name_of,
    plain_lines,
    record_drop,
    sentence_drop,
    with_turns,
)
from longtake.pipeline.parse.transcripts.encodings import decoded_lines
from longtake.pipeline.parse.transcripts.subtitles import without_styling
from longtake.schemas.reasons import Reason
from longtake.schemas.records import Drop

_FIELDS = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text"]
_SECTION = re.compile(r"\s*\[([^\]]{1,60})\]\s*")
_NEEDED = ("start", "end", "text")


def parse_ass(data: bytes, video_id: str, file: str, encoding: str = "utf-8") -> Transcript:
    """Return the cues of the Dialogue lines of a file, numbered in their order. Comments are no cues. Raises nothing."""
    name = base_name(file)
    cues: list[Cue] = []
    drops: list[Drop] = []
    fields = _FIELDS
    section, number = "events", 0
    for line_number, (line, decodable) in enumerate(decoded_lines(data, encoding), 1):
        if found := _SECTION.fullmatch(line):
            section = found[1].strip().lower()
            continue
        kind, colon, rest = line.partition(":")
        kind = kind.strip().lower()
        if section != "events" or not colon:
            continue
        if kind == "format":
            listed = [field.strip().lower() for field in rest.split(",")]
            fields = listed if all(field in listed for field in _NEEDED) and listed[-1] == "text" else _FIELDS
        elif kind == "dialogue":
            number += 1
            made = _cue(dict(zip(fields, rest.split(",", len(fields) - 1), strict=False)), f"{video_id}.{number}")
            place = f"{name}:{line_number}"
            if isinstance(made, Cue) and not decodable:
                made = Reason.INVALID_UTF8, f"not UTF-8: {quoted(made.text)}; save the file as UTF-8"
            if isinstance(made, Cue) and made.start_ms < 0:
                drops.append(clipped_note(video_id, place, made.start_ms))
                made = from_zero(made)
            if isinstance(made, Cue):
                cues.append(made)
            else:
                drops.append(sentence_drop(video_id, f"{video_id}.{number}", made[0], f"{place}: {made[1]}"))
    if not number:
        drops.append(record_drop(video_id, name, "no Dialogue line found; is it an ASS or SSA file?"))
    return Transcript(with_turns(sorted(cues, key=lambda cue: cue.start_ms)), drops)


def _cue(fields: dict[str, str], cue_id: str) -> Cue | tuple[Reason, str]:
    """The cue of a Dialogue line, or the reason and detail why there is none."""
    try:
        start, end = (parse_timecode(fields.get(field, "").strip()) for field in ("start", "end"))
    except ValueError as error:
        return Reason.MALFORMED, str(error)
    text = plain_lines(without_styling(fields.get("text", "").replace("\\n", "\n")))
    if start >= end or end <= 0:
        return Reason.SPAN_REVERSED, f"lasts from {fields['start'].strip()} to {fields['end'].strip()}"
    if not text:
        return Reason.EMPTY_TEXT, "cue without text"
    speaker = name_of(fields.get("name", ""))
    return Cue(cue_id, start, end, text, speakers=() if speaker is None else (speaker,))
