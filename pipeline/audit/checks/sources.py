"""Checks against things outside the corpus: its sources, and evaluation sets given to the audit."""

from collections.abc import Sequence

from longtake.pipeline.audit.checks.verdicts import EXAMPLES, as_table
from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.result import AuditCheck, CheckStatus
from longtake.pipeline.filters.evaluation_sets import EvaluationSets
from longtake.pipeline.fragments.seen import SourceVersions, difference, version_of
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.records import LongClip, Sentence, SourceVideo

_ASKED = 1000  # sources
_ROWS = 4096


def stale(database: Database, config: CorpusConfig | None, seed: int) -> AuditCheck:
    """Check whether the sources are unchanged since the plan. `config` knows where they are."""
    title = "Sources are as they were"
    if config is None:
        return AuditCheck(
            "stale_sources", title, CheckStatus.SKIP, "Not checked: the corpus does not know where its sources are.",
            "Audit with --config corpus.yaml, the configuration that it was built with.",
        )  # fmt: skip
    sql = f"""SELECT video_id, any_value(uri) AS uri FROM 'plan/*.parquet' GROUP BY video_id
ORDER BY md5('{seed}:' || video_id), video_id LIMIT {_ASKED}"""
    seen, asked, rows = SourceVersions(database.layout, config.seed), 0, []
    for video_id, uri in database.rows(sql):
        asked += 1
        now = version_of(config.resolve(uri))
        changed = "gone, or out of reach" if now is None else difference(seen.of(video_id), now)
        if changed:
            rows.append((video_id, changed))
    if not rows:
        return AuditCheck(
            "stale_sources", title, CheckStatus.PASS, f"{asked:,} sources were asked; none has changed.", sql=sql
        )
    return AuditCheck(
        "stale_sources", title, CheckStatus.WARN, f"Of {asked:,} sources that were asked, {len(rows):,} have changed or gone.",
        "The corpus is as it was built, but could not be built again. Keep the sources, or take down what their owners withdrew.",
        sql, as_table("Examples", ("video_id", "what"), list(rows[:EXAMPLES])),
    )  # fmt: skip


def evaluation_sets(wanted: Sequence[str]) -> EvaluationSets | None:
    """Parse the sets of --evaluation: each is NAME=FILE with video ids, or NAME:texts=FILE. Raises ConfigError."""
    listed = []
    for text in wanted:
        name, is_set, path = text.partition("=")
        name, _, holds = name.partition(":")
        if not is_set or not path or holds not in ("", "ids", "texts"):
            raise ConfigError(
                f"--evaluation {text}: write NAME=FILE for a list of ids, or NAME:texts=FILE for a list of texts"
            )
        listed.append({"name": name, "path": path, "holds": holds or "ids"})
    if not listed:
        return None
    from longtake.schemas.config import parse_config

    raw = {"name": "audit", "output": ".", "source": {"videos": "."}, "duplicates": {"evaluation": listed}}
    return EvaluationSets(parse_config(raw, "--evaluation"))


def contaminated(database: Database, sets: EvaluationSets, names: Sequence[str]) -> AuditCheck:
    """Check whether a sample comes from a video of the sets, or has a text of theirs."""
    title, asked = "Nothing is from an evaluation set", ", ".join(n.partition("=")[0] for n in names)
    sql = "SELECT key, video_id, url, paragraph FROM 'index/*.parquet'"
    found: list[tuple[str, str]] = []
    number = 0
    cursor = database.connection.execute(database.located(sql))
    while rows := cursor.fetchmany(_ROWS):
        for key, video_id, url, paragraph in rows:
            clip = LongClip(key, SourceVideo(video_id, "", url or ""), (Sentence("", 0, 1, paragraph),), ())
            if overlap := sets.overlap(clip):
                number += 1
                found = sorted([*found, (key, overlap)])[:EXAMPLES]
    if not number:
        return AuditCheck("contamination", title, CheckStatus.PASS, f"No sample meets {asked}.")
    return AuditCheck(
        "contamination", title, CheckStatus.FAIL, f"{number:,} samples meet {asked}.",
        "Do not evaluate on these sets; or name them in duplicates.evaluation and build again, or reject the samples.",
        examples=as_table("Examples", ("key", "set"), list(found)),
    )  # fmt: skip
