"""Segments of speech recognition, read as a whole, against the reader that goes one by one: the same cues, or none."""

import random
from pathlib import Path
from typing import Any

import pytest
from sources import SHARED

from longtake.pipeline.parse.transcripts import whisper
from longtake.pipeline.parse.transcripts.cue import Transcript
from longtake.pipeline.parse.transcripts.json_values import read_json
from longtake.pipeline.parse.transcripts.regular_segments import regular_segments
from longtake.pipeline.parse.transcripts.whisper import parse_segments, segments_of

USUAL = [" so", " we", " go", " on", "'t", " caf\u00e9", " -"]
ODD = ["so", "", " ", "  so", " so ", "\n", "\u00a0so", "e\u0301", "\x1e", "\x00", "\u200b", None, 5]
ODD_TIMES = [None, 1, "1.0", -1.0, 1e9, float("nan"), 0.0, 99.0]


def segment(chance: random.Random, at: float, odd: float) -> dict[str, Any]:
    """A segment as Whisper writes it; `odd` is the chance of each of its parts to be otherwise."""

    def put(value: Any, others: list[Any]) -> Any:
        return chance.choice(others) if chance.random() < odd else value

    words = [
        {"word": put(chance.choice(USUAL), ODD), "start": put(at + i / 3, ODD_TIMES), "end": put(at + i / 3 + 0.31, ODD_TIMES)}
        for i in range(chance.randint(1, 7))
    ]  # fmt: skip
    made = {
        "id": 1,
        "start": put(at, ODD_TIMES),
        "end": put(at + 3.1, ODD_TIMES),
        "text": put("".join(str(word["word"]) for word in words), [" so we go", "", None, " a\nb", 5]),
        "words": put(words, [[], None, "so", [1], [{"text": " so", "start": 1.0, "end": 2.0}]]),
        "no_speech_prob": put(0.1, [None, True, 2, -0.1, "0.5", 1, 0]),
    }
    if chance.random() < odd:
        made[chance.choice(["speaker", "timestamp", "offsets", "duration", "from", "tokens"])] = chance.choice(
            [None, 1, [1.0, 2.0]]
        )
    if chance.random() < odd:
        del made[chance.choice(sorted(made))]
    return made


def read_one_by_one(segments: list[Any], monkeypatch: pytest.MonkeyPatch) -> Transcript:
    with monkeypatch.context() as patch:
        patch.setattr(whisper, "regular_segments", lambda *_: None)
        return parse_segments(segments, "v", "f")


def test_what_is_read_as_a_whole_is_what_is_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chance, whole = random.Random(3), 0
    for _ in range(4000):
        odd = chance.choice([0, 0.005, 0.02, 0.1])
        segments = [segment(chance, 4.0 * i + chance.choice([0, 0.5]), odd) for i in range(chance.randint(1, 4))]
        found = regular_segments(segments, "v")
        if found is not None and whisper._unit(segments) is None:
            whole += 1
            assert Transcript(found, [], recognised=True) == read_one_by_one(segments, monkeypatch), segments
    assert 1500 < whole < 3500, "some are, some are not"


@pytest.mark.parametrize("file", sorted((SHARED / "data").rglob("*.json")), ids=lambda file: file.name)
def test_real_files_are_read_alike(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        segments = segments_of(read_json(file.read_bytes()))
    except ValueError:
        pytest.skip("no transcript")
    assert parse_segments(segments, "v", "f") == read_one_by_one(segments, monkeypatch)


def test_no_segment_and_what_is_no_segment_are_left() -> None:
    for segments in (
        [],
        [None],
        ["so"],
        [["text"]],
        [{"text": " so"}],
        [{"text": " so", "start": 0.5, "end": 1.0, "speaker": "A"}],
    ):
        assert regular_segments(segments, "v") is None
    assert regular_segments([{"text": " so", "start": 0.5, "end": 1.0}], "v") is not None
