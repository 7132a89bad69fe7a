"""The task of a sample: what is asked about its video, and the right answers. It stands in the sample's `meta` as `task`:

    {"kind": "choice", "items": [{"question": "...", "choices": ["...", "..."], "answer": 1, "span": [3.0, 9.5],
                                  "subtitles": [{"start": 0.0, "end": 2.1, "text": "..."}]}]}

A video is one sample with all its items; a loader takes each item as a sample of its own. `items` of retrieval hold `sentences`,
those of answer `question` and `answer` (null: no class is right), those of classify `answer` alone. Labels count from 0, times
are seconds of the video.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["retrieval", "choice", "answer", "classify"]
KINDS: tuple[str, ...] = get_args(Kind)
FIELD = "task"  # its name in meta
MOST_CHOICES, MOST_CLASSES = 64, 1 << 20  # bounds for strangers' files
_MOST_SECONDS = 1e9  # of a time: a whole number of any length is compared, never converted


@dataclass(frozen=True)
class TaskItem:
    """One question about a video. What its kind does not have is empty or None."""

    sentences: tuple[str, ...] = ()
    question: str = ""
    choices: tuple[str, ...] = ()
    answer: int | None = None
    span: tuple[float, float] | None = None  # seconds in which the answer is seen; None: unknown, or the whole video
    subtitles: tuple[str, ...] = ()  # in time order


@dataclass(frozen=True)
class Task:
    """All items of a video, of one kind."""

    kind: Kind
    items: tuple[TaskItem, ...]


def task_json(kind: Kind, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the task of a sample as `meta` holds it. Raises ValueError as `task_of`."""
    made = {"kind": kind, "items": [dict(item) for item in items]}
    parse_task(made)
    return made


def task_of(meta: Mapping[str, Any]) -> Task:
    """Read the task in a sample's meta. Raises ValueError if there is none, or it is not as above."""
    if FIELD not in meta:
        raise ValueError(f"meta has no {FIELD}: build the corpus with frames.uniform (docs/tasks.md)")
    return parse_task(meta[FIELD])


def parse_task(value: Any) -> Task:
    """Read the task of a sample from JSON values. Raises ValueError, which says what is wrong."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind of task {kind!r} is not one of {', '.join(KINDS)}")
    items = value.get("items")
    if not isinstance(items, list) or not items:
        raise ValueError("the task has no items")
    read = {"retrieval": _described, "choice": _choice, "answer": _answer, "classify": _label}[kind]
    return Task(kind, tuple(read(item if isinstance(item, dict) else {}) for item in items))  # type: ignore[arg-type]


def _described(item: dict[str, Any]) -> TaskItem:
    sentences = item.get("sentences")
    if not isinstance(sentences, list) or not sentences or not all(map(_is_text, sentences)):
        raise ValueError("an item has no list of sentences")
    return TaskItem(sentences=tuple(sentences))


def _choice(item: dict[str, Any]) -> TaskItem:
    choices = item.get("choices")
    if not isinstance(choices, list) or not all(map(_is_text, choices)):
        raise ValueError("choices are not a list of texts")
    if not 2 <= len(choices) <= MOST_CHOICES:
        raise ValueError(f"{len(choices)} choices; 2 to {MOST_CHOICES} are needed")
    answer = _class(item.get("answer"), len(choices))
    return TaskItem((), _question(item), tuple(choices), answer, _span(item.get("span")), _subtitles(item))


def _answer(item: dict[str, Any]) -> TaskItem:
    answer = item.get("answer")  # null: the right answer is none of the classes
    known = None if answer is None else _class(answer, MOST_CLASSES)
    return TaskItem((), _question(item), (), known, None, _subtitles(item))


def _label(item: dict[str, Any]) -> TaskItem:
    return TaskItem(answer=_class(item.get("answer"), MOST_CLASSES))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _question(item: dict[str, Any]) -> str:
    question = item.get("question")
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"question {question!r} is no text")
    return question


def _class(value: Any, classes: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < classes:
        raise ValueError(f"answer {value!r} is not a whole number from 0 to {classes - 1}")
    return value


def _span(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_time, value)):
        raise ValueError(f"span {value!r} is not start and end in seconds")
    if value[0] > value[1]:
        raise ValueError(f"span {value!r} ends before it starts")
    return float(value[0]), float(value[1])


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST_SECONDS


def _subtitles(item: dict[str, Any]) -> tuple[str, ...]:
    given = item.get("subtitles", [])
    if not isinstance(given, list) or not all(
        isinstance(one, dict) and isinstance(one.get("text"), str) for one in given
    ):
        raise ValueError("subtitles are not a list of {start, end, text}")
    return tuple(one["text"] for one in given)
