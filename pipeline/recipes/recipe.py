"""A recipe: what a published data set is, the configuration to start from, and how its metadata become records."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.parse.lines import quoted

Record = dict[str, Any]
YOUTUBE = "https://www.youtube.com/watch?v="
_MAX_LITERAL = 4 << 20
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A published data set.

    Attributes:
        name: as in `source.recipe` and `longtake init --recipe`.
        title: the name that people know.
        files: which metadata files there are, and where they come from.
        licence: of the metadata, as far as their publisher says.
        missing: what the metadata do not hold.
        paper: the numbers that its paper gives; those before * are from memory.
        configuration: the sections of corpus.yaml after `name` and `output`, with comments.
        records: yields the records of one entry: the key and value of a JSON object, or "" and a row. Raises ValueError. None if
            the files hold records as Longtake reads them anyway.
        joined: makes one record of all those with one video id, if it takes several; they come in the order of their content.
        columns: the columns to read of a Parquet file; () for all.
        has_urls: whether its records have the URLs of the videos.
        nan_is_null: whether its JSON writes NaN for what is unknown.
        is_list: whether its JSON file is a list of rows, not an object by video id; the key of a row is its number, with zeros.
    """

    name: str
    title: str
    files: str
    licence: str
    missing: str
    paper: str
    configuration: str
    records: Callable[[str, Any], Iterator[Record]] | None = None
    joined: Callable[[list[Record]], Record] | None = None
    columns: tuple[str, ...] = ()
    has_urls: bool = True
    nan_is_null: bool = False
    is_list: bool = False


def field(row: Any, name: str) -> Any:
    """A field of a row that must be there. Raises ValueError."""
    value = row.get(name) if isinstance(row, dict) else None
    if value in (None, ""):
        raise ValueError(f"has no {name!r}")
    return value


def meta_of(row: Record, *names: str) -> Record:
    """The fields of a row to carry through to the samples, without those that are empty."""
    return {name: row[name] for name in names if row.get(name) not in (None, "", [])}


def sentences(starts_and_ends: Any, texts: Any) -> list[Record]:
    """Sentences from a list of [start, end] and one of texts. Raises ValueError if they do not fit."""
    if not isinstance(starts_and_ends, list) or not isinstance(texts, list) or len(starts_and_ends) != len(texts):
        raise ValueError("has not as many times as texts")
    spans = [span if isinstance(span, list | tuple) and len(span) == 2 else (None, None) for span in starts_and_ends]
    return [{"start": a, "end": b, "text": text} for (a, b), text in zip(spans, texts, strict=True)]


def whole(seconds: Any, text: Any) -> list[Record]:
    """The one sentence of a text about the whole of a video."""
    return [{"start": 0, "end": seconds, "text": text}]


def literal(text: Any) -> Any:
    """The value of a Python literal in a field of a CSV file, as pandas writes lists. Raises ValueError. Nothing is evaluated."""
    if not isinstance(text, str) or len(text) > _MAX_LITERAL:
        raise ValueError("is no list, or an absurdly long one")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"is no list: {quoted(text)}") from None


def iso_seconds(text: Any) -> float:
    """The seconds of a duration such as PT00H00M14S. Raises ValueError."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None or not any(found.groups()):
        raise ValueError(f"{quoted(text)} is no duration such as PT00H00M14S")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
