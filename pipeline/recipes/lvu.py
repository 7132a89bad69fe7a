"""LVU, as the released LF-VILA code reads it: scenes of films, each with a label. No videos."""

from longtake.pipeline.recipes import coin, questions
from longtake.pipeline.recipes.recipe import Recipe

RECIPE = Recipe(
    name="lvu",
    title="LVU",
    files="the train and test lists of lfvila_data/task/lvu (microsoft/XPretrain, LF-VILA), or lines of that shape",
    licence="none stated for the lists; the scenes are MovieClips', on YouTube",
    missing="the videos; the names of the classes",
    paper="30 K videos of 3 K films; relationship has 4 classes, way of speaking 5, scene 6*",
    configuration=f"""\
source:
  recipe: lvu
  videos: relationship_train.jsonl  # a corpus for each of the three tasks
  uri: "videos/{{video_id}}.{{ext}}"
{questions.WHOLE_VIDEOS}""",
    records=coin.records,
)
