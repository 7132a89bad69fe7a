"""ActivityNet Captions: sentences that people wrote about stretches of YouTube videos. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, field, meta_of, sentences
from longtake.schemas.annotations import activitynet_sentences


def records(key: str, entry: Any) -> Iterator[Record]:
    """Yield the record of {"duration", "timestamps", "sentences"}; its key is v_ and the id."""
    yield {
        "video_id": key,
        "url": f"{YOUTUBE}{key.removeprefix('v_')}",
        "sentences": sentences(field(entry, "timestamps"), activitynet_sentences(entry)),
        "meta": meta_of(entry, "duration"),
    }


RECIPE = Recipe(
    name="activitynet",
    title="ActivityNet Captions",
    files="train.json, val_1.json, val_2.json, from captions.zip of the project page",
    licence="none stated for the captions; the videos are YouTube's",
    missing="the videos; the text is captions, not speech",
    paper="20 K videos, 100 K sentences, 3.65 a video, 36 s and 13.48 words each, 849 hours*",
    configuration="""\
source:
  recipe: activitynet
  videos: train.json                # val_1.json and val_2.json are two sets of captions of the same videos: take one
  uri: "videos/{video_id}.{ext}"    # videos/v_QOlSCBRmfWY.mp4
merge:
  min_sentences: 2                  # sentences overlap: each ends where the next one starts
  max_gap_ms: 60000
  max_duration_ms: 300000
# For retrieval, whole videos with their paragraphs (docs/tasks.md):
#   frames: {uniform: 32}
""",
    records=records,
)
