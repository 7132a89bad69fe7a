"""The figures of a dataset card, from the index of a corpus and from the checks of its audit."""

from collections.abc import Iterable
from typing import Any

from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.result import AuditCheck, CheckStatus
from longtake.pipeline.publish.card import CardFigures, Shares, SplitFigures

_INDEX = "'index/*.parquet'"
SPLITS = f"""
    SELECT CASE WHEN grouping(split) = 1 THEN NULL ELSE split END AS split,
           count(*) AS samples,
           count(DISTINCT video_id) AS videos,
           sum(n_sentences)::BIGINT AS sentences,
           sum(n_words)::BIGINT AS words,
           sum(end_ms - start_ms)::DOUBLE / 3600000 AS hours,
           min(end_ms - start_ms)::DOUBLE / 1000 AS shortest,
           quantile_cont(end_ms - start_ms, 0.5)::DOUBLE / 1000 AS median,
           max(end_ms - start_ms)::DOUBLE / 1000 AS longest
    FROM {_INDEX} GROUP BY GROUPING SETS ((split), ()) ORDER BY split NULLS LAST"""
MOST_FRAMES = f"SELECT max(len(frame_pts_ms)) FROM {_INDEX}"
_COUNTS = """
    SELECT coalesce({value}, '') AS value, count(*) AS samples
    FROM {index} GROUP BY 1 ORDER BY samples DESC, value LIMIT {most}"""
LICENCES = _COUNTS.format(value="trim(license)", index=_INDEX, most=1000)
LANGUAGES = _COUNTS.format(value="language", index=_INDEX, most=1000)
HOSTS = _COUNTS.format(
    value=r"lower(regexp_extract(url, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)', 1))",
    index=_INDEX,
    most=100,
)


def card_figures(
    database: Database,
    limits: Iterable[str] = (),
    reviews: Iterable[str] = (),
    audited: str = "",
) -> CardFigures:
    """The figures of a corpus. Its index must hold at least one sample."""
    *splits, total = (_split(row) for row in database.rows(SPLITS))
    licences, languages, hosts = (_shares(database, query, total.samples) for query in (LICENCES, LANGUAGES, HOSTS))
    frames = int(database.value(MOST_FRAMES) or 0)
    return CardFigures(tuple(splits), total, licences, languages, hosts, tuple(limits), tuple(reviews), audited, frames)


def _split(row: tuple[Any, ...]) -> SplitFigures:
    name, samples, videos, sentences, words, hours, *seconds = row
    shortest, median, longest = seconds
    return SplitFigures(name or "all", samples, videos, sentences, words, hours, (shortest, median, longest))


def _shares(database: Database, query: str, samples: int) -> Shares:
    counts = tuple(database.rows(query))
    return Shares(counts, samples - sum(count for _, count in counts))


def limits_of(checks: Iterable[AuditCheck]) -> tuple[str, ...]:
    """The sentences on a card about failed checks, warnings, and checks that could not run."""
    told = {CheckStatus.FAIL: "{} failed: {}", CheckStatus.WARN: "{}: {}", CheckStatus.SKIP: "Not checked: {}. {}"}
    order = list(told)
    kept = sorted((check for check in checks if check.status in told), key=lambda check: order.index(check.status))
    return tuple(told[check.status].format(check.title, check.found) for check in kept)
