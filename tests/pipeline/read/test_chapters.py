"""Chapters: the forms they come in, and what becomes of those that cannot be read."""

import json
from pathlib import Path
from typing import Any

import pytest

from longtake.pipeline.read.chapters import chapter_starts


@pytest.mark.parametrize(
    "value",
    [
        [{"start_time": 0.0, "end_time": 12.5, "title": "One"}, {"start_time": 12.5, "title": "Two"}],  # yt-dlp
        {"duration": 60, "chapters": [{"time": 0, "label": "One"}, {"time": 12.5, "label": "Two"}]},  # VidChapters
        {"duration": 60, "timestamps": [[0, 12.5], [12.5, 60]], "sentences": ["One", "Two"]},  # its dense captions
        [12.5, 0],
        ["00:00:12.500", "0:00", "0:00"],
    ],
)
def test_forms(value: Any) -> None:
    assert chapter_starts(value) == (0, 12_500)


@pytest.mark.parametrize(
    "value", [None, 3, "0:00", {}, {"chapters": 1}, [{}], [None], [True], ["soon"], [-1], [[]], [{"time": []}]]
)
def test_what_is_no_chapter(value: Any) -> None:
    with pytest.raises(ValueError, match=r"chapter|time|seconds"):
        chapter_starts(value)


def test_real_captions_of_youcook2(shared: Path) -> None:
    annotated = json.loads((shared / "data/metadata/yc2_val.json").read_text())
    for video in annotated.values():
        starts = chapter_starts(video)
        assert starts == tuple(sorted({round(1000 * start) for start, _ in video["timestamps"]}))
