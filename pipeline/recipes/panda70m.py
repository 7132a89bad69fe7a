"""Panda-70M: YouTube videos with clips and captions that models wrote, a row for each video. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import Recipe, Record, field, literal, sentences


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of a row; `timestamp` and `caption` are lists as Python writes them."""
    spans, captions = literal(field(row, "timestamp")), literal(field(row, "caption"))
    yield {"video_id": field(row, "videoID"), "url": row.get("url", ""), "sentences": sentences(spans, captions)}


RECIPE = Recipe(
    name="panda70m",
    title="Panda-70M",
    files="panda70m_training_{full,10m,2m}.csv, _validation.csv, _testing.csv, linked in snap-research/Panda-70M",
    licence="Snap's licence for research, non-commercial (LICENSE of the repository)",
    missing="the videos; the text is captions, not speech",
    paper="3.8 M videos, 70.8 M clips, 8.5 s and 13.2 words a clip, 166.8 K hours",
    configuration="""\
source:
  recipe: panda70m
  videos: panda70m_training_2m.csv  # unzipped; videoID, url, timestamp, caption, matching_score ...
  uri: "videos/{video_id}.{ext}"
merge:
  min_sentences: 2                  # the subsets 10m and 2m have at most three clips of a video
  max_gap_ms: 60000                 # between two captioned clips
""",
    records=records,
)
