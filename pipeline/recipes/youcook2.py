"""YouCook2: sentences that people wrote about the steps of cooking videos of YouTube. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, field, meta_of, sentences


def records(key: str, entry: Any) -> Iterator[Record]:
    """Yield the records of {"database": {id: {"annotations": [{"segment", "sentence"}], ...}}}, or the one of {"timestamps",
    "sentences"}, as others publish it."""
    if key == "database" and isinstance(entry, dict):
        for video_id, video in entry.items():
            yield from records(video_id, video)
        return
    if isinstance(entry, dict) and "annotations" in entry:
        steps = entry["annotations"]
        said = sentences([field(step, "segment") for step in steps], [field(step, "sentence") for step in steps])
    else:
        said = sentences(field(entry, "timestamps"), field(entry, "sentences"))
    video_id = key.removeprefix("v_")
    yield {
        "video_id": video_id,
        "url": entry.get("video_url", f"{YOUTUBE}{video_id}"),
        "sentences": said,
        "meta": meta_of(entry, "duration", "recipe_type", "subset"),
    }


RECIPE = Recipe(
    name="youcook2",
    title="YouCook2",
    files="youcookii_annotations_trainval.json, from youcookii_annotations_trainval.tar.gz of the project page",
    licence="MIT (ProcNets-YouCook2); the videos are YouTube's",
    missing="the videos, and the sentences of the test set; the text is captions, not speech",
    paper="2 K videos of 5.26 min, 7.7 segments a video, 19.6 s and 8.8 words each, 176 hours*",
    configuration="""\
source:
  recipe: youcook2
  videos: youcookii_annotations_trainval.json
  uri: "videos/{video_id}.{ext}"
merge:
  min_sentences: 2
  max_gap_ms: 60000                 # nothing is written about what happens between two steps
  max_duration_ms: 600000
""",
    records=records,
)
