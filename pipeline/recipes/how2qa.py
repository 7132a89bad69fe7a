"""How2QA, as the released LF-VILA code reads it: questions about clips of instructional videos, four answers each. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes import questions
from longtake.pipeline.recipes.recipe import Recipe, Record, field


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of {"clip_id", "span", "text_q", "text_a", "text_s", "answer_idx"}; a span of NaN is unknown."""
    span = row.get("span")
    item = {
        "question": field(row, "text_q"),
        "choices": field(row, "text_a"),
        "answer": field(row, "answer_idx"),
        "span": None if span is None or None in span else span,
        "subtitles": row.get("text_s", []),
    }
    yield questions.asked(field(row, "clip_id"), "choice", item, item["question"])


RECIPE = Recipe(
    name="how2qa",
    title="How2QA",
    files="how2qa_train.jsonl, how2qa_val.jsonl of lfvila_data/task/how2qa (microsoft/XPretrain), or lines of that shape",
    licence="none stated for the lists; the questions are ych133/How2R-and-How2QA's, the videos YouTube's",
    missing="the videos, cut to clips",
    paper="44,007 questions about 22 K clips of 60 s*",
    configuration=f"""\
source:
  recipe: how2qa
  videos: how2qa_train.jsonl
  uri: "videos/{{video_id}}.{{ext}}"    # a file for each clip_id
{questions.WHOLE_VIDEOS}""",
    records=records,
    joined=questions.joined,
    has_urls=False,
    nan_is_null=True,
)
