"""Selections saved by name, in `selections.json` beside the decisions: docs/format.md.

A saved selection is a rule (the parameters of a list's address) or a fixed list of keys. Several servers may write the file.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from longtake.pipeline.browse.combine import is_name, names_in
from longtake.pipeline.browse.selection import PARAMETERS, read_selection
from longtake.schemas import storage
from longtake.schemas.amending import amend
from longtake.schemas.decision import MAX_CURATOR
from longtake.schemas.errors import ConfigError
from longtake.schemas.keys import is_sample_key

FILE = "selections.json"
FORMAT = 1
MAX_KEYS = 1_000_000
_FIELDS = {"query", "keys", "curator", "saved_at"}


@dataclass(frozen=True, slots=True)
class SavedSelection:
    """A selection with a name: `query` has the parameters of a list's address, or `keys` has its samples. Raises ConfigError."""

    name: str
    query: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] | None = None
    curator: str = ""
    saved_at: str = ""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ConfigError(
                f"name {self.name[:60]!r}: must be up to 60 letters, digits, _ and -, and not and, or, not"
            )
        if unknown := sorted(set(self.query) - set(PARAMETERS)):
            raise ConfigError(f"query: no parameter {unknown[0][:40]!r}")  # to ignore it would choose more samples
        if problems := read_selection(self.query).problems:
            raise ConfigError(f"query: {problems[0]}")
        if len(self.curator) > MAX_CURATOR:
            raise ConfigError(f"curator: more than {MAX_CURATOR} characters")
        if self.keys is not None:
            if self.query:
                raise ConfigError("has both a query and keys")
            if len(self.keys) > MAX_KEYS or not all(map(is_sample_key, self.keys)):
                raise ConfigError(f"keys: must be up to {MAX_KEYS:,} keys of samples")

    def as_json(self) -> dict[str, Any]:
        rule: dict[str, Any] = {"query": dict(self.query)} if self.keys is None else {"keys": list(self.keys)}
        return rule | {"curator": self.curator, "saved_at": self.saved_at}


class SavedSelections:
    """The file of saved selections at `path`. Safe for many threads; `now` is a clock."""

    def __init__(self, path: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path, self._now = path, now
        self._lock = threading.Lock()
        self._version, self._read = "", dict[str, SavedSelection]()

    def read(self) -> dict[str, SavedSelection]:
        """All selections by name, read again if the file changed. Raises OSError, and ConfigError for an invalid file."""
        try:
            version = "/".join(map(str, storage.size_and_tag(self.path)))
        except FileNotFoundError:
            version = ""
        with self._lock:
            if version != self._version:
                self._read = _parsed(self.path, storage.read_bytes(self.path)) if version else {}
                self._version = version
            return self._read

    @property
    def version(self) -> str:
        """Changes when the file does."""
        self.read()
        return self._version

    def save(
        self, name: str, query: Mapping[str, str], keys: tuple[str, ...] | None, curator: str, replace: bool
    ) -> None:
        """Save a selection.

        Args:
            name: its name.
            query: the parameters of a list's address; empty if `keys` are given.
            keys: the samples, to save them and not the rule.
            curator: who saves it.
            replace: whether it may take the place of a selection with this name.

        Raises ConfigError for values that cannot be saved, and OSError.
        """
        when = f"{self._now().astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        one = SavedSelection(name, dict(query) if keys is None else {}, keys, curator, when)

        def change(data: bytes) -> tuple[int, bytes]:
            found = _parsed(self.path, data)
            if name in found and not replace:
                raise ConfigError(f"a selection {name!r} exists already; choose another name")
            found[name] = one
            if name in _reached(found, name):
                raise ConfigError(f"the selection {name!r} would be made of itself")
            return 0, _written(found)

        amend(self.path, change)

    def delete(self, name: str) -> None:
        """Delete a selection. Raises ConfigError if there is none, or if another one is made of it, and OSError."""

        def change(data: bytes) -> tuple[int, bytes]:
            found = _parsed(self.path, data)
            if name not in found:
                raise ConfigError(f"there is no selection {name[:60]!r}")
            if users := [one for one in found if one != name and name in _named(found[one])]:
                raise ConfigError(f"the selection {users[0]!r} is made of {name!r}; delete that one first")
            del found[name]
            return 0, _written(found)

        amend(self.path, change)


def _named(one: SavedSelection) -> list[str]:
    expression = one.query.get("in", "")
    return names_in(expression) if expression else []


def _reached(found: Mapping[str, SavedSelection], name: str) -> set[str]:
    """The selections that `name` is made of, also by others."""
    reached, waiting = set[str](), _named(found[name])
    while waiting:
        other = waiting.pop()
        if other not in reached and other in found:
            reached.add(other)
            waiting += _named(found[other])
    return reached


def _written(found: Mapping[str, SavedSelection]) -> bytes:
    whole = {"format": FORMAT, "selections": {name: one.as_json() for name, one in sorted(found.items())}}
    return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode()


def _parsed(path: str, data: bytes) -> dict[str, SavedSelection]:
    if not data:
        return {}
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON: {error}. Mend the file, or move it away.") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or not isinstance(whole.get("selections"), dict):
        raise ConfigError(f"{path}: not a file of selections of format {FORMAT}. Move it away.")
    return {name: _of(path, name, values) for name, values in whole["selections"].items()}


def _of(path: str, name: str, values: Any) -> SavedSelection:
    where = f"{path}: selection {name[:60]!r}"
    if not isinstance(values, dict) or not set(values) <= _FIELDS:
        raise ConfigError(f"{where}: must be an object with {', '.join(sorted(_FIELDS))}")
    query, keys = values.get("query", {}), values.get("keys")
    texts = [values.get("curator", ""), values.get("saved_at", "")]
    is_query = isinstance(query, dict) and all(isinstance(one, str) for one in query.values())
    is_keys = keys is None or (isinstance(keys, list) and all(isinstance(one, str) for one in keys))
    if not is_query or not is_keys or not all(isinstance(one, str) for one in texts):
        raise ConfigError(f"{where}: query must hold texts, and keys be a list of texts")
    try:
        return SavedSelection(name, query, None if keys is None else tuple(keys), *texts)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
