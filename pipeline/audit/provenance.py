"""The origin of a corpus: licences, hosts, versions, history; and its figures beside published figures of others."""

import json

from longtake.pipeline.audit.checks.verdicts import as_table
from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.distributions import HD_VILA, LF_VILA
from longtake.pipeline.audit.result import Table
from longtake.schemas.manifest import CorpusManifest

_MOST = 50
_OF_CORPUS = """SELECT count(DISTINCT video_id) AS videos, count(*) AS clips, sum(end_ms - start_ms) / 3.6e6 AS hours,
  avg(end_ms - start_ms) / 1000 AS seconds, avg(n_words) AS words, avg(n_sentences) AS sentences,
  sum(n_words) / sum(n_sentences) AS words_per_sentence FROM 'index/*.parquet'"""
#: Published figures: videos, clips, hours, seconds, words, sentences, words per sentence; None if not published.
_PUBLISHED = (
    (
        "LF-VILA-8M",
        (None, 8_523_237, None, 100.2, 307.9, None, None),
        f"{LF_VILA}; number of long clips: its configuration",
    ),
    ("HD-VILA-100M", (3_300_000, 100_000_000, 371_500.0, 13.4, 32.5, 1.0, 32.5), HD_VILA),
)
_FIGURES = ("videos", "clips", "hours", "mean seconds of a clip", "mean words of a clip", "mean sentences of a clip",
            "mean words of a sentence")  # fmt: skip


def provenance(database: Database, manifest: CorpusManifest) -> tuple[Table, ...]:
    """The tables of the section on provenance."""
    licences = f"""SELECT coalesce(nullif(trim(license), ''), 'none') AS license, count(*) AS samples,
  count(DISTINCT video_id) AS videos FROM 'index/*.parquet' GROUP BY ALL ORDER BY samples DESC, license LIMIT {_MOST}"""
    versions: list[tuple[object, ...]] = sorted(manifest.versions.items())
    history: list[tuple[object, ...]] = [
        (entry.get("version"), entry.get("command"), json.dumps(entry, ensure_ascii=False, sort_keys=True))
        for entry in manifest.history
    ]
    settings: list[tuple[object, ...]] = [
        (name, json.dumps(value, ensure_ascii=False, sort_keys=True)) for name, value in sorted(manifest.config.items())
    ]
    tables = [
        database.table("Licences", licences),
        as_table("Settings", ("section", "values"), settings, "From corpus.json."),
        as_table("Versions", ("library", "version"), versions, "From corpus.json."),
    ]
    if history:
        tables.append(as_table("History", ("version", "command", "entry"), history, "From corpus.json."))
    return tuple(tables)


def beside_published(database: Database, name: str) -> Table:
    """The figures of the corpus beside the published ones."""
    own = database.rows(_OF_CORPUS)[0]
    others = [figures for _, figures, _ in _PUBLISHED]
    rows: list[tuple[object, ...]] = [
        (figure, *map(_told, (own[n], *(other[n] for other in others)))) for n, figure in enumerate(_FIGURES)
    ]
    sources = "; ".join(f"{other}: {source}" for other, _, source in _PUBLISHED)
    columns = ("figure", name, *(other for other, _, _ in _PUBLISHED))
    return Table("Beside published datasets", columns, tuple(rows), database.printed(_OF_CORPUS), f"{sources}.")


def _told(value: float | None) -> str:
    if value is None:
        return "not published"
    return f"{value:,.0f}" if float(value).is_integer() or value >= 1000 else f"{value:,.2f}"
