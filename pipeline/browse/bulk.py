"""Decisions on many samples at once: they are rows of the same log, written together, and taken back together.

A bulk is not recorded anywhere else. It is the rows of one curator with the same time and verdict.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from longtake.pipeline.browse.decision_table import About, DecisionTable
from longtake.pipeline.browse.marks import Marks
from longtake.schemas.decision import WITHDRAWN, Decision, steps

SHOWN = 20  # bulks


@dataclass(frozen=True, slots=True)
class Bulk:
    """A verdict that a curator gave on `size` samples at once; on `standing` of them it still counts."""

    curator: str
    decided_at: str
    decision: str
    label: str
    note: str
    size: int
    standing: int


def decide(marks: Marks, keys: Iterable[str], verdict: tuple[str, str, str], curator: str) -> int:
    """Give a verdict (decision, label, note) on samples, in one write. A sample on which the curator has this decision with this
    label already stays as it is. Return the number of new rows. Raises ConfigError and OSError."""
    decided, when = marks.read(), marks.now()
    rows = [
        Decision("sample", key, *verdict, curator, when)
        for key in keys
        if verdict[:2] not in {one.verdict[:2] for one in _own(decided, ("sample", key), curator)}
    ]
    marks.append(rows)
    return len(rows)


def bulks(decided: DecisionTable, curator: str) -> list[Bulk]:
    """The last bulks of a curator that still count on some sample, newest first."""
    sizes: dict[tuple[str, str, str, str], int] = {}
    for one in decided.rows:
        if (one.curator, one.subject, one.basis) == (curator, "sample", "") and one.decision != WITHDRAWN:
            name = (one.decided_at, *one.verdict)
            sizes[name] = sizes.get(name, 0) + 1
    standing = dict.fromkeys(sizes, 0)
    for those in decided.current.values():
        for one in those:
            if (one.curator, one.subject, one.basis) == (curator, "sample", ""):
                standing[one.decided_at, *one.verdict] += 1
    found = [Bulk(curator, *name, size, standing[name]) for name, size in sizes.items() if size > 1 and standing[name]]
    return sorted(found, key=lambda one: one.decided_at, reverse=True)[:SHOWN]


def undo(marks: Marks, curator: str, decided_at: str, verdict: tuple[str, str, str]) -> int:
    """Take a bulk back in one write: on each sample on which it still counts, the curator's decision before it counts again.
    Return the number of samples. Raises ConfigError and OSError."""
    return marks.undo_with(lambda decided: _before(decided, curator, decided_at, verdict, marks.now()))


def _before(
    decided: DecisionTable, curator: str, decided_at: str, verdict: tuple[str, str, str], now: str
) -> Sequence[Decision]:
    own: dict[About, list[Decision]] = {}
    for one in decided.rows:
        if one.curator == curator and one.subject == "sample":
            own.setdefault(one.about, []).append(one)
    found = []
    for about, rows in own.items():
        if not any((one.decided_at, one.verdict) == (decided_at, verdict) for one in _own(decided, about, curator)):
            continue
        done = steps(rows, about, curator)
        before = done[-2].verdict if len(done) > 1 else (WITHDRAWN, "", "")
        found.append(Decision(*about, *before, curator, now))
    return found


def _own(decided: DecisionTable, about: About, curator: str) -> list[Decision]:
    return [one for one in decided.current.get(about, ()) if one.curator == curator and not one.basis]
