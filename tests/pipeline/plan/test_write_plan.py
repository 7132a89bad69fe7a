"""The plan as it is written: rows with and without scores of their speech in one part, in whatever batches they come."""

from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest

from longtake.pipeline.plan.graph import write_plan
from longtake.pipeline.run.batches import Batches
from longtake.pipeline.run.parts import with_hash
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas import storage, tables
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip, Sentence, SourceVideo, SpeechScores

HEARD = SpeechScores(-0.25, 0.1, 1.5, "en", 0.9, None)


def clip(video_id: str, speech: SpeechScores | None) -> LongClip:
    said = tuple(Sentence(f"{video_id}.{n}", 1000 * n, 1000 * n + 900, f"Sentence {n}.") for n in range(3))
    video = SourceVideo(video_id, f"{video_id}.mp4", "", "", "{}")
    return LongClip(f"{video_id}-000000000-000002900", video, said, (0, 1000, 2000), split="train", speech=speech)


@pytest.mark.parametrize("columns_first", [True, False])
def test_a_part_holds_the_speech_of_some(columns_first: bool, tmp_path: Path) -> None:
    objects, columns = [clip("a", HEARD), clip("b", None)], [clip("c", None)]
    if columns_first:
        objects, columns = columns, objects
    batch = Batches().of(with_hash(tables.bare_plan_table(columns), [one.video.video_id for one in columns], 3))
    layout = Layout(str(tmp_path / "out"))
    with beam.Pipeline(options=pipeline_options([], 1)) as root:
        clips = root | "Clips" >> beam.Create(objects, reshuffle=False)
        batches = root | "Batches" >> beam.Create([batch], reshuffle=False)
        write_plan(clips, 3, 2, layout, (batches,))
    (part,) = storage.list_files(layout.plan, ".parquet")
    table = pq.read_table(part)
    assert table.column_names == [*tables.PLAN.names, *tables.SPEECH.names]
    found = {row["video_id"]: tables.clip_from_row(row) for row in table.to_pylist()}
    assert [row["paragraph"] for row in table.to_pylist()] == ["Sentence 0. Sentence 1. Sentence 2."] * 3
    for made in (*objects, *columns):
        read = found[made.video.video_id]
        assert read.position >= 0
        unplaced = replace(read, shard=made.shard, position=made.position)
        assert unplaced == replace(made, speech=made.speech or SpeechScores())
