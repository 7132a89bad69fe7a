"""The decisions of curators, always as in the file: other curators and tools write to it too."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from longtake.pipeline.browse.decision_table import About, Changes, DecisionTable, Following, mend_disputed
from longtake.pipeline.browse.growing_log import GrowingLog
from longtake.pipeline.browse.row_states import RowStates, mended, row_states
from longtake.pipeline.browse.store import Mask, Store
from longtake.schemas import storage
from longtake.schemas.decision import WITHDRAWN, Decision, steps
from longtake.schemas.decisions import append_decision, append_decisions
from longtake.schemas.errors import ConfigError

_KEPT_VIEWS = 32
_LAG = timedelta(minutes=10)  # longer than a server that is busy keeps a page waiting
LABELS = ("misaligned", "bad_text", "privacy", "not_video", "other")


class Marks:
    """The file of decisions at `path`. Safe for many threads; `now` is a clock. Raises ConfigError for an unsuitable file
    name."""

    def __init__(self, path: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        if not path.lower().endswith((".csv", ".parquet")):
            raise ConfigError(f"{path}: a file of decisions must end in .csv or .parquet")
        self.path, self._now = path, now
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._log = GrowingLog(path)
        self._decided, self._changes = DecisionTable("", (), {}), Changes()
        self._views = Following[DecisionTable](_KEPT_VIEWS)
        self._states = Following[RowStates](_KEPT_VIEWS)
        self._disputed = Following[dict[About, list[Decision]]](1)

    def read(self) -> DecisionTable:
        """The contents of the file, read again if it changed. Raises OSError, and ConfigError if it is not a file of
        decisions."""
        try:
            version = "/".join(map(str, storage.size_and_tag(self.path)))
        except FileNotFoundError:
            version = ""
        with self._lock:
            if version != self._decided.version:
                self._decided = self._next(version)
            return self._decided

    def _next(self, version: str) -> DecisionTable:
        if version:
            found = self._log.read()
        else:
            self._log = GrowingLog(self.path)
            found = (), {}
        turn = self._decided.turn + 1
        self._changes.add(turn, self._log.changed)
        return DecisionTable(version, *found, turn)

    def _between(self, before: int, now: int) -> set[About] | None:
        with self._lock:
            return self._changes.between(before, now)

    def curators(self) -> list[str]:
        """Everybody who decided something."""
        self.read()
        with self._lock:
            return sorted(self._log.curators)

    def disputed(self) -> dict[About, list[Decision]]:
        """The current decisions on each subject whose verdicts differ, whether or not an adjudication settled that."""
        whole = self.read()
        return self._disputed.get(
            "",
            whole.turn,
            self._between,
            lambda: mend_disputed({}, whole.current, whole.current),
            lambda before, changed: mend_disputed(before, whole.current, changed),
        )

    def seen_by(self, curator: str, adjudicates: bool = False) -> DecisionTable:
        """What a curator may see of the file: DecisionTable.seen_by."""
        whole = self.read()
        return self._views.get(
            (curator, adjudicates),
            whole.turn,
            self._between,
            lambda: whole.seen_by(curator, adjudicates),
            lambda before, changed: whole.mended(before, curator, adjudicates, changed),
        )

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
        self.read()
        with self._lock:
            is_there = bool(made.change) and self._log.has(made.change)
        if not is_there:
            append_decision(self.path, replace(made, decided_at=self._when(made, age_s)))

    def _when(self, decided: Decision, age_s: float) -> str:
        """The time of a decision. A page sends one after the other, and a server that was slow wrote the one before late: that
        must not put it after this one. What another browser kept for long is older all the same."""
        made = self._now() - timedelta(seconds=age_s)
        of = (decided.curator, decided.basis)
        own = [one.decided_at for one in self._rows_on(decided.about) if (one.curator, one.basis) == of]
        if last := max(own, default=""):
            before = datetime.fromisoformat(last)
            made = before if timedelta(0) < before - made <= _LAG else made
        return made.isoformat(timespec="seconds")

    def _rows_on(self, about: About) -> list[Decision]:
        """All rows on a subject."""
        self.read()
        with self._lock:
            return self._log.rows_on(about)

    def undo(
        self, subject: str, subject_id: str, curator: str, basis: str = "", change: str = "", age_s: float = 0
    ) -> None:
        """Take back the last step of a curator on a subject, by appending the decision before it. Do nothing if there is no
        step. Arguments and errors are those of `add`."""
        with self._writing:
            done = steps(self._rows_on((subject, subject_id)), (subject, subject_id), curator, basis)
            if done:
                before = done[-2].verdict if len(done) > 1 else (WITHDRAWN, "", "")
                self._add(Decision(subject, subject_id, *before, curator, basis=basis, change=change), age_s)

    def rows_in(self, store: Store, state: str, curator: str, seen: DecisionTable | None = None) -> Mask:
        """The samples in a state: "undecided", "any" (decided), "conflict", or a decision. If `curator` is given, only that
        curator's decisions count. `seen` has the verdicts that may show; that somebody decided shows always."""
        decided = self.read() if seen is None or (state in ("any", "undecided") and not curator) else seen
        if curator and curator not in self.curators():
            return np.full(store.rows, state == "undecided")
        of = decided.version.removeprefix(decided.version.partition(" as ")[0])  # whose view this is
        states = self._states.get(
            (id(store), of, curator),
            decided.turn,
            self._between,
            lambda: row_states(store, decided.current, curator),
            lambda before, changed: mended(store, before, decided.current, curator, changed),
        )
        return ~states.mask("any") if state == "undecided" else states.mask(state)
