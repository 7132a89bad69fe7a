"""Fill the cache: the index goes into a DuckDB file, its words into SQLite FTS5. Rows are numbered from 0 in the order of the
index.

Memory holds one batch after another; the two databases are filled at the same time.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import duckdb
import pyarrow as pa

from longtake.pipeline.browse.search_words import spaced
from longtake.pipeline.browse.table_rows import batches, spoken
from longtake.pipeline.corpus.withdrawn import REASONS_SQL, Withdrawn, read_withdrawn
from longtake.schemas import storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout

Report = Callable[[int], None]  # number of finished rows

TABLES, WORDS = "corpus.duckdb", "words.sqlite"
MEMORY = "1GB"  # for DuckDB
_NESTED = ("members", "frame_pts_ms", "sentences", "frame_times_ms", "uri", "sha256")
COLUMNS = tuple(name for name in tables.INDEX.names if name not in _NESTED)
_TOGETHER = 20_000  # rows of an INSERT
_QUOTES = "AND NOT (subject = 'sentence' AND starts_with(detail, 'in long clip '))"  # details with an id only
_MAX_META = 2000  # searchable characters of metadata
_TEXTS = ("url", "license", "paragraph", "split", "shard", "video_id", "key", "meta")


def fill(folder: str, layout: Layout, report: Report) -> None:
    """Make the databases of a cache in `folder`. Raises CorpusError if a table of the corpus is damaged."""
    connection = duckdb.connect(os.path.join(folder, TABLES), config={"memory_limit": MEMORY})
    try:
        connection.execute(f"SET temp_directory = '{os.path.join(folder, 'spill').replace(chr(39), chr(39) * 2)}'")
        with _Words(os.path.join(folder, WORDS)) as words:
            _fill_samples(connection, words, layout, report)
        withdrawn = read_withdrawn(layout)
        _fill_ledger(connection, layout, withdrawn)
        _fill_lost(connection, layout, withdrawn)
        connection.execute("CHECKPOINT")
    finally:
        connection.close()


def _fill_samples(connection: duckdb.DuckDBPyConnection, words: "_Words", layout: Layout, report: Report) -> None:
    schema = pa.schema([tables.INDEX.field(name) for name in COLUMNS])
    connection.register("batch", schema.empty_table())
    chosen = ", ".join(f"coalesce({name}, '') AS {name}" if name in _TEXTS else name for name in COLUMNS)
    select = f"""
        SELECT row_id, {chosen}, (end_ms - start_ms) / 1000 AS duration,
               n_words / nullif((end_ms - start_ms) / 1000, 0) AS words_per_second FROM"""
    empty = schema.empty_table().append_column("row_id", pa.array([], pa.int32()))
    connection.register("batch", empty)
    connection.execute(f"CREATE TABLE samples AS {select} batch")
    connection.execute("CREATE TABLE index_file (first_row INTEGER, shard VARCHAR)")
    done, waiting = 0, list[pa.Table]()

    def flush() -> None:
        if waiting:
            connection.register("batch", pa.concat_tables(waiting))
            connection.execute(f"INSERT INTO samples {select} batch")
            waiting.clear()

    for path in storage.list_files(layout.index, ".parquet"):
        shard = path.rsplit("/", 1)[-1].removesuffix(".parquet")
        connection.execute("INSERT INTO index_file VALUES (?, ?)", [done, shard])
        for batch, said in zip(batches(path, tables.INDEX, COLUMNS), _said(path), strict=True):
            batch = batch.append_column("row_id", pa.array(range(done, done + len(batch)), pa.int32()))
            words.add(done, batch, said)
            waiting.append(batch)
            done += len(batch)
            if sum(map(len, waiting)) >= _TOGETHER:
                flush()
            report(done)
    flush()
    connection.unregister("batch")


def _said(path: str) -> Iterator[list[str]]:
    try:
        yield from spoken(path)
    except storage.PARQUET_ERRORS as error:
        raise CorpusError(
            f"{path}: unreadable: {storage.damage(error)}. Check the corpus with: longtake verify"
        ) from None


def _fill_ledger(connection: duckdb.DuckDBPyConnection, layout: Layout, withdrawn: Withdrawn) -> None:
    """Fill in the ledger. Withdrawn rows get no details, because details can quote text."""
    connection.register("withdrawn", pa.table({"video_id": pa.array(sorted(withdrawn.videos), pa.string())}))
    connection.register("batch", tables.LEDGER.empty_table())
    connection.execute("CREATE TABLE ledger AS SELECT * FROM batch")
    told = f"CASE WHEN (reason IN {REASONS_SQL} OR video_id IN (FROM withdrawn)) {_QUOTES} THEN '' ELSE detail END"
    for path in storage.list_files(layout.ledger, ".parquet"):
        for batch in batches(path, tables.LEDGER, tables.LEDGER.names):
            connection.register("batch", batch)
            connection.execute(f"INSERT INTO ledger SELECT * REPLACE ({told} AS detail) FROM batch")  # noqa: S608
    connection.unregister("withdrawn")


def _fill_lost(connection: duckdb.DuckDBPyConnection, layout: Layout, withdrawn: Withdrawn) -> None:
    """Fill in the planned rows of long clips that were dropped later: only the plan has their texts."""
    names = ("key", "video_id", "start_ms", "end_ms", "n_sentences", "n_words", "split", "paragraph")
    connection.execute("CREATE TEMP TABLE gone AS SELECT DISTINCT subject_id FROM ledger WHERE subject = 'clip'")
    connection.register("batch", pa.schema([tables.PLAN.field(name) for name in names]).empty_table())
    connection.execute("CREATE TABLE lost AS SELECT * FROM batch")
    for path in storage.list_files(layout.plan, ".parquet"):
        for batch in batches(path, tables.PLAN, names):
            if withdrawn:
                ids = zip(batch["video_id"].to_pylist(), batch["key"].to_pylist(), strict=True)
                batch = batch.filter(pa.array([not withdrawn.clip(video_id, key) for video_id, key in ids]))
            connection.register("batch", batch)
            connection.execute("INSERT INTO lost SELECT * FROM batch WHERE key IN (FROM gone)")


class _Words:
    """The full-text index, filled in a separate thread, and the row number of each key."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[Future[None]] = []

    def __enter__(self) -> "_Words":
        self._thread.submit(self._open).result()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self._wait(0)
                self._thread.submit(self._finish).result()
        finally:
            self._thread.submit(self._database.close).result()
            self._thread.shutdown()

    def add(self, first: int, batch: pa.Table, said: list[str]) -> None:
        """Take rows `first`, `first` + 1, ... Wait if the index cannot keep up."""
        self._wait(2)
        self._waiting.append(self._thread.submit(self._insert, first, batch, said))

    def _wait(self, most: int) -> None:
        while len(self._waiting) > most:
            self._waiting.pop(0).result()

    def _open(self) -> None:
        self._database = sqlite3.connect(self._path, isolation_level=None)
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
            CREATE VIRTUAL TABLE words USING fts5(
                text, about, content = '', columnsize = 0, tokenize = "unicode61 remove_diacritics 2");
            INSERT INTO words(words, rank) VALUES ('hashsize', 33554432);
            CREATE TABLE keys (key TEXT PRIMARY KEY, row_id INTEGER) WITHOUT ROWID;
            BEGIN;
            """
        )

    def _insert(self, first: int, batch: pa.Table, said: list[str]) -> None:
        keys, videos, metas = (batch[name].to_pylist() for name in ("key", "video_id", "meta"))
        texts = (spaced(f"{text or ''} {own}") for text, own in zip(batch["paragraph"].to_pylist(), said, strict=True))
        abouts = (spaced(_about(*row)) for row in zip(keys, videos, metas, strict=True))
        rows = zip(range(first, first + len(batch)), texts, abouts, strict=True)
        self._database.executemany("INSERT INTO words(rowid, text, about) VALUES (?, ?, ?)", rows)
        places = ((key, first + n) for n, key in enumerate(keys) if key is not None)
        self._database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", places)

    def _finish(self) -> None:
        self._database.execute("COMMIT")


def _about(key: str | None, video_id: str | None, meta: str | None) -> str:
    """The searchable text besides the paragraph: key, video and the texts in the metadata."""
    parts = [key or ""]
    if video_id and not parts[0].startswith(video_id):
        parts.append(video_id)
    if meta and meta != "{}":
        try:
            found = json.loads(meta)
            parts += [v for v in found.values() if isinstance(v, str)] if isinstance(found, dict) else []
        except (ValueError, RecursionError):
            pass
    return " ".join(parts)[: _MAX_META + 1000]
