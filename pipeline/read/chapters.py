"""Chapters of videos, from their records or from a file: hard boundaries of long clips."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam

from longtake.pipeline.parse.caption_file import read_entries
from longtake.pipeline.parse.lines import Line, bad_record, load_json, parse_json, quoted
from longtake.pipeline.parse.texts import parse_id
from longtake.pipeline.parse.timecode import parse_seconds, parse_timecode
from longtake.pipeline.read.line_source import ReadLines, files_of
from longtake.pipeline.read.rows import DROPS, Dropped, VideoText, drop
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

IN_META = "meta"
_STARTS = ("start_time", "start", "time", "timestamp")


def add_chapters(root: Any, texts: Any, config: CorpusConfig) -> tuple[Any, Any]:
    """Return collections of VideoText with the chapters of `source.chapters`, and of Drop for unreadable chapters."""
    path = chapters_path(config)
    if path is None:
        found = texts | "Chapters" >> beam.FlatMap(from_meta).with_outputs(DROPS, main="videos")
        return found.videos, found[DROPS]
    if is_one_object(path):
        entries = (
            root
            | "Chapter files" >> beam.Create(files_of(path), reshuffle=False)
            | "Read chapters" >> beam.FlatMap(chapters_of_file).with_outputs(DROPS, main="chapters")
        )
    else:
        lines = root | "Chapter lines" >> ReadLines(path)
        entries = lines | "Parse chapters" >> beam.FlatMap(chapters_of_line).with_outputs(DROPS, main="chapters")
    keyed = texts | "Keyed texts" >> beam.Map(lambda text: (text.video.video_id, text))
    joined = {"texts": keyed, "chapters": entries.chapters} | "With chapters" >> beam.CoGroupByKey()
    return joined | "Attach chapters" >> beam.FlatMap(attach_chapters), entries[DROPS]


def chapters_path(config: CorpusConfig) -> str | None:
    """The file of chapters; None if the records hold them, or if there are none."""
    chapters = config.source.chapters
    return None if chapters in (None, IN_META) else config.resolve(str(chapters))


def is_one_object(path: str) -> bool:
    """Whether a file of chapters is one JSON object by video id, not one line per video."""
    return path.removesuffix(".gz").endswith(".json")


def chapter_starts(value: Any) -> tuple[int, ...]:
    """Return the starts of one video's chapters in milliseconds, in order.

    `value` is a list of {"start_time" | "start" | "time" | "timestamp": seconds or a timecode}, as in yt-dlp and VidChapters, or
    a list of such times alone; or an object with the list as "chapters", or with [start, end] pairs as "timestamps". Raises
    ValueError.
    """
    if isinstance(value, dict):
        value = value.get("chapters", value.get("timestamps"))
    if not isinstance(value, list):
        raise ValueError(f"{quoted(value)} is no list of chapters")
    return tuple(sorted({_start(chapter) for chapter in value}))


def _start(chapter: Any) -> int:
    if isinstance(chapter, dict):
        chapter = next((chapter[name] for name in _STARTS if chapter.get(name) is not None), None)
    elif isinstance(chapter, list) and chapter:
        chapter = chapter[0]
    if isinstance(chapter, bool) or not isinstance(chapter, int | float | str):
        raise ValueError(f"{quoted(chapter)} is no start of a chapter")
    start = parse_timecode(chapter) if isinstance(chapter, str) and ":" in chapter else parse_seconds(chapter)
    if start < 0:
        raise ValueError(f"a chapter starts at {start} ms, before the video")
    return start


def from_meta(text: VideoText) -> Iterator[VideoText | Dropped]:
    """Yield the text of a video with the chapters of its record."""
    chapters = json.loads(text.video.meta).get("chapters")
    if chapters is None:
        yield text
        return
    try:
        yield replace(text, chapters_ms=chapter_starts(chapters))
    except ValueError as error:
        video_id = text.video.video_id
        detail = f"chapters of meta: {error}"
        yield drop(Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.CHAPTERS_UNREADABLE, detail))
        yield text


def chapters_of_file(file: str) -> Iterator[tuple[str, tuple[int, ...]] | Dropped]:
    """Yield the starts of chapters in a JSON object of videos, by video id."""
    for entry in read_entries(file):
        if isinstance(entry, Drop):
            yield drop(entry)
            continue
        video_id, found = entry
        try:
            yield video_id, chapter_starts(load_json(found.data))
        except ValueError as error:
            detail = f"{found.where}: {error}"
            yield drop(Drop(video_id, Subject.RECORD, found.where, Stage.READ, Reason.CHAPTERS_UNREADABLE, detail))


def chapters_of_line(line: Line) -> Iterator[tuple[str, tuple[int, ...]] | Dropped]:
    """Yield the starts of chapters in one line, by video id."""
    record = parse_json(line)
    if isinstance(record, Drop):
        yield drop(record)
        return
    video_id = parse_id(record.get("video_id"))
    try:
        if video_id is None:
            raise ValueError(f"video_id {quoted(record.get('video_id'))} is no id")
        yield video_id, chapter_starts(record)
    except ValueError as error:
        yield drop(bad_record(line, Reason.CHAPTERS_UNREADABLE, str(error), video_id or ""))


def attach_chapters(element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[VideoText]:
    """Yield the texts of one id with its chapters. If several entries name the id, all their starts count."""
    _, sides = element
    starts = tuple(sorted({start for chapters in sides["chapters"] for start in chapters}))
    for text in sides["texts"]:
        yield replace(text, chapters_ms=starts) if starts else text


__all__ = [
    "IN_META",
    "add_chapters",
    "attach_chapters",
    "chapter_starts",
    "chapters_of_file",
    "chapters_of_line",
    "chapters_path",
    "from_meta",
    "is_one_object",
]
