"""YouTube's json3: events with a start and a duration in milliseconds, and segments with offsets, one for each word."""

from typing import Any

from longtake.pipeline.parse.lines import base_name, quoted
from longtake.pipeline.parse.transcripts.cue import (
    Cue,
    Transcript,
    read_cues,
    record_drop,
    timed_text,
    trusted,
    with_ends,
)
from longtake.pipeline.parse.transcripts.json_values import read_json, text_of, whole_ms


def parse_json3(data: bytes, video_id: str, file: str) -> Transcript:
    """Return the cues of a json3 file: its events with text, numbered in their order. Raises nothing."""
    name = base_name(file)
    try:
        value = read_json(data)
        events = value.get("events") if isinstance(value, dict) else None
        if not isinstance(events, list):
            raise ValueError('holds no list "events"; is it a json3 file of YouTube?')
    except ValueError as error:
        return Transcript([], [record_drop(video_id, name, str(error))])
    # A window's position and a line feed appended to a window are events too, but no cues.
    shown = [
        event
        for event in events
        if not isinstance(event, dict) or (event.get("segs") and not event.get("aAppend")) or _says(event)
    ]
    cues, drops = read_cues(_ended(shown), video_id, name, "event", _cue)
    if not shown:
        drops.append(record_drop(video_id, name, "no event with text"))
    return Transcript(cues, drops)


def _ended(events: list[Any]) -> list[Any]:
    """Return the events with durations: an event without a duration lasts until the next one starts; see with_ends."""
    if all(not isinstance(event, dict) or event.get("dDurationMs") for event in events):
        return events
    starts = [event.get("tStartMs", 0) if isinstance(event, dict) else None for event in events]
    made = []
    for number, event in enumerate(events):
        start = starts[number]
        if type(start) is int and not event.get("dDurationMs"):
            after = next((at for at in starts[number + 1 :] if type(at) is int), start)
            end = with_ends([(start, None, _text(event)), (after, None, "")])[0][1]
            event = {**event, "dDurationMs": end - start}
        made.append(event)
    return made


def _text(event: dict[str, Any]) -> str:
    segments = event.get("segs")
    texts = [s.get("utf8") for s in segments if isinstance(s, dict)] if isinstance(segments, list) else []
    return "".join(text for text in texts if isinstance(text, str))


def _says(event: dict[str, Any]) -> bool:
    segments = event.get("segs")
    if not isinstance(segments, list):
        return False
    return any(isinstance(s, dict) and isinstance(s.get("utf8"), str) and s["utf8"].strip() for s in segments)


def _cue(event: Any, cue_id: str) -> Cue:
    if not isinstance(event, dict):
        raise ValueError(f"{quoted(event)} is no event")
    start = whole_ms(event.get("tStartMs", 0))
    end = start + whole_ms(event.get("dDurationMs", 0))
    segments = event["segs"]
    if not isinstance(segments, list):
        raise ValueError(f'"segs" must be a list, not {quoted(segments)}')
    pieces: list[tuple[int, str]] = []
    timed = False
    for segment in segments:
        if not isinstance(segment, dict):
            raise ValueError(f"{quoted(segment)} is no segment")
        offset = whole_ms(segment.get("tOffsetMs", 0))
        timed = timed or offset > 0
        pieces.append((start + offset, text_of(segment.get("utf8"))))
    text, words = timed_text(pieces, end)
    return Cue(cue_id, start, end, text, trusted(words, start, end) if timed else ())
