"""Readers of annotation files in the published formats of the data sets.

activitynet       ActivityNet Captions, val_1.json: {id: {"duration", "timestamps", "sentences"}}; YouCook2 and others use it too
didemo            DiDeMo, test_data.json: [{"video", "description", "times", ...}], a row for each sentence
queryd            QuerYD, raw_captions_combined_filtered as JSON: {id: [[word, ...], ...]}
condensed-movies  descriptions.csv (videoid, description), its split in clips.csv and split.csv beside it; or the challenge's
                  test_challf0.csv (videoid, caption, split)
jsonl             {"clip_id", "text"} on each line, text a string or a list of sentences: the form of the released code

The paragraph of a video is its sentences in file order, as in published comparisons on these data sets.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longtake.model.retrieval.annotations import Annotation, AnnotationError, AnnotationProblem, Annotations
from longtake.schemas import storage
from longtake.schemas.annotations import activitynet_sentences, didemo_sentence, queryd_sentences, released_text
from longtake.schemas.pickles import is_pickle, refusal

_CSV_FIELD = 1 << 20  # most characters of one field


@dataclass(frozen=True)
class Format:
    """How a data set is read and compared."""

    read: Callable[[str, str | None], Annotations]  # path, split
    prefix: str = ""  # of ids; file names may lack it
    sentences: int | None = None  # most sentences of a paragraph; None: the model's number of clips
    splits: bool = False  # whether the format names splits


def read_annotations(path: str, name: str, split: str | None = None) -> Annotations:
    """Read the annotations in a file. Raises AnnotationError if the file, the format or the split cannot be used."""
    if name not in FORMATS:
        raise AnnotationError(f"no format {name!r}; use one of {', '.join(FORMATS)}")
    if split is not None and not FORMATS[name].splits:
        raise AnnotationError(f"{name} files hold one split each; name the file instead of split {split!r}")
    found = FORMATS[name].read(path, split)
    if not found.total:
        raise AnnotationError(f"{path}: holds no annotations")
    return found


def read_list(path: str) -> list[str]:
    """Read the ids in a text file, one per line. Data sets publish their splits so."""
    return [line.strip() for line in _text(path).splitlines() if line.strip()]


def _text(path: str) -> str:
    try:
        data = storage.read_bytes(path)
    except FileNotFoundError:
        raise AnnotationError(f"{path}: no such file") from None
    if is_pickle(path, data[:2]):
        raise AnnotationError(refusal(path, path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None


def _json(path: str, kind: type) -> tuple[Any, list[str]]:
    """Read a JSON file. Also return the names that its objects have twice. Raises AnnotationError unless it is a `kind`."""
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return dict(pairs)

    try:
        raw = json.loads(_text(path), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path}: not JSON: {error}") from None
    if not isinstance(raw, kind):
        expected = "an object by video id" if kind is dict else "a list of records"
        raise AnnotationError(f"{path}: holds {type(raw).__name__}, not {expected}: is --format right?")
    return raw, twice


def _activitynet(path: str, split: str | None) -> Annotations:
    raw, twice = _json(path, dict)
    found = Annotations(
        problems=[AnnotationProblem(name, "malformed", "the id comes twice; the last is taken") for name in twice]
    )
    _add_entries(found, raw, activitynet_sentences)
    return found


def _add_entries(found: Annotations, raw: dict[str, Any], sentences_of: Callable[[Any], list[Any]]) -> None:
    for video_id, entry in raw.items():
        try:
            found.add(video_id, sentences_of(entry))
        except ValueError as error:
            found.problems.append(AnnotationProblem(video_id, "malformed", str(error)))


def _didemo(path: str, split: str | None) -> Annotations:
    raw, _ = _json(path, list)
    found, paragraphs = Annotations(), dict[str, list[object]]()
    for number, record in enumerate(raw):
        try:
            video_id, sentence = didemo_sentence(record)
        except ValueError as error:
            found.problems.append(AnnotationProblem(f"record {number}", "malformed", str(error)))
        else:
            paragraphs.setdefault(video_id, []).append(sentence)
    for video_id, sentences in paragraphs.items():
        found.add(video_id, sentences)
    return found


def _queryd(path: str, split: str | None) -> Annotations:
    raw, twice = _json(path, dict)
    found = Annotations(
        problems=[AnnotationProblem(name, "malformed", "the id comes twice; the last is taken") for name in twice]
    )
    _add_entries(found, raw, queryd_sentences)
    return found


def _condensed_movies(path: str, split: str | None) -> Annotations:
    rows = _csv(path, {"videoid"})
    column = "description" if rows and "description" in rows[0] else "caption"
    if rows and column not in rows[0]:
        raise AnnotationError(f"{path}: no column called description or caption")
    if split is not None:
        rows = _of_split(path, rows, split)
    texts = Counter((row[column] or "").strip() for row in rows)
    found = Annotations()
    for row in rows:
        text = (row[column] or "").strip()
        # Like the data set's own loader (drop_duplicates, keep=False): a repeated text is an error of the channel.
        if text and texts[text] > 1:
            found.problems.append(
                AnnotationProblem(row["videoid"], "duplicate_text", f"{texts[text]} videos have this description")
            )
        else:
            found.add(row["videoid"], [text])
    return found


def _of_split(path: str, rows: list[dict[str, str]], split: str) -> list[dict[str, str]]:
    if rows and "split" in rows[0]:
        chosen = [row for row in rows if row["split"] == split]
        splits = {row["split"] for row in rows}
    else:
        folder = storage.parent(path)
        movies = {row["imdbid"]: row["split"] for row in _csv(storage.join(folder, "split.csv"), {"imdbid", "split"})}
        clips = _csv(storage.join(folder, "clips.csv"), {"videoid", "imdbid"})
        of_video = {row["videoid"]: movies.get(row["imdbid"]) for row in clips}
        chosen = [row for row in rows if of_video.get(row["videoid"]) == split]
        splits = set(movies.values())
    if not chosen:
        raise AnnotationError(f"{path} has no split {split!r}; it has {', '.join(sorted(splits))}")
    return chosen


def _csv(path: str, needed: set[str]) -> list[dict[str, str]]:
    csv.field_size_limit(_CSV_FIELD)
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), restval="")
    try:
        rows = list(reader)
    except csv.Error as error:
        raise AnnotationError(f"{path}: not CSV after line {reader.line_num}: {error}") from None
    missing = needed - set(reader.fieldnames or ())
    if missing:
        raise AnnotationError(f"{path}: no column called {' or '.join(sorted(missing))}: is --format right?")
    return rows


def _jsonl(path: str, split: str | None) -> Annotations:
    found = Annotations()
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            found.problems.append(AnnotationProblem(f"line {number}", "malformed", f"not JSON: {error}"))
            continue
        try:
            found.add(*released_text(record))
        except ValueError as error:
            found.problems.append(AnnotationProblem(f"line {number}", "malformed", str(error)))
    return found


FORMATS = {
    "activitynet": Format(_activitynet, prefix="v_"),
    "didemo": Format(_didemo),
    "queryd": Format(_queryd, prefix="video-"),
    "condensed-movies": Format(_condensed_movies, sentences=1, splits=True),
    "jsonl": Format(_jsonl),
}

__all__ = ["FORMATS", "Annotation", "Format", "read_annotations", "read_list"]
