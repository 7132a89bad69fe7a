"""Find what corpora hold of a person, a channel or a phrase: in texts, speech, metadata, addresses and ids, of samples, plan and
ledger. Case, accents and white space do not matter."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from longtake.pipeline.corpus.withdrawn import read_withdrawn
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

_ROWS = 1024
_AROUND = 40  # characters of an excerpt beside the finding
_COLUMNS = ("key", "video_id", "url", "paragraph", "sentences", "meta")


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that names the subject. `table` is index, plan or ledger, `field` the column. `subject_id` is the key of a sample
    or the id of a ledger row. `excerpt` is the text around it."""

    table: str
    field: str
    video_id: str
    subject_id: str
    excerpt: str


def folded(text: str) -> str:
    """A text without case and accents, each run of white space as one space."""
    text = " ".join(text.split())
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))


def matcher(asked: str, in_words: bool = False) -> Callable[[str], str | None]:
    """A function that returns the excerpt around `asked` in a text, None if it is not in it. Without `in_words`, only whole words
    match. Raises ConfigError if there is nothing to search for."""
    wanted = folded(asked)
    if not wanted:
        raise ConfigError("search: give a name, a channel or a phrase to search for")
    sides = ("", "") if in_words else (r"(?<!\w)", r"(?!\w)")
    pattern = re.compile(f"{sides[0]}{re.escape(wanted)}{sides[1]}")

    def find(text: str) -> str | None:
        plain = folded(text)
        if wanted not in plain:  # quicker than the pattern
            return None
        found = pattern.search(plain)
        if found is None:
            return None
        return plain[max(0, found.start() - _AROUND) : found.end() + _AROUND]

    return find


def search_corpus(layout: Layout, find: Callable[[str], str | None]) -> Iterator[Finding]:
    """Yield what a corpus holds of a subject: samples first, then planned long clips without a sample, then ledger rows. Details
    of what was withdrawn are not read. Raises CorpusError if a table is damaged."""
    keys = set[str]()
    for table, folder in (("index", layout.index), ("plan", layout.plan)):
        for path in storage.list_files(folder, ".parquet"):
            for row in _rows(path, _COLUMNS):
                if table == "plan" and row["key"] in keys:
                    continue
                if table == "index":
                    keys.add(row["key"])
                for name, texts in _texts(row):
                    excerpt = next((found for text in texts if (found := find(text)) is not None), None)
                    if excerpt is not None:
                        yield Finding(table, name, row["video_id"], row["key"], excerpt)
    withdrawn = read_withdrawn(layout)
    for path in storage.list_files(layout.ledger, ".parquet"):
        for row in _rows(path, ("video_id", "subject", "subject_id", "stage", "reason", "detail")):
            drop = _drop(row, path)
            told = withdrawn.told(drop)
            for name in ("video_id", "subject_id", "detail"):
                excerpt = find(getattr(told, name) or "")
                if excerpt is not None:
                    yield Finding("ledger", name, told.video_id, told.subject_id, excerpt)
                    break


def _drop(row: dict[str, Any], path: str) -> Drop:
    try:
        kind, stage, reason = Subject(row["subject"]), Stage(row["stage"]), Reason(row["reason"])
    except ValueError as error:
        raise CorpusError(f"{path}: {error}. It was made by another version of longtake.") from None
    return Drop(row["video_id"], kind, row["subject_id"], stage, reason, row["detail"])


def _texts(row: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The texts of a row that may name a subject, by the name of the field."""
    yield "id", [row["video_id"] or "", row["key"] or ""]
    yield "url", [row["url"] or ""]
    yield "text", [row["paragraph"] or ""]
    yield "speech", [one["asr"] for one in row["sentences"] or () if one.get("asr")]
    yield "meta", list(_strings(row["meta"] or ""))


def _strings(meta: str) -> Iterator[str]:
    """All names and texts in the metadata of a record."""
    try:
        waiting = [json.loads(meta)] if meta else []
    except (ValueError, RecursionError):
        yield meta
        return
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif one is not None:
            yield str(one)


def _rows(path: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        with storage.open_table(path) as stream:
            file = pq.ParquetFile(stream)
            names = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(_ROWS, columns=names):
                for row in batch.to_pylist():
                    yield dict.fromkeys(columns) | row
    except storage.PARQUET_ERRORS as error:
        raise CorpusError(f"{path}: unreadable: {storage.damage(error)}. Check it with: longtake verify") from None
