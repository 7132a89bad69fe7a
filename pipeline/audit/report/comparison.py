"""Two audits side by side: numbers, checks and reasons, each with what has changed."""

from dataclasses import dataclass

from longtake.pipeline.audit.report.formats import number
from longtake.pipeline.audit.result import Audit, Check, Table


@dataclass(frozen=True, slots=True)
class Comparison:
    """The tables of a page that compares. `checks` are pairs; one is None where only the other has that check."""

    names: tuple[str, str]
    numbers: Table
    checks: tuple[tuple[Check | None, Check | None], ...]
    reasons: Table
    settings: Table


def compare(audit: Audit, other: Audit) -> Comparison:
    """What the two have in common and in what they differ."""
    names = (f"{audit.name} v{audit.version}", f"{other.name} v{other.version}")
    if names[0] == names[1]:
        names = (f"{names[0]} ({audit.fingerprint[:8]})", f"{names[1]} ({other.fingerprint[:8]}, the other)")
    return Comparison(names, _numbers(audit, other, names), _checks(audit, other), _reasons(audit, other, names),
                      _settings(audit, other, names))  # fmt: skip


def _numbers(audit: Audit, other: Audit, names: tuple[str, str]) -> Table:
    theirs = {n.name: n for n in other.numbers}
    rows = []
    for own in audit.numbers:
        b = theirs.get(own.name)
        rows.append((own.label, own.text, b.text if b else None, difference(own.value, b.value if b else None)))
    return Table("Numbers", ("", *names, "difference"), tuple(rows))


def difference(a: float | None, b: float | None) -> str:
    """How much more the second is than the first."""
    if a is None or b is None:
        return "\u2013"
    share = f" ({(b - a) / a:+.1%})" if a else ""
    return "none" if a == b else f"{'+' if b > a else '-'}{number(abs(b - a))}{share}"


def _checks(audit: Audit, other: Audit) -> tuple[tuple[Check | None, Check | None], ...]:
    own, theirs = {c.name: c for c in audit.checks}, {c.name: c for c in other.checks}
    return tuple((own.get(name), theirs.get(name)) for name in dict.fromkeys([*own, *theirs]))


def _reasons(audit: Audit, other: Audit, names: tuple[str, str]) -> Table:
    own = {(d.subject, d.stage, d.reason): d.count for d in audit.dropped}
    theirs = {(d.subject, d.stage, d.reason): d.count for d in other.dropped}
    rows = [(*key, own.get(key, 0), theirs.get(key, 0), difference(own.get(key, 0), theirs.get(key, 0)))
            for key in dict.fromkeys([*own, *theirs])]  # fmt: skip
    return Table("Left out", ("what", "stage", "reason", *names, "difference"), tuple(rows))


def _settings(audit: Audit, other: Audit, names: tuple[str, str]) -> Table:
    own, theirs = _rows(audit, "Settings"), _rows(other, "Settings")
    rows = tuple(
        (name, own.get(name), theirs.get(name))
        for name in dict.fromkeys([*own, *theirs])
        if own.get(name) != theirs.get(name)
    )
    return Table("Settings that differ", ("section", *names), rows)


def _rows(audit: Audit, title: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for table in audit.tables if table.title == title for row in table.rows}
