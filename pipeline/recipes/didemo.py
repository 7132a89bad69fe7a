"""DiDeMo: descriptions of moments in Flickr videos; all of a video are its paragraph. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.questions import WHOLE_VIDEOS, described
from longtake.pipeline.recipes.recipe import Recipe, Record
from longtake.schemas.annotations import didemo_sentence


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of a row {"video", "description", ...}. Its number keeps the order of the file."""
    video, sentence = didemo_sentence(row)
    yield described(video, [sentence]) | {"row": key}


def joined(parts: list[Record]) -> Record:
    """Make the record of a video of its descriptions, in the order of the file."""
    rows = sorted(parts, key=lambda part: str(part["row"]))
    return described(rows[0]["video_id"], [part["sentences"][0]["text"] for part in rows])


RECIPE = Recipe(
    name="didemo",
    title="DiDeMo",
    files="train_data.json, val_data.json, test_data.json of LisaAnne/LocalizingMoments",
    licence="BSD 2-Clause (LocalizingMoments); the videos are Flickr's, under Creative Commons licences",
    missing="the videos",
    paper="10,464 videos, 40,543 descriptions*",
    configuration=f"""\
source:
  recipe: didemo
  videos: train_data.json
  uri: ["videos/{{video_id}}", "videos/{{video_id}}.{{ext}}"]  # ids have an extension of their own
{WHOLE_VIDEOS}""",
    records=records,
    joined=joined,
    has_urls=False,
    is_list=True,
)
