"""Histograms by SQL: round bounds, counts in each bin, and a few quantiles for each split."""

import math
from collections.abc import Sequence

from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.result import Distribution, Mark, Series

_BINS = 24  # about this many
_STEPS = (1, 2, 2.5, 5, 10)
_CATEGORIES = 12  # further ones are counted as one


def nice_edges(low: float, high: float, whole: bool = False) -> tuple[float, ...]:
    """The bounds of about _BINS bins from `low` to `high`, at round numbers. `whole` values get whole bounds."""
    if not high > low:
        return (low - 0.5, low + 0.5) if whole else (low - 0.5 * abs(low or 1), low + 0.5 * abs(low or 1))
    raw = (high - low) / _BINS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in _STEPS if s * power >= raw * (1 - 1e-9))
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.floor(low / step), math.floor(high / step) + 1
    if (
        not whole and (last - 1) * step >= high and last - 1 > first
    ):  # whole numbers at the upper bound need their own bin
        last -= 1
    return tuple(round(n * step, 10) for n in range(first, last + 1))


def summary_sql(source: str) -> str:
    """SQL for count, quantiles and mean of `value`, for each split and for all."""
    return f"""SELECT split, n, min, q[1] AS p5, q[2] AS median, mean, q[3] AS p95, max FROM (
  SELECT coalesce(split, 'all') AS split, grouping(split) AS whole, count(value) AS n, min(value) AS min,
    quantile_cont(value, [0.05, 0.5, 0.95]) AS q, avg(value) AS mean, max(value) AS max
  FROM ({source})
  WHERE value IS NOT NULL GROUP BY GROUPING SETS ((split), ()) HAVING count(value) > 0)
ORDER BY whole, split"""


def counted_summary_sql(source: str) -> str:
    """The same for values with many repeats: a quantile is the least value that at least this share does not exceed. Memory
    grows only with the number of different values."""
    return f"""WITH counted AS (
  SELECT split, value, count(*) AS n FROM ({source})
  WHERE value IS NOT NULL GROUP BY GROUPING SETS ((split, value), (value))),
ranked AS (
  SELECT split, value, n, sum(n) OVER (PARTITION BY split ORDER BY value) AS upto, sum(n) OVER (PARTITION BY split) AS total
  FROM counted)
SELECT coalesce(split, 'all') AS split, sum(n)::BIGINT AS n, min(value) AS min,
  min(value) FILTER (WHERE upto >= 0.05 * total) AS p5, min(value) FILTER (WHERE upto >= 0.5 * total) AS median,
  sum(value * n) / sum(n) AS mean, min(value) FILTER (WHERE upto >= 0.95 * total) AS p95, max(value) AS max
FROM ranked GROUP BY ranked.split ORDER BY ranked.split NULLS LAST"""


def histogram_sql(source: str, edges: Sequence[float]) -> str:
    """SQL for the number of values in each split and bin. Bins count from 0; the last one includes its upper bound."""
    step = round(edges[1] - edges[0], 10)
    place = f"floor((value - ({edges[0]:.10g})) / {step:.10g})"
    return f"""SELECT split, greatest(0, least({place}, {len(edges) - 2}))::INT AS bin, count(*) AS n
FROM ({source})
WHERE value IS NOT NULL GROUP BY ALL ORDER BY ALL"""


def numeric(
    database: Database,
    name: str,
    title: str,
    unit: str,
    source: str,
    *,
    whole: bool = False,
    alike: bool = False,
    missing: str = "",
    note: str = "",
    thresholds: Sequence[Mark] = (),
    references: Sequence[Mark] = (),
) -> Distribution:
    """The distribution of `source`, a query for (split, value). `missing` says what to do if there are no values. `whole` means
    that values are whole numbers, `alike` that there are very many values with many repeats."""
    summary = database.table(f"{title}, by split", (counted_summary_sql if alike else summary_sql)(source))
    if not summary.rows:
        return Distribution(name, title, unit, missing=missing or "There are no values.", note=note)
    low, p95, high = (float(summary.rows[-1][at]) for at in (2, 6, 7))
    low, p5 = float(low), float(summary.rows[-1][3])
    top = high if high <= 4 * max(p95, p5 + 1e-9) else p95 + (p95 - p5) * 0.5  # a far outlier must not flatten the rest
    edges = nice_edges(low, top, whole)
    sql = histogram_sql(source, edges)
    if edges[-1] < high:
        note = f"{note} The last bin holds all that is above, up to {high:,.4g}{f' {unit}' if unit else ''}.".strip()
    counts: dict[str, list[int]] = {}
    for split, at, n in database.rows(sql):
        counts.setdefault(str(split), [0] * (len(edges) - 1))[at] = n
    return Distribution(
        name, title, unit,
        series=tuple(Series(split, tuple(found)) for split, found in sorted(counts.items())),
        edges=edges, sql=database.printed(sql), summary=summary,
        thresholds=tuple(thresholds), references=tuple(references), note=note, whole=whole,
    )  # fmt: skip


def categories(
    database: Database, name: str, title: str, value: str, *, missing: str = "", note: str = ""
) -> Distribution:
    """The counts of the most frequent values of the expression `value` over the index. Null counts as "unknown"."""
    top = f"SELECT coalesce({value}, 'unknown') AS category, count(*) AS n FROM 'index/*.parquet' GROUP BY ALL"
    names = [str(row[0]) for row in database.rows(f"{top} ORDER BY n DESC, category LIMIT {_CATEGORIES + 1}")]
    if names == ["unknown"] and missing:
        return Distribution(name, title, "", missing=missing, note=note)
    shown = f"SELECT category FROM ({top}) ORDER BY n DESC, category LIMIT {_CATEGORIES}"
    sql = f"""SELECT split, CASE WHEN coalesce({value}, 'unknown') IN ({shown})
  THEN coalesce({value}, 'unknown') ELSE 'all others' END AS category, count(*) AS n
FROM 'index/*.parquet' GROUP BY ALL ORDER BY ALL"""
    if len(names) > _CATEGORIES:
        names[-1] = "all others"
    counts: dict[str, dict[str, int]] = {}
    for split, category, n in database.rows(sql):
        counts.setdefault(str(split), {})[category] = n
    series = tuple(Series(split, tuple(found.get(c, 0) for c in names)) for split, found in sorted(counts.items()))
    return Distribution(name, title, "", series=series, categories=tuple(names), sql=database.printed(sql), note=note)
