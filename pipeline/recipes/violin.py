"""VIOLIN, as the released LF-VILA code reads it: statements about clips of films and series, true or false. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes import questions
from longtake.pipeline.recipes.recipe import Recipe, Record, field


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of {"clip_id", "text_q", "text_s", "answer"}; answer 1: the statement is true."""
    answer = field(row, "answer")
    if type(answer) is not int or answer not in (0, 1):
        raise ValueError(f"answer {answer!r} is not 0 or 1")
    item = {"question": field(row, "text_q"), "answer": answer, "subtitles": row.get("text_s", [])}
    yield questions.asked(field(row, "clip_id"), "answer", item, item["question"])


RECIPE = Recipe(
    name="violin",
    title="VIOLIN",
    files="violin_train.jsonl, violin_test.jsonl of lfvila_data/task/violin (microsoft/XPretrain), or lines of that shape",
    licence="none stated for the lists; the statements are jimmy646/violin's, the clips belong to the makers of the films",
    missing="the videos",
    paper="15,887 clips of 35 s, 95,322 statements*",
    configuration=f"""\
source:
  recipe: violin
  videos: violin_train.jsonl
  uri: "videos/{{video_id}}.{{ext}}"
{questions.WHOLE_VIDEOS}""",
    records=records,
    joined=questions.joined,
    has_urls=False,
    nan_is_null=True,
)
