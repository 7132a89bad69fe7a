"""The decisions of curators as the report shows them: who, what, when, conflicts, and which are not applied yet."""

from collections import Counter
from collections.abc import Sequence

from longtake.pipeline.audit.checks.verdicts import as_table
from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.result import AuditCheck, CheckStatus, Table
from longtake.schemas.decisions import Decision, OnConflict, conflicts, current, settle
from longtake.schemas.wording import plural

_SHOWN = 200


def decision_tables(database: Database, decisions: Sequence[Decision]) -> tuple[Table, ...]:
    """The tables of the section on decisions; empty if there are no decisions."""
    if not decisions:
        return ()
    standing = [one for those in current(decisions).values() for one in those]
    counts = Counter((one.curator, one.decision) for one in standing)
    span = {
        name: sorted(d.decided_at for d in decisions if d.curator == name and d.decided_at)
        for name in {d.curator for d in decisions}
    }
    by_curator: list[tuple[object, ...]] = [
        (
            name or "(no name)",
            *(counts[name, kind] for kind in ("reject", "flag", "ok")),
            times[0] if times else "",
            times[-1] if times else "",
        )
        for name, times in sorted(span.items())
    ]
    there = _there(database, standing)
    rows: list[tuple[object, ...]] = [
        (d.decided_at, d.curator, d.decision, d.label, d.subject, d.subject_id, *_note_and_state(d, there))
        for d in sorted(standing, key=lambda d: (d.decided_at, d.curator, d.subject_id), reverse=True)[:_SHOWN]
    ]
    more = f"The latest {_SHOWN:,} of {len(standing):,}." if len(standing) > _SHOWN else ""
    tables = [
        as_table("By curator", ("curator", "reject", "flag", "ok", "first", "last"), by_curator),
        as_table("Who decided what, when",
                 ("when", "curator", "decision", "label", "of", "id", "note", "state"), rows, more),
    ]  # fmt: skip
    if differing := conflicts(decisions):
        said: list[tuple[object, ...]] = [
            (c.subject, c.subject_id, "; ".join(f"{d.curator or '(no name)'}: {d.decision}" for d in c.decisions))
            for c in differing[:_SHOWN]
        ]
        tables.append(as_table("Conflicts", ("of", "id", "decisions"), said))
    return tuple(tables)


def pending(database: Database, decisions: Sequence[Decision]) -> AuditCheck:
    """Check whether rejected samples or videos are still in the corpus, and whether curators agree."""
    title = "Decisions are applied, and curators agree"
    if not decisions:
        return AuditCheck(
            "decisions", title, CheckStatus.SKIP, "Nobody has decided anything yet.",
            "Look through the corpus with longtake browse, or draw a sample to review: longtake audit --sample 200.",
        )  # fmt: skip
    differing = len(conflicts(decisions))
    rejects = [d for d in settle(decisions, OnConflict.STRICTEST) if d.decision == "reject"]
    there = _there(database, rejects)
    waiting = [d for d in rejects if (d.subject, d.subject_id) in there]
    said = f"{plural(len(rejects), 'reject')}, {len(waiting):,} not applied yet; "
    said += f"curators differ on {plural(differing, 'subject')}."
    if not waiting and not differing:
        return AuditCheck("decisions", title, CheckStatus.PASS, said)
    todo = "Settle conflicts: longtake decisions FILE shows them. " if differing else ""
    todo += "Apply: longtake takedown CORPUS --decisions FILE." if waiting else ""
    return AuditCheck("decisions", title, CheckStatus.WARN, said, todo.strip())


def _there(database: Database, decisions: Sequence[Decision]) -> set[tuple[str, str]]:
    """The subjects of the decisions that are in the corpus."""
    found: set[tuple[str, str]] = set()
    for subject, column in (("sample", "key"), ("video", "video_id")):
        ids = sorted({d.subject_id for d in decisions if d.subject == subject})
        sql = f"SELECT DISTINCT {column} FROM 'index/*.parquet' WHERE {column} IN (SELECT unnest(?::VARCHAR[]))"
        found |= {(subject, str(row[0])) for row in (database.rows(sql, [ids]) if ids else ())}
    return found


def _note_and_state(decision: Decision, there: set[tuple[str, str]]) -> tuple[str, str]:
    """A curator's note, and the state of the decision. A note can quote text, so it is hidden if the subject is no longer
    there."""
    if (decision.subject, decision.subject_id) not in there:
        return "", "not in the corpus"
    return decision.note, "to apply" if decision.decision == "reject" else ""
