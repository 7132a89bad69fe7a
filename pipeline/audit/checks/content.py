"""Checks of use and content: licences, personal data, sources, and whether text and pictures belong together."""

from collections.abc import Iterator, Sequence

from longtake.pipeline.audit.checks.verdicts import EXAMPLES, as_table, counted
from longtake.pipeline.audit.database import Database, quoted
from longtake.pipeline.audit.result import AuditCheck, CheckStatus
from longtake.pipeline.publish.licences import OTHER, UNKNOWN, licence, restriction
from longtake.schemas.wording import plural

_EMAIL = r"[A-Za-z0-9_%+-][A-Za-z0-9._%+-]*@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}"
_NUMBER = r"(\+?\d[ .()-]{0,2}){9,}\d"  # ten digits or more: telephone, card
_HOST = "coalesce(nullif(lower(regexp_extract(url, '^https?://([^/:?#]+)', 1)), ''), 'no url')"
_MAX_SHARE = 0.2  # of one video
_MISFIT = 0.2  # cosine similarity that CLIP gives to unrelated pictures and texts
_UNEVEN = 0.1
_LISTED = 20  # licences


def licences(database: Database, allowed: Sequence[str] = ()) -> Iterator[AuditCheck]:
    """Check that each sample has a licence, what the licence allows, that it has a URL, and whether its text has personal data.

    `allowed` are licences, by their ids on the hub or as records state them; empty if no list was given.
    """
    where = "FROM 'index/*.parquet' WHERE trim(coalesce(license, '')) = ''"
    yield counted(
        database, "licences", "Every sample has a licence", f"SELECT count(*) AS value {where}",
        none="Every sample names the licence of its video.", some="{n} samples have no licence.",
        todo="Add a license to the records of these videos and build again, or take them down.",
        examples=f"SELECT video_id, any_value(url) AS url, count(*) AS samples {where} GROUP BY ALL "
        "ORDER BY samples DESC, video_id",
    )  # fmt: skip
    yield _terms(database, allowed)
    where = "FROM 'index/*.parquet' WHERE coalesce(url, '') = ''"
    yield counted(
        database, "origins", "Every sample names where it comes from", f"SELECT count(*) AS value {where}",
        none="Every sample has the URL of its video.", some="{n} samples have no URL.",
        todo="Add a url to the records: without it nobody can look at the original, or ask its owner.",
        examples=f"SELECT video_id, count(*) AS samples {where} GROUP BY ALL ORDER BY samples DESC, video_id",
    )  # fmt: skip
    scored = int(database.value("SELECT count(score_pii) AS value FROM 'index/*.parquet'"))
    if scored:
        sql = "SELECT count(*) AS value FROM 'index/*.parquet' WHERE score_pii > 0"
        examples = (
            "SELECT key, score_pii AS findings FROM 'index/*.parquet' WHERE score_pii > 0 ORDER BY findings DESC, key"
        )
        how = ""
    else:
        found = f"regexp_matches(paragraph, '{_EMAIL}') OR regexp_matches(paragraph, '{_NUMBER}')"
        sql = f"SELECT count(*) AS value FROM 'index/*.parquet' WHERE {found}"
        examples = f"SELECT key FROM 'index/*.parquet' WHERE {found} ORDER BY key"
        how = " Looked for by pattern only; filters: {scores: true} knows telephone numbers by their plan."
    yield counted(
        database, "personal_data", "No text holds e-mail addresses or telephone or card numbers", sql,
        none=f"None was found.{how}", some=f"{{n}} samples seem to hold some.{how}",
        todo="Look at them in longtake browse; plan with filters: {pii: mask} or drop.", examples=examples,
    )  # fmt: skip


def _terms(database: Database, allowed: Sequence[str]) -> AuditCheck:
    """Check the licences of the samples: against the list `allowed` if there is one, else for known restrictions."""
    title = "Licences are on the list" if allowed else "Licences allow commercial use and derivatives"
    stated = "coalesce(trim(license), '')"
    wanted = "true" if allowed else f"{stated} <> ''"  # another check finds missing licences
    texts = [str(row[0]) for row in database.rows(f"SELECT DISTINCT {stated} FROM 'index/*.parquet' WHERE {wanted}")]
    judged = {text: faults for text in sorted(texts) if (faults := _faults(text, allowed))}
    if not judged:
        found = (
            "All that are stated are on it."
            if allowed
            else "None that is stated restricts either, as far as licences are known here."
        )
        return AuditCheck("licence_terms", title, CheckStatus.PASS, found)
    listed = ", ".join(quoted(text) for text in judged)
    sql = f"SELECT count(*) AS value FROM 'index/*.parquet' WHERE {stated} IN ({listed})"
    by_licence = f"""SELECT {stated} AS license, count(*) AS samples FROM 'index/*.parquet'
WHERE {stated} IN ({listed}) GROUP BY ALL ORDER BY samples DESC, license"""
    rows = [(text, judged[str(text)], samples) for text, samples in database.rows(by_licence)]
    n, why = sum(samples for *_, samples in rows), sorted(set(judged.values()))
    return AuditCheck(
        "licence_terms", title, CheckStatus.FAIL if allowed else CheckStatus.WARN,
        f"{plural(n, 'sample')} of {plural(len(judged), 'licence')}: {'; '.join(why)}.",
        "Take these videos down, or ask whoever knows whether your use is allowed; --licences LIST says what is.",
        database.printed(sql), as_table("Licences", ("license", "why", "samples"), list(rows[:_LISTED])),
    )  # fmt: skip


def _faults(text: str, allowed: Sequence[str]) -> str:
    """The objection to a licence; "" if there is none."""
    if allowed:
        listed = {known for name in allowed for known in _names(name)}
        return "" if _names(text) & listed else "not on the list"
    return restriction(text)


def allowed_texts(texts: Sequence[str], allowed: Sequence[str]) -> set[str]:
    """Those of the stated licences that are on a list: ids on the hub, or as records state them."""
    return {text for text in texts if not _faults(text, allowed)}


def _names(text: str) -> set[str]:
    """The names of a licence. An id that many licences share, such as "cc", is not one of them."""
    found = licence(text)
    return {text.lower(), found.name.lower(), found.hub_id} - {OTHER, UNKNOWN, "cc"}


def balance(database: Database) -> Iterator[AuditCheck]:
    """Check whether few sources provide most samples, and whether shards have similar sizes."""
    total = int(database.value("SELECT count(*) AS value FROM 'index/*.parquet'"))
    videos = "SELECT video_id, count(*) AS n FROM 'index/*.parquet' GROUP BY ALL"
    sql = f"SELECT max(n) / sum(n) AS value FROM ({videos})"
    share = float(database.value(sql) or 0)
    n_videos = int(database.value("SELECT count(DISTINCT video_id) AS value FROM 'index/*.parquet'"))
    title = "No video makes up much of the corpus"
    found = f"The video with the most samples has {share:.1%} of them."
    top = database.table("Videos with the most samples", f"{videos} ORDER BY n DESC, video_id LIMIT {EXAMPLES}")
    if share <= _MAX_SHARE or n_videos < 10:
        few = f" With {n_videos:,} videos that is no fault." if share > _MAX_SHARE else ""
        yield AuditCheck(
            "balance_videos", title, CheckStatus.PASS, found + few, sql=database.printed(sql), examples=top
        )
    else:
        todo = "Limit what one video may bring: edit the plan with SQL (docs/format.md), and build that."
        yield AuditCheck("balance_videos", title, CheckStatus.WARN, found, todo, database.printed(sql), top)
    hosts = f"SELECT {_HOST} AS host, count(*) AS n FROM 'index/*.parquet' GROUP BY ALL"
    table = database.table("Samples by host", f"{hosts} ORDER BY n DESC, host LIMIT {EXAMPLES}")
    sql = f"SELECT max(n) / sum(n) AS value FROM ({hosts})"
    share = float(database.value(sql) or 0)
    yield AuditCheck(
        "balance_hosts", "Where samples come from", CheckStatus.PASS,
        f"{share:.1%} of {total:,} samples come from {table.rows[0][0] if table.rows else 'nowhere'}.",
        sql=database.printed(sql), examples=table,
    )  # fmt: skip
    sizes = """SELECT split, count(*) AS shards, min(samples) AS fewest, max(samples) AS most FROM (
  SELECT split, shard, count(*) AS samples FROM 'index/*.parquet' GROUP BY ALL)
GROUP BY ALL ORDER BY split"""
    shards = database.table("Samples in a shard", sizes)
    sql = f"SELECT count(*) AS value FROM ({sizes}) WHERE shards > 1 AND most - fewest > greatest(1, {_UNEVEN} * most)"
    uneven = int(database.value(sql))
    yield AuditCheck(
        "shard_evenness", "Shards are of a size", CheckStatus.WARN if uneven else CheckStatus.PASS,
        f"In {uneven} of {len(shards.rows)} splits the smallest shard has over {_UNEVEN:.0%} fewer samples than the largest."
        if uneven else "Shards of a split differ by 10 % of their samples at most.",
        "Distributed training waits for the largest: longtake reshard CORPUS evens them out." if uneven else "",
        database.printed(sql), shards,
    )  # fmt: skip


def belonging(database: Database) -> Iterator[AuditCheck]:
    """Check whether text and frames belong together, as far as scores show."""
    title = "Texts fit their frames"
    if not int(database.value("SELECT count(score_relevance) AS value FROM 'index/*.parquet'")):
        yield AuditCheck(
            "text_frames", title, CheckStatus.SKIP, "Not measured: no model scored texts against frames.",
            "Set filters.clip_model and build again; or let people judge: longtake audit --sample 200.",
        )  # fmt: skip
    else:
        sql = f"SELECT count(*) AS value FROM 'index/*.parquet' WHERE score_relevance < {_MISFIT}"
        yield counted(
            database, "text_frames", title, sql,
            none=f"No sample scores below {_MISFIT}.", some=f"{{n}} samples score below {_MISFIT}, as unrelated ones do.",
            todo="Look at the worst below; set filters.min_relevance.",
            examples=f"SELECT key, score_relevance FROM 'index/*.parquet' WHERE score_relevance < {_MISFIT} "
            "ORDER BY score_relevance, key",
        )  # fmt: skip
    fast = "n_words / (list_sum(list_transform(sentences, lambda s: s.end_ms - s.start_ms)) / 1000.0)"
    sql = f"SELECT count(*) AS value FROM 'index/*.parquet' WHERE {fast} > 7"
    yield counted(
        database, "speech_rate", "Nobody speaks faster than people do", sql,
        none="No sample has over 7 words per second of speech.", some="{n} samples have over 7 words per second of speech.",
        todo="Their times are likely wrong: look at some, then set filters.max_words_per_second.",
        examples=f"SELECT key, round({fast}, 2) AS words_per_second FROM 'index/*.parquet' WHERE {fast} > 7 "
        "ORDER BY words_per_second DESC, key",
    )  # fmt: skip
