"""WebVid: stock videos with one caption each. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import Recipe, Record, field, iso_seconds, meta_of, whole


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of a row: videoid, contentUrl, duration (PT00H00M14S), page_dir, name."""
    yield {
        "video_id": field(row, "videoid"),
        "url": row.get("contentUrl", ""),
        "sentences": whole(iso_seconds(field(row, "duration")), field(row, "name")),
        "meta": meta_of(row, "page_dir"),
    }


RECIPE = Recipe(
    name="webvid",
    title="WebVid",
    files="results_2M_train.csv, results_2M_val.csv, results_10M_train.csv of m-bain/webvid; no longer offered by its authors",
    licence="none for the videos, which belong to their makers",
    missing="the videos; the text is one caption each, not speech",
    paper="10.7 M videos, 18 s and 12 words each, 52 K hours (of WebVid-2M: 2.5 M, 13 K hours)*",
    configuration="""\
source:
  recipe: webvid
  videos: results_2M_train.csv
  uri: "videos/{video_id}.{ext}"
merge:
  min_sentences: 1                  # the caption of the whole video is its only sentence
  max_duration_ms: 600000
""",
    records=records,
)
