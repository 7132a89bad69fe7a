"""Read one source video as the plan reads all: with the same functions, but a search through the files instead of Beam's joins.

Files are read to their ends, line by line and entry by entry: if a video has several records, the one whose content sorts first
counts. Memory holds only what names the video.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.explain.find_lines import find_lines
from longtake.pipeline.explain.names import near_names
from longtake.pipeline.parse.caption_file import read_entries
from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.manifest import ParsedVideo
from longtake.pipeline.parse.texts import parse_id
from longtake.pipeline.read import chapters
from longtake.pipeline.read.by_video import records_of
from longtake.pipeline.read.found import found_for
from longtake.pipeline.read.line_source import files_of, read_lines
from longtake.pipeline.read.made_lines import is_made, lines_in_order
from longtake.pipeline.read.rows import (
    DROPS,
    VIDEOS,
    VideoText,
    attach_captions,
    attach_sentences,
    choose_record,
    keyed_clips,
    keyed_groups,
    keyed_text,
    keyed_video,
    match_clip,
    video_text,
)
from longtake.pipeline.text.video_text import TextTrace
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import CorpusError
from longtake.schemas.records import Drop

Sides = dict[str, Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a source video: its record, None if none can be used; its text, None if there is none; the ledger rows;
    and the cues on their way to sentences."""

    record: ParsedVideo | None
    text: VideoText | None
    drops: list[Drop]
    trace: TextTrace


def read_video(video_id: str, config: CorpusConfig) -> Reading:
    """Read one source video. Raises CorpusError if no line of the manifest is about it."""
    records, drops = _record_of(video_id, config)
    trace = TextTrace()
    texts: list[VideoText] = []
    for record in records:
        texts, lost = _text_of(record, config, trace)
        drops += lost
    if texts and config.source.chapters is not None:
        texts, unknown = _with_chapters(texts[0], config)
        drops += unknown
    own = [drop for drop in drops if drop.video_id == video_id]
    return Reading(records[0] if records else None, texts[0] if texts else None, own, trace)


def _record_of(video_id: str, config: CorpusConfig) -> tuple[list[ParsedVideo], list[Drop]]:
    """The record of a video that counts, if one can be used, and the rows of the others. Raises CorpusError if there is none."""
    found: list[Line] = []
    drops: list[Drop] = []
    for one in _lines({video_id}, config):
        if isinstance(one, Drop):
            drops.append(one)
        else:
            found.append(one[1])
    if not found:
        near = near_names(video_id, _names(config))
        hint = f"; similar ids: {', '.join(map(repr, near))}" if near else ""
        raise CorpusError(f"{config.source.place}: no record of video {video_id!r}{hint}")
    files = found_for({video_id}, config).get(video_id) if config.source.lists_files else None
    records: list[ParsedVideo] = []
    for output in records_of(video_id, found, config, files):
        if isinstance(output, TaggedOutput):
            drops.append(output.value)
        else:
            records.append(output)
    return records, drops


def _text_of(record: ParsedVideo, config: CorpusConfig, trace: TextTrace) -> tuple[list[VideoText], list[Drop]]:
    source = config.source
    if source.text.format == "hdvila" or source.groups is not None:
        return _by_clip(record, config, trace)
    if source.text.is_joined:
        sides: Sides = {
            "records": [record],
            "entries": list(_entries(record.video.video_id, source.text.file, config)),
        }
        texts, drops, _ = _sorted_out(attach_captions((record.video.video_id, sides), config, trace))
    else:
        texts, drops, _ = _sorted_out(video_text(record, config, trace))
    return texts, drops


def _sorted_out(outputs: Iterable[Any]) -> tuple[list[Any], list[Drop], list[Any]]:
    """Sort the outputs of a step into its main output, its drops, and its videos."""
    tagged: dict[str, list[Any]] = defaultdict(list)
    for output in outputs:
        if isinstance(output, TaggedOutput):
            tagged[output.tag].append(output.value)
        else:
            tagged[""].append(output)
    return tagged[""], tagged[DROPS], tagged[VIDEOS]


# -- finding lines and entries -----------------------------------------------------------------------------------------


def _lines(video_ids: Collection[str], config: CorpusConfig) -> Iterator[tuple[str, Line] | Drop]:
    """Yield the lines about `video_ids`, of the manifest, or made of a folder or by a recipe, and then their ledger rows too."""
    if is_made(config):
        for found in lines_in_order(config):
            if (found.video_id if isinstance(found, Drop) else found[0]) in video_ids:
                yield found
        return
    for line in _naming(_common_start(video_ids), config.source.videos, config):
        if isinstance(line.data, dict) and parse_id(line.data.get("video_id")) not in video_ids:
            continue
        video_id, parsed = keyed_video(line, config.source.uri_template, config.source.text.format == "none")
        if isinstance(parsed, Drop):
            video_id = parsed.video_id  # an unusable line is its own subject, but may name its video
        if video_id in video_ids:
            yield video_id, line


def _records(video_ids: Collection[str], config: CorpusConfig) -> Iterator[tuple[str, ParsedVideo | Drop]]:
    """Yield what the lines about `video_ids` hold."""
    own_text = config.source.text.format == "none"
    for found in _lines(video_ids, config):
        if not isinstance(found, Drop):
            yield found[0], keyed_video(found[1], config.source.uri_template, own_text)[1]


def _naming(name: str, path: str, config: CorpusConfig) -> Iterator[Line]:
    """Yield the lines of a file that may hold `name` in JSON: as it is, or with escaped characters."""
    return find_lines(config.resolve(path), name)


def _names(config: CorpusConfig) -> Iterator[str]:
    """Yield the video ids in the manifest."""
    if is_made(config):
        yield from (found[0] for found in lines_in_order(config) if not isinstance(found, Drop))
        return
    for line in read_lines(config.resolve(config.source.videos)):
        video_id, parsed = keyed_video(line, config.source.uri_template, False)
        if isinstance(parsed, ParsedVideo):
            yield video_id


def _entries(video_id: str, path: str, config: CorpusConfig) -> Iterator[Any]:
    """Yield the entries of a source video in a caption file."""
    for file in files_of(config.resolve(path)):
        for entry in read_entries(file):
            if not isinstance(entry, Drop) and entry[0] == video_id:
                yield entry[1]


def _with_chapters(text: VideoText, config: CorpusConfig) -> tuple[list[VideoText], list[Drop]]:
    video_id, path = text.video.video_id, chapters.chapters_path(config)
    if path is None:
        texts, drops, _ = _sorted_out(chapters.from_meta(text))
        return texts, drops
    if chapters.is_one_object(path):
        outputs = (found for file in files_of(path) for found in chapters.chapters_of_file(file))
    else:
        outputs = (found for line in _naming(video_id, path, config) for found in chapters.chapters_of_line(line))
    of_it = (found for found in outputs if isinstance(found, TaggedOutput) or found[0] == video_id)
    starts, drops, _ = _sorted_out(of_it)
    sides: Sides = {"texts": [text], "chapters": [found for _, found in starts]}
    return list(chapters.attach_chapters((video_id, sides))), drops


# -- text and groups that are joined by clip id ------------------------------------------------------------------------


def _by_clip(record: ParsedVideo, config: CorpusConfig, trace: TextTrace) -> tuple[list[VideoText], list[Drop]]:
    keyed, drops, videos = _sorted_out(keyed_clips(record, config, trace))
    clips: dict[str, list[Any]] = defaultdict(list)
    for clip_id, clip in keyed:
        clips[clip_id].append(clip)
    shared = _shared_name(clips)
    if not config.source.text.is_transcript:  # clips of a transcript are named by their video
        for clip_id, clip in _rivals(record.video.video_id, clips.keys(), shared, config):
            clips[clip_id].append(clip)
    sides: dict[str, dict[str, list[Any]]] = {}
    if clips and config.source.text.format == "hdvila":
        lines = _naming(shared, config.source.text.file, config)
        sides["texts"] = _matching(clips, (found for line in lines for found in keyed_text(line)))
    if clips and config.source.groups is not None:
        lines = _naming(shared, config.source.groups, config)
        sides["groups"] = _matching(clips, (found for line in lines for found in keyed_groups(line)))
    sentences: list[Any] = []
    for clip_id, found in clips.items():
        named: Sides = {"clips": found} | {name: side.get(clip_id, []) for name, side in sides.items()}
        matched, lost, _ = _sorted_out(match_clip((clip_id, named)))
        sentences += [sentence for owner, sentence in matched if owner == record.video.video_id]
        drops += lost
    joined: Sides = {"video": [video for _, video in videos], "sentences": sentences}
    texts, lost, _ = _sorted_out(attach_sentences((record.video.video_id, joined), config, trace))
    return texts, drops + lost


def _matching(clips: Collection[str], outputs: Iterable[Any]) -> dict[str, list[Any]]:
    """The outputs of a step that belong to `clips`, by clip id."""
    found: dict[str, list[Any]] = defaultdict(list)
    for output in outputs:
        if not isinstance(output, TaggedOutput) and output[0] in clips:
            found[output[0]].append(output[1])
    return found


def _shared_name(clip_ids: Collection[str]) -> str:
    """The text that every line naming one of the clips holds: the common start of their ids, or of the video ids in `<video
    id>.<number>` if a record does not name its clips."""
    stems = {name for name, _, number in (i.rpartition(".") for i in clip_ids) if number.isdigit()}
    return _common_start({*clip_ids, *stems})


def _common_start(names: Collection[str]) -> str:
    """The common start of all names."""
    first, last = min(names, default=""), max(names, default="")
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _rivals(video_id: str, clip_ids: Collection[str], shared: str, config: CorpusConfig) -> Iterator[tuple[str, Any]]:
    """Yield clips of other source videos that have one of the ids. Clips that a recipe makes are named by their videos."""
    if is_made(config):
        return
    own_text = config.source.text.format == "none"
    others: dict[str, list[ParsedVideo | Drop]] = {}
    for line in _naming(shared, config.source.videos, config):
        name, parsed = keyed_video(line, config.source.uri_template, own_text)
        if isinstance(parsed, ParsedVideo) and name != video_id:
            named = {clip.clip_id for clip in parsed.clips} | {drop.subject_id for drop in parsed.drops}
            if not named.isdisjoint(clip_ids):
                others[name] = []
    for name, parsed in _records(others, config) if others else ():
        others[name].append(parsed)
    for element in others.items():
        for record in _sorted_out(choose_record(element))[0]:
            keyed = _sorted_out(keyed_clips(record, config))[0]
            yield from (found for found in keyed if found[0] in clip_ids)
