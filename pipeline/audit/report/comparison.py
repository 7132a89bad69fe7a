"""Two audits side by side: numbers, checks, distributions and reasons, each with its changes."""

from collections.abc import Sequence
from dataclasses import dataclass

from longtake.pipeline.audit.report.formats import number, percent
from longtake.pipeline.audit.result import Audit, AuditCheck, Distribution, Table

_ABSENT, _LESS = "\u2013", "\u2212"


@dataclass(frozen=True, slots=True)
class NumberPair:
    """A number of both audits. `sql` has its query, or two queries if the audits used different ones."""

    label: str
    texts: tuple[str, str]
    difference: str
    sql: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckPair:
    """A check of both audits; None if one has no such check."""

    title: str
    both: tuple[AuditCheck | None, AuditCheck | None]
    sql: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the verdicts differ."""
        own, other = self.both
        return own is None or other is None or own.status is not other.status


@dataclass(frozen=True, slots=True)
class DistributionPair:
    """A distribution of both audits; None if it is missing, and `why` gives the reason for each."""

    name: str
    title: str
    unit: str
    both: tuple[Distribution | None, Distribution | None]
    why: tuple[str, str]


@dataclass(frozen=True, slots=True)
class AuditComparison:
    """Everything on a page that compares two audits. `names` distinguishes them; `short` does so in narrow places."""

    names: tuple[str, str]
    short: tuple[str, str]
    numbers: tuple[NumberPair, ...]
    checks: tuple[CheckPair, ...]
    distributions: tuple[DistributionPair, ...]
    reasons: Table
    settings: Table


def compare(audit: Audit, other: Audit) -> AuditComparison:
    """Compare two audits."""
    short = _told_apart(audit, other)
    names = (f"{audit.name} {short[0]}", f"{other.name} {short[1]}")
    heads = short if audit.name == other.name else names
    return AuditComparison(
        names, heads, _numbers(audit, other), _checks(audit, other), _distributions(audit, other),
        _reasons(audit, other, heads), _settings(audit, other, heads),
    )  # fmt: skip


def _told_apart(audit: Audit, other: Audit) -> tuple[str, str]:
    """The versions, with enough added to distinguish two corpora of the same name."""
    versions = (f"v{audit.version}", f"v{other.version}")
    if audit.name != other.name or versions[0] != versions[1]:
        return versions
    prints = (audit.fingerprint[:8], other.fingerprint[:8])
    if prints[0] == prints[1]:
        return (f"{versions[0]} (this)", f"{versions[1]} (the other)")
    return (f"{versions[0]} ({prints[0]})", f"{versions[1]} ({prints[1]})")


def _numbers(audit: Audit, other: Audit) -> tuple[NumberPair, ...]:
    own, theirs = {n.name: n for n in audit.numbers}, {n.name: n for n in other.numbers}
    pairs = []
    for name in dict.fromkeys([*own, *theirs]):
        a, b = own.get(name), theirs.get(name)
        found = [one for one in (a, b) if one is not None]
        pairs.append(
            NumberPair(
                label=found[0].label,
                texts=(a.text if a else _ABSENT, b.text if b else _ABSENT),
                difference=difference(a.value if a else None, b.value if b else None),
                sql=_each_once([one.sql for one in found]),
            )
        )
    return tuple(pairs)


def difference(a: float | None, b: float | None) -> str:
    """How much larger the second number is."""
    if a is None or b is None:
        return _ABSENT
    if a == b:
        return "none"
    share = f" ({percent(abs(b - a) / abs(a))})" if a else ""
    return f"{'+' if b > a else _LESS}{number(abs(b - a))}{share}"


def _checks(audit: Audit, other: Audit) -> tuple[CheckPair, ...]:
    """The pairs of checks, first those with different verdicts."""
    own, theirs = {c.name: c for c in audit.checks}, {c.name: c for c in other.checks}
    pairs = []
    for name in dict.fromkeys([*own, *theirs]):
        both = (own.get(name), theirs.get(name))
        found = [one for one in both if one is not None]
        pairs.append(CheckPair(found[0].title, both, _each_once([one.sql for one in found])))
    return tuple(sorted(pairs, key=lambda pair: not pair.differs))


def _distributions(audit: Audit, other: Audit) -> tuple[DistributionPair, ...]:
    own, theirs = {d.name: d for d in audit.distributions}, {d.name: d for d in other.distributions}
    pairs = []
    for name in dict.fromkeys([*own, *theirs]):
        one, two = own.get(name), theirs.get(name)
        found = next(d for d in (one, two) if d is not None)
        a, b = (d if d is not None and not d.missing and d.series else None for d in (one, two))
        why = (_why(one), _why(two))
        pairs.append(DistributionPair(name, found.title, found.unit, (a, b), why))
    return tuple(pairs)


def _why(one: Distribution | None) -> str:
    if one is None:
        return "This audit has no such distribution."
    return one.missing or ("" if one.series else "There are no values.")


def _reasons(audit: Audit, other: Audit, names: tuple[str, str]) -> Table:
    own = {(d.subject, d.stage, d.reason): d.count for d in audit.dropped}
    theirs = {(d.subject, d.stage, d.reason): d.count for d in other.dropped}
    rows = []
    for key in dict.fromkeys([*own, *theirs]):
        a, b = own.get(key, 0), theirs.get(key, 0)
        rows.append((*key, a, b, difference(a, b)))
    sql = """SELECT subject, stage, reason, count(*) AS n FROM 'ledger/*.parquet'
GROUP BY ALL ORDER BY ALL"""
    return Table("Dropped, by reason", ("what", "stage", "reason", *names, "difference"), tuple(rows), sql)


def _settings(audit: Audit, other: Audit, names: tuple[str, str]) -> Table:
    own, theirs = _rows(audit, "Settings"), _rows(other, "Settings")
    rows = tuple(
        (name, own.get(name), theirs.get(name))
        for name in dict.fromkeys([*own, *theirs])
        if own.get(name) != theirs.get(name)
    )
    return Table("Settings that differ", ("section", *names), rows, note="From corpus.json of both.")


def _rows(audit: Audit, title: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for table in audit.tables if table.title == title for row in table.rows}


def _each_once(sql: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in sql if text))
