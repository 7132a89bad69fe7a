"""Annotation files of retrieval data sets: which paragraph describes which video. `annotation_formats` has the formats.

Every record that cannot be used comes back as an AnnotationProblem, with its reason.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeGuard

from longtake.schemas import storage

Reason = Literal[
    "malformed",  # not in the format of the data set
    "unsafe_id",  # the id could lead out of the folder of videos
    "no_text",
    "duplicate_text",  # Condensed Movies: the same description for several videos is an error of the channel
    "missing",  # no such video file
    "video",  # the file cannot be used; the detail begins with the reason code of docs/ledger.md
]
EXTENSIONS = (
    ".mp4",
    ".mkv",
    ".webm",
    ".mov",
    ".avi",
    ".m4v",
    ".mpg",
    ".mpeg",
    ".ts",
    ".ogv",
    ".flv",
    ".3gp",
    ".wmv",
    ".mxf",
)
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]|\.\.")


class AnnotationError(ValueError):
    """The whole file cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True)
class Annotation:
    """A description of a video. Several annotations may have the same video: each is a separate description."""

    video_id: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class AnnotationProblem:
    """A record that cannot be used."""

    id: str  # the video's, or the place in the file
    reason: Reason
    detail: str = ""


@dataclass
class Annotations:
    """The content of a file: `records` with usable text, and `problems`. `total` counts both."""

    records: list[Annotation] = field(default_factory=list)
    problems: list[AnnotationProblem] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Records of the file, usable or not."""
        return len(self.records) + len(self.problems)

    def add(self, video_id: object, sentences: Iterable[object]) -> None:
        """Add a record, or the problem with it. Blank sentences do not count."""
        texts = list(sentences)
        if not is_text(video_id) or not video_id:
            self.problems.append(
                AnnotationProblem(repr(video_id)[:100], "malformed", "the id of the video is not a text")
            )
        elif _UNSAFE.search(video_id) or video_id == ".":
            self.problems.append(
                AnnotationProblem(video_id, "unsafe_id", "an id may hold no separator, no .. and no control character")
            )
        elif not all(map(is_text, texts)):
            self.problems.append(AnnotationProblem(video_id, "malformed", "a sentence is not a text"))
        elif not (kept := tuple(text for text in texts if is_text(text) and text.strip())):
            self.problems.append(AnnotationProblem(video_id, "no_text"))
        else:
            self.records.append(Annotation(video_id, kept))

    def only(self, wanted: Sequence[str]) -> "Annotations":
        """Return the annotations of the `wanted` videos. A wanted video without an annotation is a problem."""
        names = set(wanted)
        known = {record.video_id for record in self.records} | {problem.id for problem in self.problems}
        missing = [
            AnnotationProblem(name, "no_text", "in the list, but not in the annotations")
            for name in wanted
            if name not in known
        ]
        records = [record for record in self.records if record.video_id in names]
        return Annotations(records, [problem for problem in self.problems if problem.id in names] + missing)


def is_text(value: object) -> TypeGuard[str]:
    """Return whether this is a string that UTF-8 can hold. JSON can hold half a character; no tokenizer takes it."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


class VideoFiles:
    """Finds the video file of an id, in a folder (or URI prefix) or by a template with {id}.

    In a folder it looks for the id, else for the id with an extension, else, if the id has an extension itself (DiDeMo), for
    the id with another extension. File names may lack `prefix`, such as v_ or video-.
    """

    def __init__(self, place: str, prefix: str = "") -> None:
        """List the folder. Raises AnnotationError if it has no files."""
        self.place, self.prefix = place, prefix
        self.names: Mapping[str, str] = {}
        if "{id}" not in place:
            found = storage.list_files(place)
            if not found:
                raise AnnotationError(
                    f"{place}: holds no files. Name a folder of videos, or a template as in 'videos/{{id}}.mp4'."
                )
            self.names = {posixpath.basename(path): path for path in found}

    def find(self, video_id: str) -> str | None:
        """Return the path of the video's file; None if there is none. The id must have passed `Annotations.add`."""
        if not self.names:
            path = self.place.replace("{id}", video_id)
            return path if storage.is_file(path) else None
        stem, extension = posixpath.splitext(video_id)
        bases = [video_id, stem] if extension.lower() in EXTENSIONS else [video_id]
        if self.prefix and video_id.startswith(self.prefix):
            bases += [base.removeprefix(self.prefix) for base in bases]
        candidates = [video_id, *(base + extension for base in bases for extension in ("", *EXTENSIONS))]
        return next((self.names[name] for name in candidates if name in self.names), None)
