"""The parts of a check: a number, the limits that make it a warning or a failure, and examples."""

from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.result import AuditCheck, CheckStatus, Table

EXAMPLES = 10
_SINGULAR = {
    "1 samples have": "1 sample has",
    "1 samples seem": "1 sample seems",
    "1 samples score": "1 sample scores",
    "1 samples meet": "1 sample meets",
    "1 samples repeat": "1 sample repeats",
    "1 long clips repeat": "1 long clip repeats",
    "1 long clips show": "1 long clip shows",
    "1 paragraphs are": "1 paragraph is",
    "1 videos are": "1 video is",
    "1 planned long clips are": "1 planned long clip is",
}


def counted(
    database: Database,
    name: str,
    title: str,
    sql: str,
    *,
    none: str,
    some: str,
    todo: str,
    bad: CheckStatus = CheckStatus.WARN,
    examples: str = "",
) -> AuditCheck:
    """A check that passes if the number from `sql` is 0. `some` states the finding, with {n} for the number."""
    n = int(database.value(sql) or 0)
    if not n:
        return AuditCheck(name, title, CheckStatus.PASS, none, sql=database.printed(sql))
    found = some.replace("{n}", f"{n:,}")
    for many, one in _SINGULAR.items() if n == 1 else ():
        found = found.replace(many, one, 1)
    shown = database.table("Examples", f"{examples}\nLIMIT {EXAMPLES}") if examples else None
    return AuditCheck(name, title, bad, found, todo, database.printed(sql), shown)


def worst(checks: "tuple[AuditCheck, ...] | list[AuditCheck]") -> CheckStatus:
    """The verdict of several checks. Checks that could not run do not count."""
    order = (CheckStatus.FAIL, CheckStatus.WARN)
    return next((status for status in order if any(check.status is status for check in checks)), CheckStatus.PASS)


def as_table(title: str, columns: tuple[str, ...], rows: list[tuple[object, ...]], note: str = "") -> Table:
    """A table that does not come from a query."""
    return Table(title, columns, tuple(rows), note=note)
