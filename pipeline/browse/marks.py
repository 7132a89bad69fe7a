"""The decisions of curators, always as in the file: other curators and tools write to it too.

Verdicts are blind: a curator sees those of others on a subject only after a verdict of their own on it (`seen_by`).
"""

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from longtake.pipeline.browse.growing_log import GrowingLog
from longtake.pipeline.browse.store import Ids, Mask, Store
from longtake.schemas import storage
from longtake.schemas.decision import ADJUDICATION, STRICTEST_FIRST, WITHDRAWN, Decision, standing, steps
from longtake.schemas.decisions import append_decision, append_decisions
from longtake.schemas.errors import ConfigError

_KEPT_VIEWS = 32
_LAG = timedelta(minutes=10)  # longer than a server that is busy keeps a page waiting
LABELS = ("misaligned", "bad_text", "privacy", "not_video", "other")

About = tuple[str, str]  # "sample" or "video", and its id


@dataclass(frozen=True)
class DecisionTable:
    """The rows of a file at one time. `version` changes when the rows change."""

    version: str
    rows: tuple[Decision, ...]
    current: dict[About, list[Decision]]

    @functools.cached_property
    def disputed(self) -> dict[About, list[Decision]]:
        """The current decisions on each subject whose verdicts differ, whether or not an adjudication settled that."""
        return {about: those for about, those in self.current.items() if is_disputed(those)}

    @property
    def curators(self) -> list[str]:
        return sorted({one.curator for one in self.rows if one.curator})

    def of(self, key: str, video_id: str) -> list[Decision]:
        """The current decisions on a sample and on its video."""
        return [*self.current.get(("sample", key), ()), *self.current.get(("video", video_id), ())]

    def own(self, key: str, video_id: str, basis: str = "") -> dict[str, dict[str, tuple[str, str, str]]]:
        """The current decision, label and note of each curator, on a sample ("sample") and on its video ("video")."""
        both = {"sample": self.current.get(("sample", key), []), "video": self.current.get(("video", video_id), [])}
        return {
            subject: {one.curator: one.verdict for one in those if one.basis == basis}
            for subject, those in both.items()
        }

    def state(self, key: str, video_id: str) -> str:
        """The strictest decision that counts on a sample or its video; "" if there is none."""
        both = (self.current.get(("sample", key), []), self.current.get(("video", video_id), []))
        found = {one.decision for those in both for one in standing(those)}
        return next((name for name in STRICTEST_FIRST if name in found), "")

    def is_decided(self, key: str, video_id: str) -> bool:
        """Whether anybody decided on a sample or its video."""
        return ("sample", key) in self.current or ("video", video_id) in self.current

    def seen_by(self, curator: str, adjudicates: bool = False) -> "DecisionTable":
        """What a curator may see: own decisions, and the others' on subjects with an own verdict. Who adjudicates also sees all
        verdicts on subjects in conflict, and on those that were adjudicated."""
        seen = {about for about, those in self.current.items() if any(_is_verdict_of(one, curator) for one in those)}
        if adjudicates:
            seen |= self.disputed.keys()
        rows = tuple(one for one in self.rows if one.curator == curator or one.about in seen)
        shown = {
            about: own
            for about, those in self.current.items()
            if (own := those if about in seen else [one for one in those if one.curator == curator])
        }
        return DecisionTable(f"{self.version} as {adjudicates} {curator}", rows, shown)


def is_disputed(decisions: Iterable[Decision]) -> bool:
    """Whether the verdicts on a subject differ, whether or not an adjudication settled that."""
    decisions = list(decisions)
    verdicts = {one.decision for one in decisions if not one.basis}
    return len(verdicts) > 1 or any(one.basis == ADJUDICATION for one in decisions)


def _is_verdict_of(decision: Decision, curator: str) -> bool:
    return decision.curator == curator and not decision.basis


class Marks:
    """The file of decisions at `path`. Safe for many threads; `now` is a clock. Raises ConfigError for an unsuitable file
    name."""

    def __init__(self, path: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        if not path.lower().endswith((".csv", ".parquet")):
            raise ConfigError(f"{path}: a file of decisions must end in .csv or .parquet")
        self.path, self._now = path, now
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._log = GrowingLog(path)
        self._decided = DecisionTable("", (), {})
        self._views: dict[tuple[str, bool], DecisionTable] = {}

    def read(self) -> DecisionTable:
        """The contents of the file, read again if it changed. Raises OSError, and ConfigError if it is not a file of
        decisions."""
        try:
            version = "/".join(map(str, storage.size_and_tag(self.path)))
        except FileNotFoundError:
            version = ""
        with self._lock:
            if version != self._decided.version:
                self._decided = DecisionTable(version, *(self._log.read() if version else ((), {})))
                self._views.clear()
            return self._decided

    def seen_by(self, curator: str, adjudicates: bool = False) -> DecisionTable:
        """What a curator may see of the file: DecisionTable.seen_by."""
        whole, wanted = self.read(), (curator, adjudicates)
        with self._lock:
            found = self._views.get(wanted)
        if found is not None and found.version.startswith(f"{whole.version} as "):
            return found
        found = whole.seen_by(curator, adjudicates)
        with self._lock:
            if len(self._views) >= _KEPT_VIEWS:
                self._views.clear()
            self._views[wanted] = found
        return found

    def now(self) -> str:
        """The time of a decision that is made now."""
        return self._now().isoformat(timespec="seconds")

    def append(self, decisions: Sequence[Decision]) -> None:
        """Append decisions in one write. Raises OSError, and ConfigError if the file holds something else."""
        with self._writing:
            append_decisions(self.path, decisions)

    def undo_with(self, find: Callable[[DecisionTable], Sequence[Decision]]) -> int:
        """Append what `find` makes of the current rows; no other change comes between. Return the number of rows."""
        with self._writing:
            found = find(self.read())
            append_decisions(self.path, found)
        return len(found)

    def add(
        self,
        subject: str,
        subject_id: str,
        decision: str,
        label: str,
        note: str,
        curator: str,
        basis: str = "",
        change: str = "",
        age_s: float = 0,
    ) -> None:
        """Append a decision. A `change` in the file already is not written again: a page that gets no answer sends it again.

        Args:
            subject, subject_id, decision, label, note, curator, basis: see schemas.decision.Decision.
            change: the id that the page gave the change, or "".
            age_s: the seconds since the decision was made; above 0 if it had to wait for the network. One that would come up
                to ten minutes before the curator's last decision on the subject gets that one's time, and so follows it.

        Raises:
            OSError: the file cannot be written.
            ConfigError: not a valid decision.
        """
        made = Decision(subject, subject_id, decision, label, note, curator, basis=basis, change=change)
        with self._writing:
            self._add(made, age_s)

    def _add(self, made: Decision, age_s: float) -> None:
        if not made.change or all(one.change != made.change for one in self.read().rows):
            append_decision(self.path, replace(made, decided_at=self._when(made, age_s)))

    def _when(self, decided: Decision, age_s: float) -> str:
        """The time of a decision. A page sends one after the other, and a server that was slow wrote the one before late: that
        must not put it after this one. What another browser kept for long is older all the same."""
        made = self._now() - timedelta(seconds=age_s)
        of = (decided.about, decided.curator, decided.basis)
        own = [one.decided_at for one in self.read().rows if (one.about, one.curator, one.basis) == of]
        if last := max(own, default=""):
            before = datetime.fromisoformat(last)
            made = before if timedelta(0) < before - made <= _LAG else made
        return made.isoformat(timespec="seconds")

    def undo(
        self, subject: str, subject_id: str, curator: str, basis: str = "", change: str = "", age_s: float = 0
    ) -> None:
        """Take back the last step of a curator on a subject, by appending the decision before it. Do nothing if there is no
        step. Arguments and errors are those of `add`."""
        with self._writing:
            done = steps(self.read().rows, (subject, subject_id), curator, basis)
            if done:
                before = done[-2].verdict if len(done) > 1 else (WITHDRAWN, "", "")
                self._add(Decision(subject, subject_id, *before, curator, basis=basis, change=change), age_s)

    def rows_in(self, store: Store, state: str, curator: str, seen: DecisionTable | None = None) -> Mask:
        """The samples in a state: "undecided", "any" (decided), "conflict", or a decision. If `curator` is given, only that
        curator's decisions count. `seen` has the verdicts that may show; that somebody decided shows always."""
        decided = self.read() if seen is None or (state in ("any", "undecided") and not curator) else seen
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
        those = [one for one in those if _is_verdict_of(one, curator)] if curator else standing(those)
        own = {one.decision for one in those}
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
