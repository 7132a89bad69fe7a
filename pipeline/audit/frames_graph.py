"""The Beam job of an audit: measure the frames of samples, shard by shard, and write audit/frames/<shard>.parquet."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from longtake.pipeline.audit.frames import FRAMES, Look, look
from longtake.pipeline.run.concurrent import Concurrent
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import storage, tables
from longtake.schemas.layout import Layout


def add_looking(root: Any, layout: Layout, work: list[Look], folder: str, workers: int) -> None:
    """Measure the samples of `work`, and write the tables into `folder`. `workers` is as in Concurrent."""
    _ = (
        root
        | "Shards" >> beam.Create(work)
        | "Spread" >> beam.Reshuffle()
        | "Look" >> beam.ParDo(Concurrent(LookAtFrames(layout, folder), workers))
    )


class LookAtFrames(beam.DoFn):
    """A DoFn that writes the table of a piece of work."""

    def __init__(self, layout: Layout, folder: str) -> None:
        self._layout, self._folder = layout, folder

    def process(self, piece: Look) -> Iterator[None]:
        rows = list(look(self._layout, piece))
        storage.write_parquet(storage.join(self._folder, f"{piece.shard}.parquet"), tables.table(rows, FRAMES), 4096)
        PROGRESS.add(looked=len(rows))
        yield from ()
