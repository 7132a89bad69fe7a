"""ActivityNet-QA, as the released LF-VILA code reads it: questions about videos, each answer one of 1,654 classes. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes import questions
from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, field


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of {"video_name", "question", "answer"}; answer is the number of a class, or null: it is none of them."""
    name, question = field(row, "video_name"), field(row, "question")
    if "answer" not in row:
        raise ValueError("has no 'answer'; null says that it is none of the classes")
    made = questions.asked(name, "answer", {"question": question, "answer": row["answer"]}, question)
    yield made | {"url": f"{YOUTUBE}{str(name).removeprefix('v_')}"}


def joined(parts: list[Record]) -> Record:
    """Make the record of a video with all its questions."""
    return questions.joined(parts) | {"url": parts[0]["url"]}


RECIPE = Recipe(
    name="activitynetqa",
    title="ActivityNet-QA",
    files="train.jsonl, test.jsonl, as examples/activitynetqa.py makes them of the files of MILVLG/activitynet-qa",
    licence="Apache-2.0 (questions, MILVLG/activitynet-qa); none stated for the lists; the videos are YouTube's",
    missing="the videos; the words of the answers",
    paper="5,800 videos, 58,000 questions*",
    configuration=f"""\
source:
  recipe: activitynetqa
  videos: train.jsonl
  uri: "videos/{{video_id}}.{{ext}}"
{questions.WHOLE_VIDEOS}""",
    records=records,
    joined=joined,
)
