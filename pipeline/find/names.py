"""What the name of a file says: whether it is a video or a transcript, in which language, and which of several to prefer.

The orders of preference are those of docs/sources.md; a test compares the two.
"""

import re
from collections.abc import Iterable, Sequence

from longtake.pipeline.parse.manifest import TranscriptFile

#: Suffixes of videos. Of several files of one video, the one whose suffix comes first is used.
VIDEOS = (
    "mp4", "mkv", "webm", "mov", "m4v", "avi", "mpg", "mpeg", "ts", "mts", "m2ts", "ogv", "flv", "wmv", "3gp", "mxf",
)  # fmt: skip
#: Suffixes of transcripts, those first that may have times of words. Of several in one language, the first with a cue is used.
TRANSCRIPTS = (
    "json", "json3", "srv3", "srv2", "srv1", "ttml", "dfxp", "vtt", "srt", "ass", "ssa", "smi", "sami", "sbv", "csv", "tsv",
)  # fmt: skip
#: Suffixes that other files have as well: such a file beside no video is no transcript that lacks its video.
MANY_KINDS = ("json", "csv", "tsv")

_SHOWN = 5
_SOUND = ("wav", "mp3", "m4a", "opus", "ogg", "flac", "aac")
_PARTIAL, _JOINING = re.compile(r"\.(?:part(?:-Frag\d+)?|ytdl)$"), re.compile(r"\.temp(\.[^.]+)$")  # of yt-dlp
_STREAM = re.compile(r"\.f\d{3,}(?:-\d+)?$")  # one stream of a video, as yt-dlp leaves it if it cannot join them
_NO_TRANSCRIPT = re.compile(r"\.(?:info|live_chat|comments)\.json$")  # of yt-dlp
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


def listed(paths: Sequence[str]) -> str:
    """Some of several paths, for a detail."""
    shown = ", ".join(paths[:_SHOWN])
    return shown if len(paths) <= _SHOWN else f"{shown} and {len(paths) - _SHOWN} more"


def suffix_of(name: str) -> str:
    """The suffix of a name in lower case, without its dot."""
    return name.rpartition(".")[2].lower()


def is_video(name: str) -> bool:
    """Whether a name is that of a video that is complete."""
    return suffix_of(name) in VIDEOS and not is_unfinished(name)


def is_transcript(name: str) -> bool:
    """Whether a name may be that of a transcript."""
    return suffix_of(name) in TRANSCRIPTS and _NO_TRANSCRIPT.search(name) is None


def is_unfinished(name: str) -> bool:
    """Whether a name is that of a download under way, or broken off."""
    return _PARTIAL.search(name) is not None or _JOINING.search(name) is not None


def stem_of(name: str) -> str:
    """The name of a video without its suffix, and without what yt-dlp adds to a stream or an unfinished download."""
    name = _JOINING.sub(r"\1", _PARTIAL.sub("", name))
    return _STREAM.sub("", name.rpartition(".")[0])


def language_in(middle: str) -> str:
    """The language that the part of a name between stem and suffix tells, as in `transcript.en-US`; "" if it tells none."""
    found = (part for part in reversed(middle.split(".")) if _LANGUAGE.fullmatch(part))
    return next((part for part in found if part not in (*VIDEOS, *_SOUND)), "")


def best_video(names: Iterable[str]) -> list[str]:
    """The files of one video, the one to use first: whole files, then by suffix, then by name."""
    return sorted(names, key=lambda name: (_is_stream(name), _place(name, VIDEOS), name))


def _is_stream(name: str) -> bool:
    return _STREAM.search(name.rpartition(".")[0]) is not None


def in_order(transcripts: Sequence[TranscriptFile], languages: Sequence[str]) -> list[TranscriptFile]:
    """The transcripts of one video, the one to use first: by the `languages` asked for, by rank, by language, by suffix."""
    return sorted(
        transcripts, key=lambda one: (*choice(one, languages), one.language, _place(one.path, TRANSCRIPTS), one.path)
    )


def choice(one: TranscriptFile, languages: Sequence[str]) -> tuple[int, int]:
    """What the configuration says of a transcript: the place of its language among those asked for, and its rank. Less is
    better; those that no language names come after those named, before those of other languages."""
    if not languages:
        return 0, one.rank
    spoken = [place for place, asked in enumerate(languages) if re.split("[-_]", one.language)[0] == asked]
    return (spoken[0] if spoken else len(languages) + bool(one.language)), one.rank


def _place(path: str, suffixes: tuple[str, ...]) -> int:
    suffix = suffix_of(path)
    return suffixes.index(suffix) if suffix in suffixes else len(suffixes)
