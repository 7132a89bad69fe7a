"""Datasette on the rows of a corpus: what one would set up today to search and filter a large table in a browser.

It gets a virtual environment of its own, and all that speeds it up: an index on each column that is asked for, FTS5 on the text
(`sqlite-utils enable-fts`), the pages of 50 rows that ours have, no suggested facets, and time to finish.
"""

import shutil
import sqlite3
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from measure import Failed

TABLE = "samples"
COLUMNS = (
    "key", "video_id", "split", "shard", "position", "url", "license", "language", "start_ms", "end_ms", "n_sentences", "n_words",
    "coherence", "duplicate_of", "duplicate_video_of", "evaluation_overlap", "score_relevance", "score_black", "score_repetition",
    "score_non_speech", "score_pii", "score_short_side", "paragraph",
)  # fmt: skip
_COMPUTED = ("duration", "words_per_second")
_KINDS = {"position", "start_ms", "end_ms", "n_sentences", "n_words"}
_PACKAGES = ("datasette==0.65.5", "sqlite-utils==4.2.1")
_WAIT_MS = 60_000


class Missing(Exception):
    """The peer cannot be had here; the message says why."""


@dataclass(frozen=True)
class Peer:
    """Where Datasette is installed, and its version."""

    folder: Path
    version: str

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def command(self, database: Path, port: int) -> list[str]:
        """What serves a database."""
        settings = {
            "sql_time_limit_ms": str(_WAIT_MS), "default_page_size": "50", "suggest_facets": "off", "facet_time_limit_ms": "1000",
        }  # fmt: skip
        command = [self.program("datasette"), "serve", str(database), "--host", "127.0.0.1", "--port", str(port)]
        for name, value in settings.items():
            command += ["--setting", name, value]
        return command


def install(folder: Path) -> Peer:
    """Datasette in a virtual environment in `folder`, kept for later runs. Raises Missing."""
    peer = folder / "bin" / "datasette"
    try:
        if not peer.exists():
            venv.create(folder, with_pip=True, clear=True)
            command = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *_PACKAGES]
            subprocess.run(command, check=True, capture_output=True, timeout=600)
        told = subprocess.run([str(peer), "--version"], check=True, capture_output=True, timeout=60)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Missing(f"not installed: {error.stderr.decode(errors='replace')[-300:].strip()}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"not installed: {error}") from None
    return Peer(folder, told.stdout.decode().split()[-1])


def load(peer: Peer, corpus: Path, database: Path, indexed: Sequence[str]) -> dict[str, float]:
    """Make the database from the index of a corpus: seconds for rows, indexes and full text. Raises Failed."""
    database.unlink(missing_ok=True)
    begun = time.monotonic()
    connection = sqlite3.connect(database, isolation_level=None)
    kinds = [f"{name} {_kind(name)}" for name in (*COLUMNS, *_COMPUTED)]
    kinds[0] += " PRIMARY KEY"
    connection.executescript(
        f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE {TABLE} ({', '.join(kinds)}); BEGIN"
    )
    places = ", ".join("?" * len(kinds))
    for path in sorted((corpus / "index").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(2048, columns=list(COLUMNS)):
            columns = [batch.column(name).to_pylist() for name in COLUMNS]
            seconds = [(b - a) / 1000 for a, b in zip(batch["start_ms"].to_pylist(), batch["end_ms"].to_pylist(), strict=True)]
            rates = [n / s if s else None for n, s in zip(batch["n_words"].to_pylist(), seconds, strict=True)]
            connection.executemany(f"INSERT INTO {TABLE} VALUES ({places})", zip(*columns, seconds, rates, strict=True))  # noqa: S608
    connection.execute("COMMIT")
    connection.close()
    spent = {"rows": time.monotonic() - begun}
    begun = time.monotonic()
    for name in indexed:
        _run([peer.program("sqlite-utils"), "create-index", str(database), TABLE, name])
    spent["indexes"] = time.monotonic() - begun
    begun = time.monotonic()
    _run([peer.program("sqlite-utils"), "enable-fts", str(database), TABLE, "paragraph"])
    _run([peer.program("sqlite-utils"), "analyze", str(database)])
    spent["full text"] = time.monotonic() - begun
    return {name: round(value, 1) for name, value in spent.items()}


def _kind(name: str) -> str:
    if name in _KINDS:
        return "INTEGER"
    return "REAL" if name.startswith("score_") or name in ("coherence", *_COMPUTED) else "TEXT"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')[-1500:]}")


def count(database: Path, where: str, values: Sequence[Any], text: str = "") -> int:
    """How many rows a question has, asked of SQLite itself: whether both answer the same question."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        if text:
            where += f" AND rowid IN (SELECT rowid FROM {TABLE}_fts WHERE {TABLE}_fts MATCH ?)"  # noqa: S608
            values = (*values, text)
        return int(connection.execute(f"SELECT count(*) FROM {TABLE} WHERE {where}", values).fetchone()[0])  # noqa: S608
    finally:
        connection.close()


if __name__ == "__main__":
    print(install(Path(sys.argv[1])))
