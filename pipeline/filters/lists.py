"""Lists from the user: words and phrases to look for, ids and texts of evaluation sets. They are small and fit in memory."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError

_KINDS = ".txt, .jsonl, .json, .csv or .tsv"


def lists_of(config: CorpusConfig) -> list[str]:
    """The paths of all lists of a configuration, as written in it."""
    named = [config.filters.profanity] if config.filters.profanity else []
    return named + [listed.path for listed in config.duplicates.evaluation]


def read_list(path: str, field: str | None = None) -> list[str]:
    """Return the entries of a list. The ending of its name gives the format: one per line (.txt and others; lines that start with
    # are ignored), JSON lines, JSON, or a table (.csv, .tsv).

    `field` names the column or the field of each record. Without `field`, the keys of a JSON object are the entries. If a field
    holds a list, as "sentences" of ActivityNet Captions, each item is an entry. Raises ConfigError that names fault and place.
    """
    try:
        text = storage.read_bytes(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error}") from None
    try:
        entries = [entry.strip() for entry in _entries(path, text, field)]
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None
    found = [entry for entry in entries if entry]
    if not found:
        raise ConfigError(f"{path}: the list is empty. A list can be {_KINDS}.")
    return found


def _entries(path: str, text: str, field: str | None) -> Iterator[str]:
    if path.endswith((".csv", ".tsv")):
        yield from _table(text, field, "\t" if path.endswith(".tsv") else ",")
    elif path.endswith(".json"):
        yield from _json(json.loads(text), field)
    elif path.endswith(".jsonl"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    yield from _values(json.loads(line), field)
                except ValueError as error:
                    raise ValueError(f"line {number}: {error}") from None
    elif field is not None:
        raise ValueError(f"field {field!r} needs a list of records: .jsonl, .json, .csv or .tsv")
    else:
        yield from (line for line in text.splitlines() if not line.startswith("#"))


def _table(text: str, field: str | None, delimiter: str) -> Iterator[str]:
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    names = list(rows.fieldnames or ())
    if field is None or field not in names:
        raise ValueError(f"field must name one of its columns: {', '.join(names)}")
    for row in rows:
        yield row[field] or ""


def _json(value: Any, field: str | None) -> Iterator[str]:
    if isinstance(value, dict) and field is None:
        yield from value
    elif isinstance(value, dict):
        for record in value.values():
            yield from _values(record, field)
    elif isinstance(value, list):
        for record in value:
            yield from _values(record, field)
    else:
        raise ValueError("holds neither a list nor an object")


def _values(record: Any, field: str | None) -> Iterator[str]:
    value = record
    if isinstance(record, dict):
        if field is None:
            raise ValueError(f"field must name one of {', '.join(record)}")
        if field not in record:
            raise ValueError(f"a record has no {field!r}; it has {', '.join(record)}")
        value = record[field]
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, str):
            raise ValueError(f"{str(item)[:60]!r} is not a text")
        yield item
