"""What was dropped, by reason: the number, examples, scores against thresholds, and contact sheets if possible."""

from collections.abc import Callable, Iterator

from longtake.pipeline.audit.counts import STEPS, drop_name
from longtake.pipeline.audit.database import Database, quoted
from longtake.pipeline.audit.result import DropGroup, Sheet, Table
from longtake.pipeline.corpus.withdrawn import REASONS_SQL
from longtake.schemas.reason_meanings import MEANINGS

_EXAMPLES, _SHEETS = 10, 2
#: The detail that pipeline.filters.rules writes: score, value, side, setting, threshold.
_AGAINST = r"^([a-z_]+) (\S+) is (below|above) ([a-z_]+) (\S+)$"

#: The detail of a row, empty for withdrawn things: the report shows only their ids and reasons.
_DETAIL = f"""CASE WHEN reason IN {REASONS_SQL} OR video_id IN (
  SELECT subject_id FROM 'ledger/*.parquet' WHERE subject = 'video' AND reason IN {REASONS_SQL}) THEN '' ELSE detail END"""

#: Makes the sheet of a dropped long clip from its video and key; None if that is impossible.
Sheets = Callable[[str, str], Sheet | None]


def dropped(database: Database, seed: int, sheets: Sheets) -> Iterator[DropGroup]:
    """Yield a group for each subject, stage and reason of the ledger, long clips first, in the order of the steps."""
    groups = database.rows(
        "SELECT subject, stage, reason, count(*) AS n FROM 'ledger/*.parquet' GROUP BY ALL ORDER BY ALL"
    )
    steps = [stage.value for stage in STEPS]
    subjects = ["clip", "video", "sentence", "record", "note"]

    def place(group: tuple[str, str, str, int]) -> tuple[int, int, str]:
        subject, stage, reason, _ = group
        return (
            subjects.index(subject) if subject in subjects else len(subjects),
            steps.index(stage) if stage in steps else len(steps),
            reason,
        )

    for subject, stage, reason, n in sorted(groups, key=place):
        yield _group(database, (str(subject), str(stage), str(reason)), n, seed, sheets)


def _group(database: Database, names: tuple[str, str, str], n: int, seed: int, sheets: Sheets) -> DropGroup:
    subject, stage, reason = names
    where = f"subject = {quoted(subject)} AND stage = {quoted(stage)} AND reason = {quoted(reason)}"
    sql = f"SELECT count(*) AS n FROM 'ledger/*.parquet' WHERE {where}"
    examples = database.table(
        f"{min(n, _EXAMPLES)} of {n:,}, drawn with seed {seed}",
        f"""SELECT video_id, subject_id, {_DETAIL} AS detail FROM 'ledger/*.parquet'
WHERE {where}
ORDER BY md5('{seed}:' || subject_id || video_id), subject_id, detail LIMIT {_EXAMPLES}""",
    )
    found = [sheets(str(row[0]), str(row[1])) for row in examples.rows[:_SHEETS]] if subject == "clip" else []
    return DropGroup(
        name=drop_name(subject, stage, reason),
        subject=subject,
        stage=stage,
        reason=reason,
        meaning=MEANINGS.get(reason, "Not a reason that this version of longtake knows.").replace("`", ""),
        count=n,
        sql=database.printed(sql),
        examples=examples,
        scores=_scores(database, where, seed) if subject == "clip" else None,
        sheets=tuple(sheet for sheet in found if sheet is not None),
    )


def _scores(database: Database, where: str, seed: int) -> Table | None:
    """Scores against thresholds, read from the details of the same examples; None if no detail has a score."""
    sql = f"""SELECT subject_id AS key, r.score AS score, TRY_CAST(r.value AS DOUBLE) AS value, r.side AS side,
  r.setting AS setting, TRY_CAST(r.threshold AS DOUBLE) AS threshold
FROM (SELECT subject_id, video_id, detail,
    regexp_extract(detail, '{_AGAINST}', ['score', 'value', 'side', 'setting', 'threshold']) AS r
  FROM 'ledger/*.parquet' WHERE {where})
WHERE threshold IS NOT NULL
ORDER BY md5('{seed}:' || subject_id || video_id), subject_id, detail LIMIT {_EXAMPLES}"""
    found = database.table("Score against threshold", sql)
    return found if found.rows else None
