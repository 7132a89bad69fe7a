"""The checks of the last audit, and the samples that each names as examples, from audit/audit.json."""

import json
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.browse.combine import SelectionError
from longtake.schemas import storage
from longtake.schemas.keys import is_sample_key
from longtake.schemas.layout import Layout

_MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class CheckExamples:
    """A check that names samples. `status` is "pass", "warn", "fail" or "skip"."""

    name: str
    title: str
    status: str
    keys: tuple[str, ...]


def read_checks(layout: Layout) -> list[CheckExamples]:
    """The checks of the last audit that name samples; none if there was no audit, or if its file cannot be read: the lists do
    not depend on it. Raises OSError."""
    try:
        found = json.loads(storage.read_bytes(layout.path("audit", "audit.json")))
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    rows = found.get("checks") if isinstance(found, dict) else None
    checks = [_of(row) for row in rows] if isinstance(rows, list) else []
    return [check for check in checks if check is not None and check.keys]


def examples_of(layout: Layout, name: str) -> tuple[str, ...]:
    """The keys that a check names. Raises SelectionError if the last audit has no such check, and OSError."""
    for check in read_checks(layout):
        if check.name == name:
            return check.keys
    raise SelectionError(f"the last audit names no samples for a check {name[:60]!r}; run longtake audit again")


def _of(row: Any) -> CheckExamples | None:
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("name", "title", "status")):
        return None
    keys = row.get("keys")
    there = [key for key in keys if isinstance(key, str) and is_sample_key(key)] if isinstance(keys, list) else []
    return CheckExamples(row["name"], row["title"][:_MAX_TITLE], row["status"], tuple(there))
