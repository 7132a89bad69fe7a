"""The Beam job of an audit: measure the frames of samples, shard by shard, and write audit/frames/<shard>.parquet."""

from typing import Any

import apache_beam as beam

from longtake.pipeline.audit.frames import FRAMES, Look, look
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import storage, tables
from longtake.schemas.layout import Layout


def add_looking(root: Any, layout: Layout, work: list[Look], folder: str) -> None:
    """Measure the samples of `work`, and write the tables into `folder`."""
    _ = root | "Shards" >> beam.Create(work) | "Spread" >> beam.Reshuffle() | "Look" >> beam.Map(_look, layout, folder)


def _look(piece: Look, layout: Layout, folder: str) -> None:
    rows = list(look(layout, piece))
    storage.write_parquet(storage.join(folder, f"{piece.shard}.parquet"), tables.table(rows, FRAMES), 4096)
    PROGRESS.add(looked=len(rows))
