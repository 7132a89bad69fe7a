"""Checks that the corpus is complete: its files agree, its numbers add up, and the plan was carried out."""

from collections.abc import Iterator

from longtake.pipeline.audit.checks.verdicts import EXAMPLES, as_table, counted
from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.result import AuditCheck, CheckStatus, Table
from longtake.pipeline.plan.summary import PlanSummary
from longtake.pipeline.verify.corpus import Report
from longtake.schemas.manifest import CorpusManifest
from longtake.schemas.printable import printable

_MUCH = 0.25
_RECOUNT = """SELECT subject, "in", kept, dropped, kept_here, dropped_here FROM (
  SELECT 'videos' AS subject, counts.videos."in" AS "in", counts.videos.kept AS kept, counts.videos.dropped AS dropped,
    (SELECT count(DISTINCT video_id) FROM 'index/*.parquet') AS kept_here,
    (SELECT count(*) FROM 'ledger/*.parquet' WHERE subject = 'video') AS dropped_here FROM 'corpus.json'
  UNION ALL
  SELECT 'sentences', counts.sentences."in", counts.sentences.kept, counts.sentences.dropped,
    (SELECT sum(n_sentences)::BIGINT FROM 'index/*.parquet'),
    (SELECT count(*) FROM 'ledger/*.parquet' WHERE subject = 'sentence') FROM 'corpus.json'
  UNION ALL
  SELECT 'long clips', counts.clips."in", counts.clips.kept, counts.clips.dropped,
    (SELECT count(*) FROM 'index/*.parquet'),
    (SELECT count(*) FROM 'ledger/*.parquet' WHERE subject = 'clip') FROM 'corpus.json')"""


def integrity(report: Report | None, how: str) -> AuditCheck:
    """The result of `longtake verify`. `report` is None if it did not run."""
    title = "The files of the corpus agree"
    if report is None:
        return AuditCheck(
            "integrity", title, CheckStatus.SKIP, "Not checked.", "Run longtake verify, or audit without --verify none."
        )
    if not report.number:
        read = "all samples were read" if report.drawn is None else f"{report.drawn:,} samples were read"
        found = f"longtake verify found nothing wrong in {report.samples:,} samples; {read}{how}."
        return AuditCheck("integrity", title, CheckStatus.PASS, found)
    rows: list[tuple[object, ...]] = [(printable(f.where), printable(f.what)) for f in report.faults[:EXAMPLES]]
    return AuditCheck(
        "integrity", title, CheckStatus.FAIL, f"longtake verify found {report.number:,} faults.",
        "Do not use the corpus. longtake verify lists all faults; build it again, or fetch it again from where it came.",
        examples=as_table("Faults", ("where", "what"), rows),
    )  # fmt: skip


def accounting(database: Database) -> AuditCheck:
    """Check that in = kept + dropped, counted again from index and ledger."""
    title = "Everything that went in is accounted for"
    wrong = f"SELECT count(*) AS value FROM ({_RECOUNT})\n" + (
        'WHERE "in" <> kept + dropped OR kept <> kept_here OR dropped <> dropped_here'
    )
    found = database.table("In, kept and dropped as corpus.json has them, and recounted", _RECOUNT)
    bad = int(database.value(wrong))
    if bad:
        return AuditCheck(
            "accounting", title, CheckStatus.FAIL, f"The numbers of {bad} of 3 subjects do not add up.",
            "The corpus was changed by hand, or files are missing: see longtake verify.", database.printed(wrong), found,
        )  # fmt: skip
    return AuditCheck(
        "accounting", title, CheckStatus.PASS,
        "In = kept + dropped for videos, sentences and long clips, recounted from index and ledger.",
        sql=database.printed(wrong), examples=found,
    )  # fmt: skip


def left_out(database: Database, manifest: CorpusManifest) -> AuditCheck:
    """Check whether one reason dropped a large share of the input."""
    title = "No reason took much of what came in"
    sql = """SELECT subject, stage, reason, count(*) AS n FROM 'ledger/*.parquet'
GROUP BY ALL ORDER BY n DESC, subject, stage, reason"""
    rows: list[tuple[object, ...]] = []
    for subject, stage, reason, n in database.rows(sql):
        count = manifest.counts.get(f"{subject}s")
        if count is not None and count.total and n > _MUCH * count.total:
            noun = "long clip" if subject == "clip" else str(subject)
            rows.append((f"{noun}s", stage, reason, n, count.total, round(n / count.total, 4)))
    rows.sort(key=lambda row: (-float(str(row[5])), str(row[0]), str(row[2])))
    if not rows:
        found = f"None took over {_MUCH:.0%} of the videos, sentences or long clips."
        return AuditCheck("left_out", title, CheckStatus.PASS, found, sql=database.printed(sql))
    what, stage, reason, n, total, share = rows[0]
    return AuditCheck(
        "left_out", title, CheckStatus.WARN, f"{reason!s} (stage {stage}) took {n:,} of {total:,} {what} ({share:.1%}).",
        "Look at its examples below: a threshold or an input may be wrong. If it is meant, say so to whoever uses the corpus.",
        database.printed(sql), as_table("Reasons", ("what", "stage", "reason", "dropped", "came in", "share"), rows[:EXAMPLES]),
    )  # fmt: skip


def drift(database: Database, manifest: CorpusManifest) -> Iterator[AuditCheck]:
    """Check how the corpus differs from its plan."""
    lost = """SELECT count(*) AS value FROM 'plan/*.parquet' p ANTI JOIN 'index/*.parquet' i ON p.key = i.key
ANTI JOIN (SELECT subject_id FROM 'ledger/*.parquet' WHERE subject = 'clip') l ON p.key = l.subject_id"""
    yield counted(
        database, "plan_lost", "Every planned long clip is a sample or in the ledger", lost,
        none="Each planned long clip is there, or the ledger says why not.", some="{n} planned long clips are neither.",
        todo="See longtake verify; build again.", bad=CheckStatus.FAIL,
        examples=lost.replace("count(*) AS value", "p.key, p.split, p.shard"),
    )  # fmt: skip
    planned = int(database.value("SELECT count(*) AS value FROM 'plan/*.parquet'"))
    sql = """SELECT count(*) AS value FROM 'ledger/*.parquet' WHERE subject = 'clip' AND stage = 'decode'"""
    n = int(database.value(sql))
    share = n / max(planned, 1)
    title = "Few long clips were lost after planning"
    found = f"{n:,} of {planned:,} planned long clips ({share:.1%}) were lost when their frames were decoded."
    if share <= 0.05:
        yield AuditCheck("plan_drift", title, CheckStatus.PASS, found, sql=database.printed(sql))
    else:
        reasons = """SELECT reason, count(*) AS n FROM 'ledger/*.parquet' WHERE subject = 'clip' AND stage = 'decode'
GROUP BY ALL ORDER BY n DESC"""
        yield AuditCheck(
            "plan_drift", title, CheckStatus.WARN, found, "Look at the reasons; mend the sources, then longtake retry.",
            database.printed(sql), database.table("Reasons", reasons),
        )  # fmt: skip
    yield _failed(database, manifest)


def _failed(database: Database, manifest: CorpusManifest) -> AuditCheck:
    from longtake.schemas.reasons import FAILURES

    names = ", ".join(f"'{reason.value}'" for reason in sorted(FAILURES))
    sql = f"SELECT count(*) AS value FROM 'ledger/*.parquet' WHERE subject = 'video' AND reason IN ({names})"
    n, limit = int(database.value(sql)), float(manifest.config.get("max_failed", 1))
    total = manifest.counts["videos"].total
    share = n / max(total, 1)
    status = CheckStatus.FAIL if share > limit else CheckStatus.WARN if share > limit / 2 else CheckStatus.PASS
    return AuditCheck(
        "failed_videos", "Few videos failed", status,
        f"{n:,} of {total:,} videos ({share:.1%}) could not be used; max_failed is {limit:.0%}.",
        "" if status is CheckStatus.PASS else "The reasons are below, with examples. Mend the sources, then longtake retry.",
        database.printed(sql),
    )  # fmt: skip


def plan_estimate(summary: PlanSummary | None, manifest: CorpusManifest) -> Table | None:
    """A table that compares the estimate with the result."""
    if summary is None:
        return None
    splits = manifest.splits()
    rows: list[tuple[object, ...]] = [
        ("bytes of shards", summary.estimate.get("bytes"), sum(shard.bytes for shard in manifest.shards)),
        ("frames", sum(s["frames"] for s in summary.splits.values()), sum(s["frames"] for s in splits.values())),
        ("samples", sum(s["samples"] for s in summary.splits.values()), sum(s["samples"] for s in splits.values())),
        ("shards", sum(s["shards"] for s in summary.splits.values()), sum(s["shards"] for s in splits.values())),
    ]
    return as_table(
        "Planned and built", ("number of", "planned", "built"), rows, "From plan/_plan.json and corpus.json."
    )
