"""Long clips for tests of filters and duplicates: made of given sentences, or of the cues of real subtitle files."""

from collections.abc import Sequence
from pathlib import Path

import webvtt

from longtake.pipeline.merge.merge import long_clip
from longtake.schemas.records import LongClip, Sentence, SourceVideo


def clip_of(*texts: str, video_id: str = "v", url: str = "", ms: int = 2000, gap: int = 0, start: int = 0) -> LongClip:
    """A long clip of sentences of `ms` each, `gap` ms apart."""
    sentences = tuple(
        Sentence(f"{video_id}.{n}", start + n * (ms + gap), start + n * (ms + gap) + ms, text)
        for n, text in enumerate(texts)
    )
    return long_clip(SourceVideo(video_id, f"{video_id}.mp4", url), sentences, 2)


def cues(path: Path) -> list[Sentence]:
    """The cues of a WebVTT file, read by webvtt-py."""
    found = []
    for number, cue in enumerate(webvtt.read(path), 1):
        start, end = (round(1000 * seconds) for seconds in (cue.start_in_seconds, cue.end_in_seconds))
        start, end = start + cue.start_time.milliseconds, end + cue.end_time.milliseconds
        text = " ".join(cue.text.split())
        if text and (not found or start >= found[-1].end_ms) and end > start:
            found.append(Sentence(f"{path.stem}.{number}", start, end, text))
    return found


def clips_of_file(path: Path, size: int = 6) -> list[LongClip]:
    """Long clips of `size` cues each, of a real subtitle file."""
    video, found = SourceVideo(path.name.partition(".")[0], "v.mp4"), cues(path)
    return [long_clip(video, tuple(found[at : at + size]), 2) for at in range(0, len(found) - size + 1, size)]


def texts_of(clips: Sequence[LongClip]) -> list[str]:
    """Their paragraphs."""
    return [clip.paragraph for clip in clips]
