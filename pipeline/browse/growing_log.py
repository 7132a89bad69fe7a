"""A file of decisions that grows while curators work: after an append, only what was appended is parsed."""

from collections.abc import Collection

from longtake.pipeline.browse.decision_table import About
from longtake.schemas.decision import WITHDRAWN, Decision, current
from longtake.schemas.decisions import log_bytes, parse_log
from longtake.schemas.errors import ConfigError


class GrowingLog:
    """The rows of a file, and the current decisions by subject, in any order of subjects. For one thread at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._data = b""  # what the rows were read from, if more can be appended to it
        self._rows: tuple[Decision, ...] = ()
        self._current: dict[About, list[Decision]] = {}
        self._of: dict[About, list[Decision]] = {}
        self._changes: set[str] = set()
        self.curators: frozenset[str] = frozenset()
        self.changed: Collection[About] | None = (
            None  # the subjects that the last `read` found changed; None: perhaps all
        )

    def rows_on(self, about: About) -> list[Decision]:
        """All rows on a subject, in the order of the file."""
        return list(self._of.get(about, ()))

    def has(self, change: str) -> bool:
        """Whether a row has this id of a change."""
        return change in self._changes

    def read(self) -> tuple[tuple[Decision, ...], dict[About, list[Decision]]]:
        """The rows and the current decisions as they are in the file now. Raises ConfigError and OSError."""
        data = log_bytes(self._path)
        added = self._added(data)
        if added is None:
            rows, ignored = parse_log(self._path, data)
            self._rows, self._current, self.changed = tuple(rows), {}, None
            self._of, self._changes, self.curators = {}, set(), frozenset()
        else:
            rows, ignored = added, 0
            self._rows = (*self._rows, *rows)
            self._current = dict(self._current)  # others still look at the old one
            self.changed = dict.fromkeys(one.about for one in rows)
        self._keep(rows)
        for about in self._of if self.changed is None else self.changed:
            if those := _current_on(about, self._of[about]):
                self._current[about] = those
            else:
                self._current.pop(about, None)
        self._data = b"" if ignored else data
        return self._rows, self._current

    def _keep(self, rows: list[Decision]) -> None:
        for one in rows:
            self._of.setdefault(one.about, []).append(one)
        self._changes.update(one.change for one in rows if one.change)
        self.curators |= {one.curator for one in rows if one.curator}

    def _added(self, data: bytes) -> list[Decision] | None:
        """The rows that were appended since the last time; None if that cannot be told from the end of the file."""
        before = self._data
        if not self._path.lower().endswith(".csv") or not before.endswith(b"\n") or not data.endswith(b"\n"):
            return None
        if not data.startswith(before):
            return None
        header = before[: before.index(b"\n") + 1]
        if b'"' in header or b"\r" in header.removesuffix(b"\n").removesuffix(b"\r"):
            return None  # it may end elsewhere
        try:
            rows, ignored = parse_log(self._path, header + data[len(before) :])
        except ConfigError:
            return None  # reading all of it names the line
        return None if ignored else rows


def _current_on(about: About, rows: list[Decision]) -> list[Decision]:
    """The current decisions on a subject; `current` sorts, which one row, as most subjects of a large corpus have, need not."""
    if len(rows) == 1:
        return rows[:] if rows[0].decision != WITHDRAWN else []
    return current(rows).get(about, [])
