"""Sentence texts and published groups of clips, one per line, as in HD-VILA and LF-VILA."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.parse.lines import Line, bad_record, canonical_json, parse_json, parse_json_value, quoted, where
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

# Control characters that are not white space, the byte order mark, the zero-width space, and surrogates, which
# UTF-8 cannot hold. Joiners and direction marks stay: they are part of Persian, Hebrew and Indic spelling.
_REMOVED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\u200b\ud800-\udfff]")
MAX_ID = 512
_MISSING_ID = '"clip_id" must be a text of 1 to 512 characters'


@dataclass(frozen=True, slots=True)
class Group:
    """A published long clip: the ids of the clips in it, in the order of the file.

    `group_id` depends on the clips, not on their order, so a group that is listed twice is one group.
    """

    group_id: str
    clip_ids: tuple[str, ...]
    where: str


def clean_text(text: str) -> str:
    """Return `text` in Unicode form C, without control characters, with single spaces and none at the ends."""
    if not (text.isascii() and text.isprintable()):
        text = _REMOVED.sub("", text)
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def parse_id(value: Any) -> str | None:
    """An id of 1 to 512 characters; a whole number counts as its digits. None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    if isinstance(value, str) and len(value) <= MAX_ID and value.strip():
        return value
    return None


def parse_text(line: Line) -> tuple[str, str] | Drop:
    """The clip id and the cleaned text of a line {clip_id, text}; a Drop if either is missing."""
    record = parse_json(line)
    if isinstance(record, Drop):
        return record
    clip_id = parse_id(record.get("clip_id"))
    if clip_id is None:
        return bad_record(line, Reason.MALFORMED, f"{_MISSING_ID}, not {quoted(record.get('clip_id'))}")
    text = record.get("text")
    if text is not None and not isinstance(text, str):
        return bad_record(line, Reason.MALFORMED, f'"text" must be a text, not {quoted(text)}')
    cleaned = clean_text(text or "")
    if not cleaned:
        detail = f"{where(line)}: no text"
        return Drop("", Subject.SENTENCE, clip_id, Stage.READ, Reason.EMPTY_TEXT, detail)
    return clip_id, cleaned


def parse_group(line: Line) -> Group | Drop:
    """The group of clips that a line names; a Drop if it names none.

    The line is a list, or an object that holds exactly one list. The entries are clip ids, objects with a clip_id, or pairs of
    clip id and text.
    """
    record = parse_json_value(line)
    if isinstance(record, Drop):
        return record
    if isinstance(record, dict):
        lists = [value for value in record.values() if isinstance(value, list)]
        if len(lists) != 1:
            problem = f'holds {len(lists)} lists; a group is one list of clip ids, as in {{"clip_id": ["a.1.mp4"]}}'
            return bad_record(line, Reason.MALFORMED, problem)
        record = lists[0]
    if not record:
        return bad_record(line, Reason.MALFORMED, "the group is empty; list its clip ids or remove it")
    clip_ids: dict[str, None] = {}  # in the order of the file
    for entry in record:
        clip_id = _member(entry)
        if clip_id is None:
            return bad_record(line, Reason.MALFORMED, f"{quoted(entry)} names no clip; write its clip id")
        if clip_id in clip_ids:
            return bad_record(line, Reason.MALFORMED, f"clip {quoted(clip_id)} is in the group twice; name it once")
        clip_ids[clip_id] = None
    digest = hashlib.sha256(canonical_json(sorted(clip_ids)).encode("utf-8", "surrogatepass")).hexdigest()
    return Group(digest[:16], tuple(clip_ids), where(line))


def _member(entry: Any) -> str | None:
    if isinstance(entry, dict):
        return parse_id(entry.get("clip_id"))
    if isinstance(entry, list | tuple):
        return parse_id(entry[0]) if len(entry) == 2 else None
    return parse_id(entry)
