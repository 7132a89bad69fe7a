"""The reading half of the plan graph: manifest and transcripts in, videos with their sentences out.

Two roads. Text that comes with each video (its record, or a transcript file of its own) is read video by video. Text and
groups that come in files of their own are joined by clip id, then by video id, in Beam: at 100 M rows no worker could hold
either side.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.cues import parse_cues
from longtake.pipeline.line_source import ReadLines
from longtake.pipeline.lines import Line, where
from longtake.pipeline.manifest import ParsedVideo, parse_video
from longtake.pipeline.texts import parse_group, parse_text
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, Sentence, SourceVideo, compact

DROPS = "drops"  # the output tag of ledger rows, in every step
Dropped: TypeAlias = TaggedOutput[Literal["drops"], Drop]
VIDEOS = "videos"
KeyedVideo: TypeAlias = TaggedOutput[Literal["videos"], tuple[str, SourceVideo]]

GroupNames = tuple[tuple[str, int], ...]  # (group id, group size), one for each group that names a clip


@compact
@dataclass(frozen=True, slots=True)
class VideoText:
    """A video with its sentences, each beside the groups that name it."""

    video: SourceVideo
    sentences: tuple[tuple[Sentence, GroupNames], ...]


def drop(row: Drop) -> Dropped:
    """A ledger row on its way to the ledger."""
    return TaggedOutput(DROPS, row)


def read_videos(root: Any, config: CorpusConfig) -> tuple[Any, Any]:
    """Collections of VideoText and of Drop for everything that the configuration names as source."""
    records = (
        root
        | "Manifest" >> ReadLines(config.resolve(config.source.videos))
        | "Parse videos" >> beam.Map(_keyed_video, config.source.uri, config.source.text.format == "none")
        | "By id" >> beam.GroupByKey()
        | "One of each" >> beam.FlatMap(choose_record).with_outputs(DROPS, main="records")
    )
    by_clip = config.source.text.format == "hdvila" or config.source.groups is not None
    texts, drops = (_join_by_clip if by_clip else _read_by_video)(root, records.records, config)
    return texts, (records[DROPS], drops) | "Read drops" >> beam.Flatten()


def _keyed_video(line: Line, template: str | None, own_text: bool) -> tuple[str, ParsedVideo | Drop]:
    parsed = parse_video(line, template, own_text)
    return (parsed.subject_id if isinstance(parsed, Drop) else parsed.video.video_id), parsed


def choose_record(element: tuple[str, Iterable[ParsedVideo | Drop]]) -> Iterator[ParsedVideo | Dropped]:
    """Of the records with one id, the one whose content sorts first: the order of the lines must not matter.

    Rows for the sentences of the record are left to those who read its text, since a sentence may have halves elsewhere.
    """
    video_id, parsed = element
    records: list[ParsedVideo] = []
    for outcome in parsed:
        if isinstance(outcome, Drop):
            yield drop(outcome)
        else:
            records.append(outcome)
    records.sort(key=lambda r: (r.canonical, r.where))
    for other in records[1:]:
        detail = f"{other.where}: video_id {video_id!r} again; the record at {records[0].where} is used"
        yield drop(Drop(video_id, Subject.RECORD, other.where, Stage.READ, Reason.DUPLICATE_ID, detail))
    for record in records[:1]:
        yield from (drop(d) for d in record.drops if d.subject is not Subject.SENTENCE)
        yield record


def _sentence_drops(record: ParsedVideo) -> list[Drop]:
    return [d for d in record.drops if d.subject is Subject.SENTENCE]


# -- text that comes with each video -----------------------------------------------------------------------------------


def _read_by_video(root: Any, records: Any, config: CorpusConfig) -> tuple[Any, Any]:
    read = records | "Read text" >> beam.FlatMap(_video_text, config).with_outputs(DROPS, main="videos")
    return read.videos, read[DROPS]


def _video_text(record: ParsedVideo, config: CorpusConfig) -> Iterator[VideoText | Dropped]:
    yield from map(drop, _sentence_drops(record))
    if not record.usable:
        return
    sentences, drops = read_own_text(record, config)
    yield from map(drop, drops)
    if sentences:
        yield VideoText(record.video, tuple((s, ()) for s in sentences))
    elif not any(d.subject is Subject.VIDEO for d in drops):
        yield drop(_no_text(record.video.video_id))


def _no_text(video_id: str) -> Drop:
    return Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.NO_TEXT, "no usable sentence")


def read_own_text(record: ParsedVideo, config: CorpusConfig) -> tuple[list[Sentence], list[Drop]]:
    """The sentences that a record carries, or those of its transcript file."""
    text, video_id = config.source.text, record.video.video_id
    if text.format in ("vtt", "srt"):
        path = config.resolve(str(text.path).replace("{video_id}", video_id))
        if video_id in (".", "..") or any(c in "/\\\0" or not c.isprintable() for c in video_id):
            return [], [_unreadable(video_id, f"the id {video_id!r} cannot be part of a file name")]
        try:
            data = storage.read_bytes(path)
        except FileNotFoundError:
            return [], [Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.NO_TEXT, f"no file {text.path}")]
        except OSError as error:
            return [], [_unreadable(video_id, f"{text.path}: {error.strerror or error}")]
        return parse_cues(data, video_id, path.rsplit("/", 1)[-1], text.format)
    sentences, drops = [], []
    for clip in record.clips:
        if clip.text:
            sentences.append(Sentence(clip.clip_id, clip.start_ms, clip.end_ms, clip.text))
        else:
            drops.append(_without_text(video_id, clip.clip_id, f"{record.where}: the record holds no text for it"))
    return sentences, drops


def _unreadable(video_id: str, detail: str) -> Drop:
    return Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.TRANSCRIPT_UNREADABLE, detail)


def _without_text(video_id: str, clip_id: str, detail: str) -> Drop:
    return Drop(video_id, Subject.SENTENCE, clip_id, Stage.READ, Reason.CLIP_WITHOUT_TEXT, detail)


# -- text and groups that are joined by clip id ------------------------------------------------------------------------


@compact
@dataclass(frozen=True, slots=True, order=True)
class ClipText:
    """A clip of a video; `text` is None where it comes from the text file."""

    video_id: str
    start_ms: int
    end_ms: int
    where: str
    text: str | None


def _join_by_clip(root: Any, records: Any, config: CorpusConfig) -> tuple[Any, Any]:
    source = config.source
    clips = records | "Clips" >> beam.FlatMap(_keyed_clips, config).with_outputs(DROPS, VIDEOS, main="clips")
    sides, drops = {"clips": clips.clips}, [clips[DROPS]]
    if source.text.format == "hdvila":
        lines = root | "Text" >> ReadLines(config.resolve(str(source.text.path)))
        texts = lines | "Parse text" >> beam.FlatMap(_keyed_text).with_outputs(DROPS, main="texts")
        sides["texts"] = texts.texts
        drops.append(texts[DROPS])
    if source.groups is not None:
        lines = root | "Groups" >> ReadLines(config.resolve(source.groups))
        groups = lines | "Parse groups" >> beam.FlatMap(_keyed_groups).with_outputs(DROPS, main="groups")
        sides["groups"] = groups.groups
        drops.append(groups[DROPS])
    matched = (
        sides
        | "By clip" >> beam.CoGroupByKey()
        | "Match" >> beam.FlatMap(match_clip).with_outputs(DROPS, main="sentences")
    )
    texts = (
        {"video": clips[VIDEOS], "sentences": matched.sentences}
        | "By video" >> beam.CoGroupByKey()
        | "Attach" >> beam.FlatMap(_attach).with_outputs(DROPS, main="videos")
    )
    drops += [matched[DROPS], texts[DROPS]]
    return texts.videos, drops | "Join drops" >> beam.Flatten()


def _keyed_clips(
    record: ParsedVideo, config: CorpusConfig
) -> Iterator[tuple[str, ClipText | Drop] | Dropped | KeyedVideo]:
    video_id = record.video.video_id
    yield from ((d.subject_id, d) for d in _sentence_drops(record))
    if not record.usable:
        return
    named = TaggedOutput(VIDEOS, (video_id, record.video))
    if config.source.text.format == "hdvila":
        yield named
        for clip in record.clips:
            yield clip.clip_id, ClipText(video_id, clip.start_ms, clip.end_ms, record.where, None)
        return
    sentences, drops = read_own_text(record, config)
    if any(d.reason is Reason.TRANSCRIPT_UNREADABLE for d in drops):
        yield from map(drop, drops)
        return
    yield named
    # A video without text gets its row when the sentences are attached.
    yield from (drop(d) for d in drops if d.reason is not Reason.NO_TEXT)
    for s in sentences:
        yield s.clip_id, ClipText(video_id, s.start_ms, s.end_ms, record.where, s.text)


def _keyed_text(line: Line) -> Iterator[tuple[str, tuple[str, str]] | Dropped]:
    parsed = parse_text(line)
    if isinstance(parsed, Drop):
        # An empty text still belongs to its clip: the pair is one sentence, and gets one row.
        is_empty = parsed.reason is Reason.EMPTY_TEXT
        yield (parsed.subject_id, ("", where(line))) if is_empty else drop(parsed)
    else:
        clip_id, text = parsed
        yield clip_id, (text, where(line))


def _keyed_groups(line: Line) -> Iterator[tuple[str, tuple[str, int, str]] | Dropped]:
    parsed = parse_group(line)
    if isinstance(parsed, Drop):
        yield drop(parsed)
        return
    for clip_id in parsed.clip_ids:
        yield clip_id, (parsed.group_id, len(parsed.clip_ids), parsed.where)


def match_clip(
    element: tuple[str, dict[str, Iterable[Any]]],
) -> Iterator[tuple[str, tuple[Sentence, GroupNames]] | Dropped]:
    """Clip, text and groups of one clip id, made one sentence. Whatever has no counterpart is a drop, and so is a second one."""
    clip_id, sides = element
    clips = sorted(c for c in sides["clips"] if isinstance(c, ClipText))
    lost = sorted(c for c in sides["clips"] if isinstance(c, Drop))
    texts: list[tuple[str, str]] = sorted(sides.get("texts", ()), key=lambda t: (not t[0], t))
    groups: list[tuple[str, int, str]] = sorted(sides.get("groups", ()))
    yield from map(drop, lost)
    for other in clips[1:]:
        detail = f"{other.where}: clip_id {clip_id!r} again; that of video {clips[0].video_id!r} is used"
        yield drop(_text_drop(other.video_id, clip_id, Reason.DUPLICATE_ID, detail))
    if not clips and not lost:
        for _, at in texts:
            yield drop(_text_drop("", clip_id, Reason.TEXT_WITHOUT_CLIP, f"{at}: no video record names this clip"))
    else:
        video_id = clips[0].video_id if clips else lost[0].video_id
        for _, at in texts[1:]:
            detail = f"{at}: text for clip_id {clip_id!r} again; that at {texts[0][1]} is used"
            yield drop(_text_drop(video_id, clip_id, Reason.DUPLICATE_ID, detail))
    for clip in clips[:1]:
        text, at = (clip.text, clip.where) if clip.text is not None else texts[0] if texts else (None, clip.where)
        if text:
            names = tuple(sorted({(group_id, size) for group_id, size, _ in groups}))
            yield clip.video_id, (Sentence(clip_id, clip.start_ms, clip.end_ms, text), names)
            return
        if text is None:
            yield drop(_without_text(clip.video_id, clip_id, f"{at}: no line of the text file names this clip"))
        else:
            yield drop(_text_drop(clip.video_id, clip_id, Reason.EMPTY_TEXT, f"{at}: nothing is left of the text"))
    for group_id, _, at in groups:
        detail = f"{at}: group {group_id} names clip {clip_id!r}, which has no usable sentence"
        yield drop(Drop("", Subject.RECORD, at, Stage.READ, Reason.GROUP_UNKNOWN_CLIP, detail))


def _text_drop(video_id: str, clip_id: str, reason: Reason, detail: str) -> Drop:
    return Drop(video_id, Subject.SENTENCE, clip_id, Stage.READ, reason, detail)


def _attach(element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[VideoText | Dropped]:
    video_id, sides = element
    sentences = tuple(sides["sentences"])
    for video in sides["video"]:
        if sentences:
            yield VideoText(video, sentences)
        else:
            yield drop(_no_text(video_id))
