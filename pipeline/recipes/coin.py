"""COIN, as the released LF-VILA code reads it: instructional videos, each of one of 180 tasks. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes import questions
from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, field


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of {"video_id", "recipe_type"}; recipe_type is the number of a class."""
    label, name = field(row, "recipe_type"), field(row, "video_id")
    label = int(label) if isinstance(label, str) else label  # as in the lists of LVU
    made = questions.asked(name, "classify", {"answer": label}, f"class {label}")
    yield made | {"url": f"{YOUTUBE}{name}"}


RECIPE = Recipe(
    name="coin",
    title="COIN",
    files="coin_train.jsonl, coin_test.jsonl of lfvila_data/task/COIN (microsoft/XPretrain, LF-VILA), or lines of that shape",
    licence="none stated for the lists; the labels are coin-dataset/annotations', the videos YouTube's",
    missing="the videos; the names of the classes",
    paper="11,827 videos of 180 tasks, 2.36 min each*",
    configuration=f"""\
source:
  recipe: coin
  videos: coin_train.jsonl
  uri: "videos/{{video_id}}.{{ext}}"
{questions.WHOLE_VIDEOS}""",
    records=records,
)
