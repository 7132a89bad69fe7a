"""The accounting: where all videos, sentences and long clips went, from the input through each step to shards or reasons."""

from collections.abc import Sequence
from typing import Any

from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.result import Flow, Link, Node, Number, Table
from longtake.schemas.reasons import Stage

#: The steps in the order of the data flow (docs/architecture.md).
STEPS = (
    Stage.READ,
    Stage.CLEAN,
    Stage.PROBE,
    Stage.MERGE,
    Stage.FILTER,
    Stage.CAPTION,
    Stage.EDIT,
    Stage.DECODE,
    Stage.TAKEDOWN,
)
#: For each subject, its name in the ledger and the SQL that counts it in the index.
_KEPT = {
    "videos": ("video", "count(DISTINCT video_id)"),
    "sentences": ("sentence", "sum(n_sentences)::BIGINT"),
    "long clips": ("clip", "count(*)"),
}


def numbers(database: Database) -> tuple[Number, ...]:
    """The numbers of the summary."""
    hours = "SELECT sum(end_ms - start_ms) / 3.6e6 AS value FROM 'index/*.parquet'"
    return (
        database.number("samples", "long clips", "SELECT count(*) AS value FROM 'index/*.parquet'"),
        database.number("videos", "videos", "SELECT count(DISTINCT video_id) AS value FROM 'index/*.parquet'"),
        database.number("hours", "hours of long clips", hours, digits=2),
        database.number("sentences", "sentences", "SELECT sum(n_sentences)::BIGINT AS value FROM 'index/*.parquet'"),
        database.number("words", "words", "SELECT sum(n_words)::BIGINT AS value FROM 'index/*.parquet'"),
        database.number("frames", "frames", "SELECT sum(len(frame_pts_ms))::BIGINT AS value FROM 'index/*.parquet'"),
        database.number(
            "left_out", "long clips dropped", "SELECT count(*) AS value FROM 'ledger/*.parquet' WHERE subject = 'clip'"
        ),
        database.number(
            "sentences_left_out",
            "sentences dropped",
            "SELECT count(*) AS value FROM 'ledger/*.parquet' WHERE subject = 'sentence'",
        ),
    )


def drop_name(subject: str, stage: str, reason: str) -> str:
    """The anchor of the things dropped for a reason."""
    return f"drop-{subject}-{stage}-{reason}".replace("_", "-")


def flows(database: Database) -> tuple[Flow, ...]:
    """The flows of videos, sentences and long clips."""
    return tuple(_flow(database, subject) for subject in _KEPT)


def _flow(database: Database, subject: str) -> Flow:
    row, kept = _KEPT[subject]
    sql = f"""SELECT stage, reason, count(*) AS n FROM 'ledger/*.parquet'
WHERE subject = '{row}' GROUP BY ALL
UNION ALL
SELECT 'shards', split, {kept} FROM 'index/*.parquet' GROUP BY split
ORDER BY ALL"""
    found = database.table(f"Where all {subject} went", sql)
    return make_flow(subject, row, found)


def make_flow(subject: str, row: str, found: Table) -> Flow:
    """Make a flow from rows of (stage, reason or split, number). `row` is the name of the subject in the ledger."""
    drops = [r for r in found.rows if r[0] != "shards"]
    splits = [r for r in found.rows if r[0] == "shards"]
    left = sum(r[2] for r in found.rows)
    nodes = [Node("in", f"{subject} in", left)]
    links: list[Link] = []
    here = "in"
    for stage in _stages(drops):
        lost = [r for r in drops if r[0] == stage]
        if here != "in" or stage != "read":
            nodes.append(Node(stage, stage, left))
            links.append(Link(here, stage, left))
            here = stage
        for _, reason, n in lost:
            name = drop_name(row, stage, reason)
            nodes.append(Node(name, str(reason).replace("_", " "), n, f"#{name}", is_drop=True))
            links.append(Link(here, name, n))
        left -= sum(r[2] for r in lost)
    if left:
        nodes.append(Node("shards", "in shards", left, "#kept"))
        links.append(Link(here, "shards", left))
        for _, split, n in splits:
            nodes.append(Node(f"split-{split}", str(split), n, "#kept"))
            links.append(Link("shards", f"split-{split}", n))
    return Flow(subject, tuple(nodes), tuple(links), found)


def _stages(drops: Sequence[tuple[Any, ...]]) -> list[str]:
    """The stages that dropped something, in order. Stages that this version does not know come last."""
    order = [stage.value for stage in STEPS]
    known = {r[0] for r in drops}
    return [stage for stage in order if stage in known] + sorted(known - set(order))
