"""The rows of an index in SQLite, for Datasette: as audit.py asks, in a fresh process."""

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

_NESTED = ("members", "frame_pts_ms", "sentences", "frame_times_ms", "uri", "sha256", "meta")
_INDEXED = ("split", "language", "license", "video_id", "key")


def main() -> None:
    """Fill the table `samples`, index its columns, make the full text."""
    job = json.loads(Path(sys.argv[1]).read_text())
    database, steps = Path(job["database"]), {}
    database.parent.mkdir(parents=True)
    begun = time.monotonic()
    files = sorted((Path(job["corpus"]) / "index").glob("*.parquet"))
    names = [name for name in pq.read_schema(files[0]).names if name not in _NESTED]
    every = [*names, "duration", "words_per_second", "about"]
    connection = sqlite3.connect(database)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
    connection.execute(f"CREATE TABLE samples ({', '.join(every)})")
    for path in files:
        columns = pq.read_table(path, columns=[*names, "meta"]).to_pydict()
        columns["duration"] = [
            (end - start) / 1000 for start, end in zip(columns["start_ms"], columns["end_ms"], strict=True)
        ]
        columns["words_per_second"] = [n / d for n, d in zip(columns["n_words"], columns["duration"], strict=True)]
        metas = (" ".join(map(str, json.loads(meta).values())) for meta in columns["meta"])
        columns["about"] = [f"{key} {meta}" for key, meta in zip(columns["key"], metas, strict=True)]
        rows = zip(*(columns[name] for name in every), strict=True)
        connection.executemany(f"INSERT INTO samples VALUES ({', '.join('?' * len(every))})", rows)  # noqa: S608
    connection.commit()
    steps["rows"] = time.monotonic() - begun
    for name in (*_INDEXED, *job["indexed"]):
        connection.execute(f"CREATE INDEX by_{name} ON samples ({name})")
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()
    steps["indexes"] = time.monotonic() - begun - steps["rows"]
    tool = [job["sqlite_utils"], "enable-fts", str(database), "samples", "paragraph", "about", "--fts5"]
    subprocess.run(tool, check=True, capture_output=True)
    steps["full text"] = time.monotonic() - begun - steps["rows"] - steps["indexes"]
    Path(sys.argv[2]).write_text(json.dumps({name: round(seconds, 1) for name, seconds in steps.items()}))


if __name__ == "__main__":
    main()
