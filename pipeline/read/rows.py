"""What becomes of each row that is read: of the records of one video, of the captions of one video, of the parts of one clip.

The functions take all rows with one id, whatever brought them together: the plan graph (by_video.py, by_clip.py) or
`longtake explain`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.merge.coherence import Embeddings
from longtake.pipeline.merge.groups import lost_groups
from longtake.pipeline.parse.caption_file import CaptionEntry
from longtake.pipeline.parse.lines import Line, where
from longtake.pipeline.parse.manifest import ParsedVideo, parse_video
from longtake.pipeline.parse.texts import parse_group, parse_text
from longtake.pipeline.parse.transcripts.columns import parse_columns_file
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.text.video_text import OwnText, TextTrace, finish_sentences, finish_transcript, read_own_text
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
    """A video with its sentences, the groups that name each sentence, and the number of removals of each cleaning step.

    If asked for, it also has the starts of its chapters, and `embeddings`: row i belongs to sentence i. If the model failed,
    `embeddings` is None and `not_embedded` says why.
    """

    video: SourceVideo
    sentences: tuple[tuple[Sentence, GroupNames], ...]
    removals: tuple[tuple[str, int], ...] = ()
    chapters_ms: tuple[int, ...] = ()
    embeddings: Embeddings | None = field(default=None, compare=False)
    not_embedded: str = ""


def drop(row: Drop) -> Dropped:
    """Tag a ledger row for the ledger."""
    return TaggedOutput(DROPS, row)


def keyed_video(
    line: Line, template: str | None, own_text: bool, own_transcripts: bool = False
) -> tuple[str, ParsedVideo | Drop]:
    """The video of a manifest line, or a Drop for the line, by video id."""
    parsed = parse_video(line, template, own_text, own_transcripts)
    return (parsed.subject_id if isinstance(parsed, Drop) else parsed.video.video_id), parsed


def choose_record(element: tuple[str, Iterable[ParsedVideo | Drop]]) -> Iterator[ParsedVideo | Dropped]:
    """Yield the record whose content sorts first among records with one id: the order of the lines must not matter.

    The steps that read its text yield the rows for its sentences, because text for a sentence may be in another file.
    """
    video_id, parsed = element
    records: list[ParsedVideo] = []
    for outcome in parsed:
        if isinstance(outcome, Drop):
            yield drop(outcome)
        else:
            records.append(outcome)
    if len(records) > 1:
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


def video_text(
    record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None = None
) -> Iterator[VideoText | Dropped]:
    """Yield the video of a record with its own text."""
    yield from map(drop, _sentence_drops(record))
    if record.usable:
        yield from _with_text(record.video, read_own_text(record, config, trace))


def _with_text(video: SourceVideo, text: OwnText) -> Iterator[VideoText | Dropped]:
    yield from map(drop, text.drops)
    if text.sentences:
        yield VideoText(video, tuple((s, ()) for s in text.sentences), tuple(sorted(text.removals.items())))
    elif not any(d.subject is Subject.VIDEO for d in text.drops):
        yield drop(_no_text(video.video_id))


def _no_text(video_id: str) -> Drop:
    PROGRESS.expect("planning", -1)
    return Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.NO_TEXT, "no usable sentence")


def _without_text(video_id: str, clip_id: str, detail: str) -> Drop:
    return Drop(video_id, Subject.SENTENCE, clip_id, Stage.READ, Reason.CLIP_WITHOUT_TEXT, detail)


# -- one file with the captions of all videos --------------------------------------------------------------------------


def attach_captions(
    element: tuple[str, dict[str, Iterable[Any]]], config: CorpusConfig, trace: TextTrace | None = None
) -> Iterator[VideoText | Dropped]:
    """Join the record of a video with its entry. Of several entries, the one with the text that sorts first is used."""
    video_id, sides = element
    entries: list[CaptionEntry] = sorted(sides["entries"])
    records: list[ParsedVideo] = list(sides["records"])
    for other in entries[1:]:
        detail = f"{other.where}: captions of video {video_id!r} again; those at {entries[0].where} are used"
        yield drop(Drop(video_id, Subject.RECORD, other.where, Stage.READ, Reason.DUPLICATE_ID, detail))
    if not records and entries:
        at = entries[0].where
        detail = f"{at}: no record names video {video_id!r}"
        yield drop(Drop("", Subject.RECORD, at, Stage.READ, Reason.TRANSCRIPT_WITHOUT_VIDEO, detail))
    for record in records:
        yield from map(drop, _sentence_drops(record))
        if not record.usable:
            continue
        if entries:
            transcript = parse_columns_file(entries[0].data, video_id, entries[0].where)
            yield from _with_text(record.video, finish_transcript(transcript, video_id, config, trace))
        else:
            yield drop(_no_text(video_id))


# -- text and groups that are joined by clip id ------------------------------------------------------------------------


@compact
@dataclass(frozen=True, slots=True, order=True)
class ClipText:
    """A clip of a video; `text` is None if the text file has it."""

    video_id: str
    start_ms: int
    end_ms: int
    where: str
    text: str | None


def keyed_clips(
    record: ParsedVideo, config: CorpusConfig, trace: TextTrace | None = None
) -> Iterator[tuple[str, ClipText | Drop] | Dropped | KeyedVideo]:
    """Yield the clips of a record by id, unusable clips as drops, and the video itself as another output."""
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
    text = read_own_text(record, config, trace)
    if any(d.reason is Reason.TRANSCRIPT_UNREADABLE for d in text.drops):
        yield from map(drop, text.drops)
        return
    yield named
    # A video without text gets its row when the sentences are attached.
    yield from (drop(d) for d in text.drops if d.reason is not Reason.NO_TEXT)
    for s in text.sentences:
        yield s.clip_id, ClipText(video_id, s.start_ms, s.end_ms, record.where, s.text)


def keyed_text(line: Line) -> Iterator[tuple[str, tuple[str, str]] | Dropped]:
    """Yield the text of a line of the text file and its place, by clip id."""
    parsed = parse_text(line)
    if isinstance(parsed, Drop):
        # An empty text still belongs to its clip: the pair is one sentence, and gets one row.
        is_empty = parsed.reason is Reason.EMPTY_TEXT
        yield (parsed.subject_id, ("", where(line))) if is_empty else drop(parsed)
    else:
        clip_id, text = parsed
        yield clip_id, (text, where(line))


def keyed_groups(line: Line) -> Iterator[tuple[str, tuple[str, int, str]] | Dropped]:
    """Yield the group of a line, by each of its clip ids: group id, size and place."""
    parsed = parse_group(line)
    if isinstance(parsed, Drop):
        yield drop(parsed)
        return
    for clip_id in parsed.clip_ids:
        yield clip_id, (parsed.group_id, len(parsed.clip_ids), parsed.where)


def match_clip(
    element: tuple[str, dict[str, Iterable[Any]]],
) -> Iterator[tuple[str, tuple[Sentence, GroupNames]] | Dropped]:
    """Join clip, text and groups of one clip id into a sentence. A part without counterpart is dropped, and so is a duplicate."""
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
        yield drop(Drop("", Subject.RECORD, group_id, Stage.READ, Reason.GROUP_UNKNOWN_CLIP, detail))


def _text_drop(video_id: str, clip_id: str, reason: Reason, detail: str) -> Drop:
    return Drop(video_id, Subject.SENTENCE, clip_id, Stage.READ, reason, detail)


def attach_sentences(
    element: tuple[str, dict[str, Iterable[Any]]], config: CorpusConfig, trace: TextTrace | None = None
) -> Iterator[VideoText | Dropped]:
    """Join a video with its matched sentences."""
    video_id, sides = element
    sentences = tuple(sides["sentences"])
    for video in sides["video"]:
        if sentences and config.source.text.format == "hdvila" and (config.cleans_text or config.splits_sentences):
            in_order = sorted(sentences, key=lambda s: (s[0].start_ms, s[0].end_ms, s[0].clip_id))
            text = finish_sentences([s for s, _ in in_order], video_id, config, trace)
            names = {s.clip_id: groups for s, groups in sentences}
            yield from map(drop, text.drops)
            kept = tuple((s, names.get(s.clip_id, ())) for s in text.sentences)
            yield from map(drop, lost_groups(video_id, sentences, kept, "cleaning left nothing of its clips"))
            if kept:
                yield VideoText(video, kept, tuple(sorted(text.removals.items())))
            else:
                yield drop(_no_text(video_id))
        elif sentences:
            yield VideoText(video, sentences)
        else:
            yield drop(_no_text(video_id))
