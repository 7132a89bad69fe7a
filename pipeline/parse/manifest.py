"""A line of the video manifest: one source video and, if the line lists them, the spans of its sentences."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from longtake.pipeline.parse.lines import Line, bad_record, canonical_json, load_json, parse_json, quoted, where
from longtake.pipeline.parse.texts import MAX_ID, clean_text, parse_id
from longtake.pipeline.parse.timecode import MAX_MS, format_timecode, parse_seconds, parse_timecode
from longtake.schemas import storage
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, Sentence, SourceVideo, compact, drop_sentences

_CONTROL_CHARACTERS = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
_CONTROL = re.compile(f"[{_CONTROL_CHARACTERS}]")
_UNSAFE_NAME = re.compile(rf"\A(?:\.{{0,2}}\Z|~)|[/\\{_CONTROL_CHARACTERS}]")
_MAX_NAME_BYTES = 240  # file systems take 255 for a name, and the template adds an extension


@compact
@dataclass(frozen=True, slots=True)
class ClipSpan:
    """The span of one sentence in milliseconds, and its text; None if the text comes from another file."""

    clip_id: str
    start_ms: int
    end_ms: int
    text: str | None


@compact
@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """A transcript of one video: its path as written, its language ("" if nothing tells it), and its rank: less is better."""

    path: str
    language: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True)
class ParsedVideo:
    """The content of a manifest line.

    If `usable` is false, `clips` is empty and `drops` holds the video and each of its sentences. `record` is the line as read.
    `transcripts` are those that the record names, or a listing found.
    """

    video: SourceVideo
    clips: tuple[ClipSpan, ...]
    drops: tuple[Drop, ...]
    where: str
    record: dict[str, Any] = field(repr=False, compare=False)
    usable: bool = True
    transcripts: tuple[TranscriptFile, ...] = ()

    @property
    def canonical(self) -> str:
        """The record as canonical JSON: if a video has several lines, it decides which one counts, in any order of the lines."""
        return canonical_json(self.record, strict=False)


def parse_video(
    line: Line, uri_template: str | None, own_text: bool = True, own_transcripts: bool = False
) -> ParsedVideo | Drop:
    """Return the video of a manifest line, or a Drop of the whole record if the line cannot be read.

    `uri_template` contains {video_id} and makes the URI of a record that has none. Sentences are under `clip` (as in HD-VILA;
    each needs a clip_id) or under `sentences`. Each sentence ends in `clips` or has exactly one sentence Drop. Without
    `own_text` their texts are ignored, because another file has them. With `own_transcripts`, `transcripts` names files.
    """
    record = parse_json(line)
    if isinstance(record, Drop):
        return record
    video_id = parse_id(record.get("video_id"))
    if video_id is None:
        problem = f'"video_id" must be a text of 1 to 512 characters, not {quoted(record.get("video_id"))}'
        return bad_record(line, Reason.MALFORMED, problem)
    try:
        uri, url, licence = (_text_field(record, name) for name in ("uri", "url", "license"))
        if not uri and not uri_template:
            raise ValueError('has no "uri"; add one, or set source.uri in corpus.yaml, as in videos/{video_id}.mp4')
        meta = _meta(record)
        entries, ids_required = _entries(record)
        transcripts = _transcripts(record) if own_transcripts else ()
    except ValueError as error:
        return bad_record(line, Reason.MALFORMED, str(error), video_id)
    place = where(line)
    clips, drops = _clips(video_id, entries, ids_required, own_text, place)
    try:
        video = SourceVideo(video_id, safe_uri(uri or None, video_id, uri_template), url, licence, meta)
    except ValueError as error:
        detail = f"{place}: {error}"
        sentences = tuple(Sentence(c.clip_id, c.start_ms, c.end_ms, c.text or "") for c in clips)
        own = Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.UNSAFE_URI, detail)
        lost = drop_sentences(video_id, sentences, Stage.READ, Reason.UNSAFE_URI, detail)
        video = SourceVideo(video_id, "", url, licence, meta)
        return ParsedVideo(video, (), (own, *drops, *lost), place, record, usable=False)
    return ParsedVideo(video, tuple(clips), tuple(drops), place, record, transcripts=transcripts)


@dataclass(frozen=True, slots=True)
class PlainVideo:
    """A video of HD-VILA whose clips are all of the usual form: ids, and `times`, the start and end of each as written."""

    video: SourceVideo
    clip_ids: list[str]
    times: list[str]


def parse_plain_video(line: Line, uri_template: str | None) -> PlainVideo | None:
    """The video of a line as `parse_video` reads it, if its clips are all of the usual form; else None.

    The caller parses the times, many at once, and gives a line to `parse_video` if one of them is unusual.
    """
    record = parse_json(line)
    if isinstance(record, Drop):
        return None
    video_id = parse_id(record.get("video_id"))
    try:
        entries, is_clip = _entries(record)
        if video_id is None or not is_clip:
            return None
        clip_ids = [entry["clip_id"] for entry in entries]
        times = [time for entry in entries for time in entry["span"]]
        uri, url, licence = (_text_field(record, name) for name in ("uri", "url", "license"))
        video = SourceVideo(video_id, safe_uri(uri or None, video_id, uri_template), url, licence, _meta(record))
    except (KeyError, TypeError, ValueError):
        return None
    usual = set(map(type, clip_ids)) <= {str} and set(map(type, times)) <= {str} and len(set(clip_ids)) == len(clip_ids)
    pairs = all(type(entry["span"]) is list and len(entry["span"]) == 2 for entry in entries)
    if not (usual and pairs and set(map(len, times)) <= {12} and all(map(str.strip, clip_ids))):
        return None
    return PlainVideo(video, clip_ids, times) if max(map(len, clip_ids), default=0) <= MAX_ID else None


def holds_control(text: str) -> bool:
    """Whether a text holds a control character, or a lone surrogate, as names of files that are not UTF-8 do."""
    return _CONTROL.search(text) is not None


def safe_uri(uri: str | None, video_id: str, template: str | None) -> str:
    """Return the URI of a video: `uri`, else `template` with the video id in it. Raises ValueError for an unsafe URI.

    An id in a template must be one plain path component, so that it cannot lead out of the folder of the videos.
    """
    if uri is not None:
        _check_readable(uri)
        return uri
    if template is None:
        raise ValueError("there is neither a uri nor a template for one")
    if _UNSAFE_NAME.search(video_id) or len(video_id.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
        raise ValueError(f'video id {quoted(video_id)} is not safe as a file name; give the record a "uri" of its own')
    return template.replace("{video_id}", video_id)


def _check_readable(uri: str) -> None:
    if _CONTROL.search(uri):
        raise ValueError(f"uri {quoted(uri)} holds a control character; correct it")
    if storage.scheme(uri) not in storage.SCHEMES:
        raise ValueError(f"uri {quoted(uri)} is of no kind that is read; use a local path, gs://, s3:// or hf://")


def _transcripts(record: dict[str, Any]) -> tuple[TranscriptFile, ...]:
    """The transcripts that a record names, in its order: [{"path": ..., "language": ...}]."""
    value = record.get("transcripts")
    if not isinstance(value, list | None):
        raise ValueError(f'"transcripts" must be a list, not {quoted(value)}')
    found = []
    for rank, entry in enumerate(value or ()):
        path = _text_field(entry, "path") if isinstance(entry, dict) else ""
        if not path:
            raise ValueError(f'"transcripts" must hold objects with a "path", not {quoted(entry)}')
        _check_readable(path)
        found.append(TranscriptFile(path, _text_field(entry, "language"), rank))
    return tuple(found)


def _text_field(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f'"{name}" must be a text, not {quoted(value)}')
    return value


def _meta(record: dict[str, Any]) -> str:
    value = record.get("meta")
    if isinstance(value, str):  # how Parquet tables hold free-form objects
        try:
            value = load_json(value.encode("utf-8", "surrogatepass"))
        except ValueError as error:
            raise ValueError(f'"meta": {error}; correct or remove it') from None
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise ValueError(f'"meta" must be a JSON object, not {quoted(value)}')
    try:
        return canonical_json(value)
    except ValueError as error:
        raise ValueError(f'"meta" cannot be written as JSON: {error}; correct or remove it') from None


def _entries(record: dict[str, Any]) -> tuple[list[Any], bool]:
    """The sentences as listed, and whether each needs a clip id."""
    clip, sentences = record.get("clip"), record.get("sentences")
    if clip is not None and sentences is not None:
        raise ValueError('has both "clip" and "sentences"; keep one of them')
    entries = sentences if clip is None else clip
    if entries is not None and not isinstance(entries, list):
        name = "sentences" if clip is None else "clip"
        raise ValueError(f'"{name}" must be a list, not {quoted(entries)}')
    return entries or [], clip is not None


def _clips(
    video_id: str, entries: list[Any], ids_required: bool, own_text: bool, place: str
) -> tuple[list[ClipSpan], list[Drop]]:
    best: dict[str, ClipSpan] = {}
    drops: list[Drop] = []

    def drop(subject_id: str, reason: Reason, problem: str) -> None:
        detail = f"{place}: {problem}"
        drops.append(Drop(video_id, Subject.SENTENCE, subject_id, Stage.READ, reason, detail))

    for number, entry in enumerate(entries, 1):
        nameless = f"{video_id}#{number}"
        if not isinstance(entry, dict):
            drop(nameless, Reason.MALFORMED, f"sentence {number} must be a JSON object, not {quoted(entry)}")
            continue
        raw_id = entry.get("clip_id")
        clip_id = f"{video_id}.{number}" if raw_id is None and not ids_required else parse_id(raw_id)
        if clip_id is None:
            problem = f'"clip_id" of sentence {number} must be a text of 1 to 512 characters, not {quoted(raw_id)}'
            drop(nameless, Reason.MALFORMED, problem)
            continue
        text = entry.get("text") if own_text else None
        try:
            start_ms, end_ms = _span(entry)
            if text is not None and not isinstance(text, str):
                raise ValueError(f'"text" must be a text, not {quoted(text)}')
        except ValueError as error:
            drop(clip_id, Reason.MALFORMED, f"sentence {number}: {error}")
            continue
        if start_ms >= end_ms or start_ms < 0:
            span = f"{format_timecode(start_ms)} to {format_timecode(end_ms)}"
            drop(clip_id, Reason.SPAN_REVERSED, f"sentence {number} lasts from {span}")
            continue
        if text is not None:
            text = clean_text(text)
            if not text:
                drop(clip_id, Reason.EMPTY_TEXT, f"sentence {number} has no text")
                continue
        clip = ClipSpan(clip_id, start_ms, end_ms, text)
        other = best.get(clip_id)
        if other is None:
            best[clip_id] = clip
            continue
        best[clip_id] = kept = min(clip, other, key=_in_order)
        span = f"{format_timecode(kept.start_ms)} to {format_timecode(kept.end_ms)}"
        drop(clip_id, Reason.DUPLICATE_ID, f"clip id used twice in this video; kept the one from {span}")
    return list(best.values()), drops


def _in_order(clip: ClipSpan) -> tuple[int, int, str]:
    return clip.start_ms, clip.end_ms, clip.text or ""


def _span(entry: dict[str, Any]) -> tuple[int, int]:
    span = entry.get("span")
    if span is not None:
        if not isinstance(span, (list, tuple)) or len(span) != 2:
            raise ValueError(f'"span" must be a list of start and end, not {quoted(span)}')
        start, end = span
        if type(start) is str and type(end) is str and ":" in start and ":" in end:  # nearly all
            return parse_timecode(start), parse_timecode(end)
        return _time(start), _time(end)
    if entry.get("start_ms") is not None or entry.get("end_ms") is not None:
        return _whole_ms(entry.get("start_ms")), _whole_ms(entry.get("end_ms"))
    return _time(entry.get("start")), _time(entry.get("end"))


def _time(value: Any) -> int:
    if isinstance(value, str):
        return parse_timecode(value) if ":" in value else parse_seconds(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return parse_seconds(value)
    raise ValueError(f"{'no time' if value is None else quoted(value)} where a time such as 00:01:02.345 is expected")


def _whole_ms(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_MS:
        raise ValueError(f"{quoted(value)} is not a whole number of milliseconds")
    return value
