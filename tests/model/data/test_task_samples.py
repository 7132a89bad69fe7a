"""Items of tasks: their rows of text, the labels of their spans, their places in a corpus, the frames that are taken."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from task_corpora import FRAMES, drawn, jpeg, make, vocabulary, write

from longtake.library.clips import spread
from longtake.library.items import read_items
from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.data.task_samples import NO_CLASS, TaskBatch, item_rows, span_labels
from longtake.model.network.task_head import TaskHead
from longtake.schemas.layout import Layout
from longtake.schemas.task import TaskItem, task_json, task_of

SUBTITLES = ("a b", "c", "d", "efgh", "ij")


def released_span(
    span: list[float], num_frame: int, num_labels: int = 32, fps: int = 3
) -> tuple[list[int], list[float]]:
    """What datasets/how2qa_dataset.py of the released code does, in other words; `num_frame` frames at 3 a second."""
    total = num_frame / fps
    known = not any(math.isnan(one) for one in span)
    shares = [min(max(one / total, 0), 1) for one in span] if known else [0.0, 1.0]
    start = min(max(round(shares[0] * num_labels), 0), num_labels - 1)
    end = min(max(round(shares[1] * num_labels), start + 1), num_labels)
    labels = [int(start <= n < end) for n in range(num_labels)]
    inside, outside = num_labels / 2 / (end - start), num_labels / 2 / max(1, num_labels - (end - start))
    return labels, [inside if one else outside for one in labels]


@pytest.mark.parametrize("span", [(2.0, 9.0), (0.0, 60.0), (59.9, 60.0), (-3.0, 1.0), (70.0, 80.0), (12.0, 12.0), None])
def test_spans_become_the_labels_of_the_released_code(span: tuple[float, float] | None) -> None:
    labels, weights = span_labels(span, 60.0, 32)
    wanted = released_span([math.nan, math.nan] if span is None else list(span), 180)
    assert labels.tolist() == wanted[0]
    assert weights.tolist() == pytest.approx(wanted[1])


def test_rows_are_question_option_and_merged_subtitles() -> None:
    item = TaskItem((), "why", ("x", "y"), 1, None, SUBTITLES)
    assert item_rows(item, TaskHead("choice", rows=4)) == [
        ["why", "x", "a b c d", "efgh ij"],
        ["why", "y", "a b c d", "efgh ij"],
    ]
    assert item_rows(item, TaskHead("choice", rows=8))[0] == ["why", "x", *SUBTITLES]
    assert item_rows(item, TaskHead("answer", rows=1)) == [["why"]]
    assert item_rows(item, TaskHead("answer", rows=5)) == [["why", "a b", "c d", "efgh", "ij"]]
    assert item_rows(TaskItem(sentences=("a", "b", "cc")), TaskHead("retrieval", rows=2)) == [["a b", "cc"]]


def test_an_evaluation_takes_the_frames_of_linspace_and_a_training_draws_the_ends() -> None:
    for total in (8, 32, 90, 191):
        assert spread(total, 32) == np.linspace(0, total - 1, 32).astype(int).tolist()
    assert spread(5, 1) == [0]
    ends = set()
    for seed in range(200):
        numbers = spread(128, 32, np.random.default_rng(seed))
        first, last = numbers[0], numbers[-1]
        assert numbers == np.linspace(first, last, 32).astype(int).tolist()
        assert 0 <= first <= 128 // 31 and 127 - 128 // 31 <= last <= 127
        ends.add((first, last))
    assert {first for first, _ in ends} == set(range(5)) and {last for _, last in ends} == set(range(123, 128))
    assert all(0 <= n < 3 for n in spread(3, 32, np.random.default_rng(1)))


def loader(folder: Path, head: TaskHead, training: bool = False, **changes: Any) -> ShardLoader:
    settings = {"batch_size": 4, "height": 32, "width": 64, "tokens": 8, "frames": 8, "flip": 0.0, **changes}
    words = vocabulary(folder / "words")
    return ShardLoader(LoaderSettings(str(folder / "corpus"), words, training=training, task=head, **settings))


def test_each_item_of_a_video_is_a_sample_of_its_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = []
    for number in range(3):
        frames, item = drawn("answer", number, rng)
        items = [item | {"answer": n} for n in range(number + 1)]
        found.append(([jpeg(one, rng) for one in frames], task_json("answer", items), f"v{number}"))
    write(tmp_path / "corpus", found)
    made = loader(tmp_path, TaskHead("answer", classes=4, rows=1))
    batches = list(made)
    assert all(isinstance(batch, TaskBatch) for batch in batches)
    pairs = [
        (key[:2], start, int(answer))
        for batch in batches
        for key, start, answer in zip(batch.keys, batch.starts, batch.targets.answer, strict=True)  # type: ignore[attr-defined]
    ]
    assert pairs == [("v0", 0, 0), ("v1", 0, 0), ("v1", 1, 1), ("v2", 0, 0), ("v2", 1, 1), ("v2", 2, 2)]
    seen = [
        key
        for batch in loader(tmp_path, TaskHead("answer", classes=4, rows=1), True, batch_size=3)
        for key in batch.keys
    ]
    assert sorted(key[:2] for key in seen) == ["v0", "v1", "v1", "v2", "v2", "v2"]


def test_choices_have_a_row_of_options_and_a_span(tmp_path: Path) -> None:
    make(tmp_path / "corpus", "choice", 4)
    batch = next(iter(loader(tmp_path, TaskHead("choice", rows=5))))
    assert batch.frames.shape == (4, FRAMES, 32, 64, 3) and batch.ids.shape == batch.mask.shape == (4, 4, 5, 8)
    assert batch.mask[:, :, 3:].sum() == 0 and bool(batch.mask[:, :, :3].any(-1).all())
    targets = batch.targets  # type: ignore[attr-defined]
    assert targets.span.sum(1).tolist() == [4] * 4 and torch.equal(targets.span_weight, torch.ones(4, FRAMES))
    assert batch.to("cpu").targets.answer.tolist() == targets.answer.tolist()  # type: ignore[attr-defined]


def test_a_corpus_of_another_task_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "corpus", "classify", 4)
    with pytest.raises(ValueError, match="is for classify, not for answer"):
        loader(tmp_path, TaskHead("answer", classes=4))
    with pytest.raises(ValueError, match=r"has answer 3, but task\.classes is 2"):
        loader(tmp_path, TaskHead("classify", classes=2))


def test_a_question_without_a_right_class_is_only_evaluated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [jpeg(one, rng) for one in drawn("answer", 0, rng)[0]]
    write(
        tmp_path / "corpus",
        [(frames, task_json("answer", [{"question": "left", "answer": n}]), f"v{n}") for n in (1, None)],
    )
    head = TaskHead("answer", classes=2, rows=1)
    batch = next(iter(loader(tmp_path, head)))
    assert batch.targets.answer.tolist() == [1, NO_CLASS]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="1 questions whose answer is none of the classes: only evaluate it"):
        loader(tmp_path, head, True, batch_size=1)


def test_samples_without_a_task_are_counted_and_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [jpeg(one, rng) for one in drawn("classify", 0, rng)[0]]
    sound = task_json("classify", [{"answer": 1}])
    write(
        tmp_path / "corpus",
        [(frames, sound, "a"), (frames, {"kind": "classify", "items": []}, "b"), (frames, sound, "c")],
    )
    made = loader(tmp_path, TaskHead("classify", classes=2))
    assert made.short == 1 and [key[0] for batch in made for key in batch.keys] == ["a", "c"]
    items = read_items(Layout(str(tmp_path / "corpus")), ["train-000000"])
    assert items.places.tolist() == [[0, 0, 0], [0, 2, 0]] and items.without == 1 and items.classes == 2


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {"kind": "sing", "items": [{}]},
        {"kind": "answer", "items": [{"question": " ", "answer": 1}]},
        {"kind": "answer", "items": [{"question": "q", "answer": True}]},
        {"kind": "answer", "items": [{"question": "q", "answer": -1}]},
        {"kind": "choice", "items": [{"question": "q", "choices": ["a"], "answer": 0}]},
        {"kind": "choice", "items": [{"question": "q", "choices": ["a", "b"], "answer": 2}]},
        {"kind": "choice", "items": [{"question": "q", "choices": ["a", "b"], "answer": 0, "span": [1]}]},
        {"kind": "choice", "items": [{"question": "q", "choices": ["a", "b"], "answer": 0, "subtitles": ["x"]}]},
        {"kind": "retrieval", "items": [{"sentences": []}]},
        {"kind": "classify", "items": [7]},
    ],
)
def test_a_task_of_another_shape_is_an_error_in_words(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"\w+ .*\w"):
        task_of({"task": json.loads(json.dumps(bad))})
