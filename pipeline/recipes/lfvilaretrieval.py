"""The retrieval lists of the released LF-VILA code: paragraphs of ActivityNet, DiDeMo, QuerYD, Condensed Movies."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes import questions
from longtake.pipeline.recipes.recipe import Recipe, Record
from longtake.schemas.annotations import released_text


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of {"clip_id", "text"}, text a string or a list of sentences. Several lines may name one video."""
    clip_id, sentences = released_text(row)
    kept = [text for text in sentences if not isinstance(text, str) or text.strip()]
    yield questions.asked(clip_id, "retrieval", {"sentences": kept}, " ".join(map(str, kept)))


RECIPE = Recipe(
    name="lfvilaretrieval",
    title="LF-VILA retrieval lists",
    files="lfvila_data/task/*/*.jsonl of microsoft/XPretrain, LF-VILA (its link has expired), or lines of that shape",
    licence="none stated for the lists; the texts are those of their data sets",
    missing="the videos",
    paper="none: see the data sets",
    configuration=f"""\
source:
  recipe: lfvilaretrieval
  videos: train.jsonl
  uri: "videos/{{video_id}}.{{ext}}"
{questions.WHOLE_VIDEOS}""",
    records=records,
    joined=questions.joined,
    has_urls=False,
)
