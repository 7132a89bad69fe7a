"""`longtake decisions`: what curators decided, where they differ, and their merged log."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from longtake.jobs import terminal
from longtake.jobs.decision_files import ConflictPolicy, read_files
from longtake.schemas import storage
from longtake.schemas.decision import NOBODY, STRICTEST_FIRST, SUBJECTS, WITHDRAWN
from longtake.schemas.decisions import (
    COLUMNS,
    Conflict,
    Decision,
    OnConflict,
    conflicts,
    current,
    merge_into,
    merge_logs,
    settle,
    write_decisions,
)
from longtake.schemas.errors import ConfigError
from longtake.schemas.printable import printable

_SHOWN = 50


def decisions(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files with decisions, CSV or Parquet.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write all rows here; if it is one of the FILEs, the other rows are added to it.",
        ),
    ] = None,
    on_conflict: ConflictPolicy = OnConflict.REFUSE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what curators decided and where they differ, and merge their files.

    The merged file holds every row once, also rows in conflict. The exit code is 1 if there are conflicts and --on-conflict
    does not say which decision counts.
    """
    logs = read_files(files)
    _write(output, files, logs)
    rows = [row for log in logs for row in log]
    found = conflicts(rows)
    settled = None if found and on_conflict is OnConflict.REFUSE else settle(rows, on_conflict)
    if as_json:
        print(json.dumps(_as_json(files, output, rows, found, settled), indent=2, ensure_ascii=False))
    else:
        _print(rows, found, settled, on_conflict, terminal.console(is_answer=True))
        if output is not None:
            terminal.console().print(f"Merged: {output}", markup=False, highlight=False, soft_wrap=True)
    if settled is None:
        raise typer.Exit(1)


# -- output ------------------------------------------------------------------------------------------------------------


def _write(output: str | None, files: Sequence[str], logs: list[list[Decision]]) -> None:
    if output is None:
        return
    if output in files:
        merge_into(output, logs)
    elif storage.exists(output):
        raise ConfigError(
            f"--output {output}: already exists. To add the other rows to it, name it among the files too."
        )
    else:
        write_decisions(output, merge_logs(logs))


def _print(
    rows: list[Decision],
    found: list[Conflict],
    settled: list[Decision] | None,
    policy: OnConflict,
    console: Console,
) -> None:
    table = Table(title="Who decided what", title_justify="left")
    table.add_column("curator")
    for heading in (*STRICTEST_FIRST, "withdrawn"):
        table.add_column(heading, justify="right")
    table.add_column("last")
    for name, counts, last in _by_curator(rows):
        numbers = (f"{counts[decision]:,}" for decision in (*STRICTEST_FIRST, WITHDRAWN))
        table.add_row(printable(name) or NOBODY, *numbers, last or "-")
    console.print(table, markup=False)
    if found:
        differ = Table(title=f"Conflicts: {len(found):,}", title_justify="left")
        for heading in ("subject", "curator", "decision", "when", "why"):
            differ.add_column(heading, overflow="fold")
        for conflict in found[:_SHOWN]:
            name = f"{conflict.subject} {printable(conflict.subject_id)}"
            for one in conflict.decisions:
                why = ": ".join(text for text in (one.label, one.note) if text)
                cells = (name, one.curator or NOBODY, one.decision, one.decided_at or "-", why)
                differ.add_row(*(_plain(cell) for cell in cells))
                name = ""
            differ.add_section()
        console.print(differ)
        if len(found) > _SHOWN:
            console.print(f"... and {len(found) - _SHOWN:,} more; --json has them all.", highlight=False)
    if settled is None:
        console.print(
            "Let them agree, or say which decision counts: --on-conflict strictest or latest.",
            style="yellow", highlight=False,
        )  # fmt: skip
        return
    number = Counter((one.decision, one.subject) for one in settled)
    kinds = [(decision, subject) for decision in STRICTEST_FIRST for subject in SUBJECTS]
    told = [f"{number[k]:,} {k[1]}{'' if number[k] == 1 else 's'} {k[0]}" for k in kinds if number[k]]
    how = f" (where they differ, the {policy} counts)" if found else ""
    console.print(f"In all{how}: {', '.join(told) or 'nothing is decided'}.", highlight=False)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(printable(text))


def _by_curator(rows: list[Decision]) -> list[tuple[str, Counter[str], str]]:
    """Return each curator, the number of current decisions by kind and of withdrawn ones, and the time of the last row."""
    counts: dict[str, Counter[str]] = {}
    last: dict[str, str] = {}
    for row in rows:
        counts.setdefault(row.curator, Counter())
        last[row.curator] = max(last.get(row.curator, ""), row.decided_at)
    held = [one for those in current(rows).values() for one in those]
    for one in held:
        counts[one.curator][one.decision] += 1
    withdrawn = {(row.about, row.curator, row.basis) for row in rows}
    for _, curator, _ in withdrawn - {(one.about, one.curator, one.basis) for one in held}:
        counts[curator][WITHDRAWN] += 1
    return [(name, counts[name], last[name]) for name in sorted(counts)]


def _as_json(
    files: list[str],
    output: str | None,
    rows: list[Decision],
    found: list[Conflict],
    settled: list[Decision] | None,
) -> dict[str, Any]:
    def told(one: Decision) -> dict[str, str]:
        return {name: getattr(one, name) for name in COLUMNS}

    return {
        "files": files,
        "output": output,
        "rows": len(rows),
        "curators": [
            {"curator": name, **{kind: counts[kind] for kind in (*STRICTEST_FIRST, WITHDRAWN)}, "last": last}
            for name, counts, last in _by_curator(rows)
        ],
        "conflicts": [
            {"subject": c.subject, "subject_id": c.subject_id, "decisions": [told(one) for one in c.decisions]}
            for c in found
        ],
        "settled": None if settled is None else [told(one) for one in settled],
    }
