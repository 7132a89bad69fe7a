"""Checks of frames: they can be read, they show the wanted times, and they are worth training on. From the measures in
audit/frames."""

from collections.abc import Iterator, Mapping
from typing import Any

from longtake.pipeline.audit.checks.verdicts import counted
from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.result import AuditCheck, CheckStatus

_LATE_MS = 1000


def pictures(database: Database, config: Mapping[str, Any], measured: int) -> Iterator[AuditCheck]:
    """Check the frames. `measured` is the number of samples whose frames were measured."""
    tolerance = int(config.get("frames", {}).get("tolerance_ms", 0))
    limit = tolerance + _LATE_MS
    away = "list_transform(range(1, len(frame_pts_ms) + 1), lambda n: abs(frame_times_ms[n] - frame_pts_ms[n]))"
    late = f"list_max({away}) > {limit}"
    yield counted(
        database, "frame_times", "Frames are those that were on screen at the wanted times",
        f"SELECT count(*) AS value FROM 'index/*.parquet' WHERE {late}",
        none=f"No frame is over {limit:,} ms from its wanted time.",
        some=f"{{n}} samples have a frame that is over {limit:,} ms from its wanted time.",
        todo="Slides and frozen pictures are so by nature; else the source has holes: look at some in longtake browse.",
        examples=f"SELECT key, source_fps FROM 'index/*.parquet' WHERE {late} ORDER BY key",
    )  # fmt: skip
    if not measured:
        yield AuditCheck(
            "frames_read", "Frames can be read", CheckStatus.SKIP, "Not checked: no frames were measured.",
            "Run without --frames 0, where the shards are.",
        )  # fmt: skip
        return
    yield counted(
        database, "frames_read", "Frames can be read",
        "SELECT count(*) AS value FROM 'audit/frames/*.parquet' WHERE fault IS NOT NULL",
        none=f"The frames of {measured:,} samples were read, and their checksums are right.",
        some=f"Of {measured:,} samples that were looked at, {{n}} could not be read.", bad=CheckStatus.FAIL,
        todo="See longtake verify. Fetch the shards again, or longtake retry.",
        examples="SELECT key, fault FROM 'audit/frames/*.parquet' WHERE fault IS NOT NULL ORDER BY key",
    )  # fmt: skip
    for name, column, title, what in (
        ("black_frames", "black", "Frames are not black", "have mostly black frames"),
        ("frozen_frames", "frozen", "Pictures move", "show one picture most of the time"),
    ):
        where = f"FROM 'audit/frames/*.parquet' WHERE {column} > 0.5"
        yield counted(
            database, name, title, f"SELECT count(*) AS value {where}",
            none=f"None of {measured:,} samples that were looked at {what.replace('have', 'has').replace('show', 'shows')}.",
            some=f"Of {measured:,} samples that were looked at, {{n}} {what}.",
            todo=f"Look at them; set filters.max_{column} to leave such out.",
            examples=f"SELECT key, round({column}, 3) AS {column} {where} ORDER BY {column} DESC, key",
        )  # fmt: skip
