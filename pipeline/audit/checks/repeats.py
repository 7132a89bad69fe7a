"""Checks for repeats: in two splits, under two keys, or in an evaluation set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from longtake.pipeline.audit.checks.verdicts import EXAMPLES, counted
from longtake.pipeline.audit.database import Database, quoted
from longtake.pipeline.audit.result import AuditCheck, CheckStatus
from longtake.pipeline.corpus.withdrawn import REASONS_SQL

_SAME_TEXT = """SELECT min(key) AS key, count(*) AS n, count(DISTINCT split) AS splits
FROM (SELECT key, split, hash(lower(paragraph)) AS text FROM 'index/*.parquet') GROUP BY text HAVING n > 1"""
_LONG = 20  # characters; a shorter sentence counts as a mere phrase
_MOST = 50  # a sentence in more long clips than this counts as a common phrase
_SHARE = 0.5
#: Pairs of long clips that share at least half of their longer sentences, letter for letter except for case.
_PAIRS = f"""WITH said AS (
  SELECT key, split, n, unnest(list_distinct(texts)) AS text FROM (
    SELECT key, split, list_transform(list_filter(sentences, lambda s: length(s.text) >= {_LONG}),
      lambda s: hash(lower(s.text))) AS texts, len(list_distinct(texts)) AS n FROM 'index/*.parquet')),
shared AS (SELECT text FROM said GROUP BY text HAVING count(*) BETWEEN 2 AND {_MOST}),
few AS MATERIALIZED (SELECT said.* FROM said SEMI JOIN shared ON said.text = shared.text)
SELECT a.key AS key, b.key AS other, count(*) / any_value(least(a.n, b.n)) AS share, any_value(a.split <> b.split) AS across
FROM few a JOIN few b ON a.text = b.text AND a.key < b.key
GROUP BY a.key, b.key HAVING share >= {_SHARE}"""


def copies(database: Database, history: Sequence[Mapping[str, Any]]) -> Iterator[AuditCheck]:
    """Check whether known copies of withdrawn things are left. No check if nothing was taken down or rejected."""
    out = f"SELECT subject_id FROM 'ledger/*.parquet' WHERE reason IN {REASONS_SQL} AND subject ="
    if not int(database.value(f"SELECT count(*) AS value FROM ({out} 'video' UNION ALL {out} 'clip')")):
        return
    told = sorted({str(name) for entry in history for name in entry.get("copies", ())})
    named = f" OR key IN ({(listed := ', '.join(map(quoted, told)))}) OR video_id IN ({listed})" if told else ""
    where = f"""FROM 'index/*.parquet' WHERE duplicate_of IN ({out} 'clip') OR duplicate_video_of IN ({out} 'video'){named}"""
    yield counted(
        database, "copies", "No known copy of what was taken down is left", f"SELECT count(*) AS value {where}",
        none="Of what was taken down or rejected, no copy that is known is left.",
        some="{n} samples repeat what was taken down or rejected.",
        todo="Look at them; longtake takedown --videos IDS --with-duplicates takes copies along.",
        examples=f"SELECT key, video_id, duplicate_of, duplicate_video_of {where} ORDER BY key",
    )  # fmt: skip


def leakage(database: Database) -> Iterator[AuditCheck]:
    """Check whether validation or test data also occurs in another split."""
    videos = "SELECT video_id FROM 'index/*.parquet' GROUP BY video_id HAVING count(DISTINCT split) > 1"
    yield counted(
        database, "split_videos", "No video is in two splits", f"SELECT count(*) AS value FROM ({videos})",
        none="Each video is in one split.", some="{n} videos are in several splits.", bad=CheckStatus.FAIL,
        todo="Splits follow the video id, so a plan was edited: undo that, or longtake reshard CORPUS --split.",
        examples=f"{videos} ORDER BY video_id",
    )  # fmt: skip
    yield counted(
        database, "split_texts", "No paragraph is in two splits",
        f"SELECT count(*) AS value FROM ({_SAME_TEXT}) WHERE splits > 1",
        none="No paragraph is in two splits.", some="{n} paragraphs are in several splits.", bad=CheckStatus.FAIL,
        todo="The same talk under two ids: plan with duplicates: {paragraphs: drop}, or reject one of each with longtake browse.",
        examples=f"SELECT * FROM ({_SAME_TEXT}) WHERE splits > 1 ORDER BY n DESC, key",
    )  # fmt: skip
    flagged = """SELECT a.key, a.split, b.key AS other, b.split AS other_split FROM 'index/*.parquet' a
JOIN (SELECT DISTINCT ON (video_id) key, video_id, split FROM 'index/*.parquet' ORDER BY video_id, key) b
  ON a.duplicate_video_of = b.video_id
WHERE a.split <> b.split"""
    yield counted(
        database, "split_pictures", "No video shows the pictures of one in another split",
        f"SELECT count(*) AS value FROM ({flagged})",
        none="None of the videos that were flagged as repeats is in another split than what it repeats.",
        some="{n} long clips show a video that is in another split.", bad=CheckStatus.FAIL,
        todo="Plan with duplicates: {videos: drop}.", examples=f"{flagged} ORDER BY a.key",
    )  # fmt: skip


def duplicates(database: Database) -> Iterator[AuditCheck]:
    """Check whether two long clips have the same words or share half of their sentences."""
    yield counted(
        database, "exact_duplicates", "No two long clips have the same words",
        f"SELECT coalesce(sum(n - 1), 0)::BIGINT AS value FROM ({_SAME_TEXT})",
        none="No paragraph is there twice.", some="{n} long clips repeat the words of another.",
        todo="Plan with duplicates: {paragraphs: drop}, or flag.",
        examples=f"SELECT key, n FROM ({_SAME_TEXT}) ORDER BY n DESC, key",
    )  # fmt: skip
    sql = f"SELECT count(*) AS value, count(*) FILTER (across) AS across FROM ({_PAIRS})"
    n, across = database.rows(sql)[0]
    title = "No two long clips share half of their sentences"
    what = f"sentences of at least {_LONG} characters, alike but for case"
    if not n:
        yield AuditCheck(
            "near_duplicates", title, CheckStatus.PASS, f"No pair of long clips shares half of its {what}.",
            sql=database.printed(sql),
        )  # fmt: skip
        return
    pairs = "pair" if n == 1 else "pairs"
    yield AuditCheck(
        "near_duplicates", title, CheckStatus.FAIL if across else CheckStatus.WARN,
        f"{n:,} {pairs} of long clips share half or more of their {what}; {across:,} of them across splits.",
        "Plan with duplicates: {paragraphs: drop}; its similarity finds also what differs in single words.",
        database.printed(sql),
        database.table("Examples", f"{_PAIRS}\nORDER BY across DESC, share DESC, key, other LIMIT {EXAMPLES}"),
    )  # fmt: skip


def contamination(database: Database, sets: tuple[str, ...], audited: "AuditCheck | None") -> Iterator[AuditCheck]:
    """Check for evaluation data: what the plan flagged, and the sets that the audit itself was asked to look for."""
    if sets:
        sql = "SELECT count(*) AS value FROM 'index/*.parquet' WHERE evaluation_overlap IS NOT NULL"
        yield counted(
            database, "contamination", "Nothing is from an evaluation set", sql,
            none=f"No sample meets {', '.join(sets)}; what did was dropped in planning.",
            some="{n} samples meet an evaluation set.", bad=CheckStatus.FAIL,
            todo="Plan with duplicates: {evaluation_overlap: drop}, or do not evaluate on these sets.",
            examples="SELECT key, evaluation_overlap FROM 'index/*.parquet' WHERE evaluation_overlap IS NOT NULL ORDER BY key",
        )  # fmt: skip
    if audited is not None:
        yield audited
    elif not sets:
        yield AuditCheck(
            "contamination", "Nothing is from an evaluation set", CheckStatus.SKIP, "Not checked: no evaluation set is known.",
            "Name the sets that models will be tested on: longtake audit --evaluation NAME=FILE (ids or texts), or "
            "duplicates: {evaluation: [...]} when planning.",
        )  # fmt: skip
