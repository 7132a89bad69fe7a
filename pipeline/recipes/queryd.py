"""QuerYD: spoken descriptions of YouTube videos; all of a video are its paragraph. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.questions import WHOLE_VIDEOS, described
from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record
from longtake.schemas.annotations import queryd_sentences


def records(key: str, captions: Any) -> Iterator[Record]:
    """Yield the record of an entry: captions, each a list of words; its key is video- and the id."""
    yield described(key, queryd_sentences(captions)) | {"url": f"{YOUTUBE}{key.removeprefix('video-')}"}


RECIPE = Recipe(
    name="queryd",
    title="QuerYD",
    files="raw_captions_combined_filtered.pkl of the project page, made into JSON once (`longtake plan` prints how)",
    licence="none stated for the captions; the videos are YouTube's",
    missing="the videos",
    paper="2,593 videos, 13,019 localised descriptions*",
    configuration=f"""\
source:
  recipe: queryd
  videos: raw_captions_combined_filtered.json
  uri: "videos/{{video_id}}.{{ext}}"    # videos/video-QOlSCBRmfWY.mp4
{WHOLE_VIDEOS}""",
    records=records,
)
