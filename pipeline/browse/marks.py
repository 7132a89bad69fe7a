"""The decisions of curators, always as in the file: other curators and tools write to it too."""

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from longtake.pipeline.browse.store import Ids, Mask, Store
from longtake.schemas import storage
from longtake.schemas.decision import STRICTEST_FIRST, WITHDRAWN, Decision, current, steps
from longtake.schemas.decisions import append_decisions, read_decisions
from longtake.schemas.errors import ConfigError

LABELS = ("misaligned", "bad_text", "privacy", "not_video", "other")

About = tuple[str, str]  # "sample" or "video", and its id


@dataclass(frozen=True)
class DecisionTable:
    """The rows of a file at one time. `version` changes when the rows change."""

    version: str
    rows: tuple[Decision, ...]
    current: dict[About, list[Decision]]

    @property
    def curators(self) -> list[str]:
        return sorted({one.curator for one in self.rows if one.curator})

    def of(self, key: str, video_id: str) -> list[Decision]:
        """The current decisions on a sample and on its video."""
        return [*self.current.get(("sample", key), ()), *self.current.get(("video", video_id), ())]

    def own(self, key: str, video_id: str) -> dict[str, dict[str, tuple[str, str, str]]]:
        """The current decision, label and note of each curator, on a sample ("sample") and on its video ("video")."""
        both = {"sample": self.current.get(("sample", key), []), "video": self.current.get(("video", video_id), [])}
        return {subject: {one.curator: one.verdict for one in those} for subject, those in both.items()}

    def state(self, key: str, video_id: str) -> str:
        """The strictest decision on a sample or its video; "" if there is none."""
        found = {one.decision for one in self.of(key, video_id)}
        return next((name for name in STRICTEST_FIRST if name in found), "")


class Marks:
    """The file of decisions at `path`. Safe for many threads; `now` is a clock. Raises ConfigError for an unsuitable file
    name."""

    def __init__(self, path: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        if not path.lower().endswith((".csv", ".parquet")):
            raise ConfigError(f"{path}: a file of decisions must end in .csv or .parquet")
        self.path, self._now = path, now
        self._lock, self._undoing = threading.Lock(), threading.Lock()
        self._decided = DecisionTable("", (), {})

    def read(self) -> DecisionTable:
        """The contents of the file, read again if it changed. Raises OSError, and ConfigError if it is not a file of
        decisions."""
        try:
            version = "/".join(map(str, storage.size_and_tag(self.path)))
        except FileNotFoundError:
            version = ""
        with self._lock:
            if version != self._decided.version:
                rows = tuple(read_decisions(self.path)) if version else ()
                self._decided = DecisionTable(version, rows, current(rows))
            return self._decided

    def add(self, subject: str, subject_id: str, decision: str, label: str, note: str, curator: str) -> None:
        """Append a decision. Raises OSError, and ConfigError if it is not a valid decision."""
        self.append([Decision(subject, subject_id, decision, label, note, curator, self.now())])

    def now(self) -> str:
        """The time of a decision that is made now."""
        return self._now().isoformat(timespec="seconds")

    def append(self, decisions: Sequence[Decision]) -> None:
        """Append decisions in one write. Raises OSError, and ConfigError if the file holds something else."""
        append_decisions(self.path, decisions)

    def undo_with(self, find: Callable[[DecisionTable], Sequence[Decision]]) -> int:
        """Append what `find` makes of the current rows; no other undo comes between. Return the number of rows."""
        with self._undoing:
            found = find(self.read())
            self.append(found)
        return len(found)

    def undo(self, subject: str, subject_id: str, curator: str) -> None:
        """Take back the last step of a curator on a subject, by appending the decision before it. Do nothing if there is no
        step. Raises ConfigError and OSError."""
        with self._undoing:
            done = steps(self.read().rows, (subject, subject_id), curator)
            if done:
                before = done[-2].verdict if len(done) > 1 else (WITHDRAWN, "", "")
                self.add(subject, subject_id, *before, curator)

    def rows_in(self, store: Store, state: str, curator: str) -> Mask:
        """The samples in a state: "undecided", "any" (decided), "conflict", or a decision. If `curator` is given, only that
        curator's decisions count."""
        decided = self.read()
        name = "any" if state == "undecided" else state
        if curator and curator not in decided.curators:
            found = np.zeros(store.rows, bool)
        else:
            find = functools.partial(_rows_in, store, decided, name, curator)
            found = store.remembered(f"decided {decided.version} {name} {curator}", find)
        return ~found if state == "undecided" else found


def _rows_in(store: Store, decided: DecisionTable, state: str, curator: str) -> Ids:
    verdicts: dict[About, set[str]] = {}
    for about, those in decided.current.items():
        own = {one.decision for one in those if not curator or one.curator == curator}
        if own:
            verdicts[about] = own
    if state == "any":
        return _rows(store, verdicts)
    if state == "conflict":
        return _rows(store, [about for about, own in verdicts.items() if len(own) > 1])
    found = _rows(store, [about for about, own in verdicts.items() if state in own])
    stricter = STRICTEST_FIRST[: STRICTEST_FIRST.index(state)]  # a sample may be ok, and its video not
    others = _rows(store, [about for about, own in verdicts.items() if own.intersection(stricter)])
    return np.setdiff1d(found, others)


def _rows(store: Store, subjects: Iterable[About]) -> Ids:
    """The rows of the given samples, and of all samples of the given videos."""
    subjects = list(subjects)
    found = {row for kind, one in subjects if kind == "sample" and (row := store.row_of(one)) is not None}
    if videos := [one for kind, one in subjects if kind == "video"]:
        store.cursor.register("marked", pa.table({"video_id": pa.array(videos, pa.string())}))
        query = "SELECT row_id FROM samples WHERE video_id IN (FROM marked)"
        found.update(row for (row,) in store.cursor.execute(query).fetchall())
        store.cursor.unregister("marked")
    return np.array(sorted(found), dtype=np.int32)
