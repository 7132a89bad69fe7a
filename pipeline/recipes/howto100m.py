"""HowTo100M: ids of narrated instructional videos, and YouTube's captions of all of them in one JSON object. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, field, meta_of


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of a row: video_id, category_1, category_2, rank, task_id."""
    video_id = field(row, "video_id")
    yield {
        "video_id": video_id,
        "url": f"{YOUTUBE}{video_id}",
        "meta": meta_of(row, "category_1", "category_2", "rank", "task_id"),
    }


RECIPE = Recipe(
    name="howto100m",
    title="HowTo100M",
    files="HowTo100M_v1.csv and raw_caption.json (or caption.json), from HowTo100M.zip and raw_caption.zip of the project page",
    licence="none stated for the metadata; the code is Apache 2.0. The videos are YouTube's",
    missing="the videos",
    paper="1.2 M videos of 6.5 min, 136 M clips, 4 s and 4 words a clip*, 134.5 K hours",
    configuration="""\
source:
  recipe: howto100m
  videos: HowTo100M_v1.csv
  uri: "videos/{video_id}.{ext}"
  text:
    format: howto100m               # {id: {"start": [...], "end": [...], "text": [...]}}, one object for all videos
    path: raw_caption.json          # captions as YouTube has them; caption.json has them without stop words
""",
    records=records,
)
