import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.texts import Group, clean_text, parse_group, parse_id, parse_text
from longtake.schemas.reasons import Reason, Subject
from longtake.schemas.records import Drop


def line(value: Any) -> Line:
    return Line("text.jsonl", 5, value if isinstance(value, bytes) else json.dumps(value).encode())


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  a \t\n b\u00a0c ", "a b c"),
        ("e\u0301", "é"),
        ("a\x00b \x07 c\x85d", "ab c d"),
        ("\ufeffa\u200b", "a"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("\x00\n", ""),
        ("a\ud800b", "ab"),
    ],
)
def test_cleans(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=40))
def test_cleaning_is_idempotent_and_leaves_no_control_character(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert cleaned == unicodedata.normalize("NFC", " ".join(cleaned.split()))
    assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs")]


def test_reads_a_text() -> None:
    assert parse_text(line({"clip_id": "a.1.mp4", "text": " so  this\n"})) == ("a.1.mp4", "so this")
    assert parse_text(Line("t.parquet", 1, {"clip_id": 7, "text": "x"})) == ("7", "x")


@pytest.mark.parametrize("text", ["", " \n", "\x00", None])
def test_a_sentence_without_text_is_dropped(text: str | None) -> None:
    drop = parse_text(line({"clip_id": "a.1.mp4", "text": text}))
    assert isinstance(drop, Drop)
    assert (drop.subject, drop.subject_id, drop.reason) == (Subject.SENTENCE, "a.1.mp4", Reason.EMPTY_TEXT)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"text": "x"},
        {"clip_id": "", "text": "x"},
        {"clip_id": " ", "text": "x"},
        {"clip_id": "a", "text": 7},
        ["a", "x"],
        {"clip_id": True, "text": "x"},
        {"clip_id": "a" * 513, "text": "x"},
        {"clip_id": ["a"], "text": "x"},
        b"\xff",
        b"{",
    ],
)
def test_a_line_without_a_clip_or_a_text_is_dropped(value: Any) -> None:
    drop = parse_text(line(value))
    assert isinstance(drop, Drop)
    assert (drop.subject, drop.subject_id) == (Subject.RECORD, "text.jsonl:5")


def test_ids() -> None:
    assert [parse_id(v) for v in ("a", 7, "", " ", True, 1.5, None, 10**400, "x" * 512)] == [
        *("a", "7", None, None, None, None, None, None),
        "x" * 512,
    ]


@pytest.mark.parametrize(
    "value",
    [
        ["a.1", "a.2"],
        {"clip_id": ["a.1", "a.2"]},
        {"id": 1, "clips": [{"clip_id": "a.1"}, {"clip_id": "a.2", "x": 1}]},
        [["a.1", "some text"], ["a.2", "more"]],
        {"video_id": "a", "clip_ids": ["a.1", "a.2"]},
    ],
)
def test_reads_a_group_in_each_published_form(value: Any) -> None:
    group = parse_group(line(value))
    assert isinstance(group, Group)
    assert group.clip_ids == ("a.1", "a.2")
    assert group.where == "text.jsonl:5"
    assert len(group.group_id) == 16


def test_a_group_is_the_same_in_any_order() -> None:
    first, second, other = (parse_group(line(value)) for value in (["a", "b"], ["b", "a"], ["a", "c"]))
    assert isinstance(first, Group)
    assert isinstance(second, Group)
    assert isinstance(other, Group)
    assert first.group_id == second.group_id != other.group_id


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "empty"),
        ({"clip_id": []}, "empty"),
        ({}, "0 lists"),
        ({"a": ["x"], "b": ["y"]}, "2 lists"),
        ("a", "not a JSON"),
        (["a", "b", "a"], "twice"),
        (["a", None], "no clip"),
        ([["a"]], "no clip"),
        ([{"id": "a"}], "no clip"),
        ([""], "no"),
    ],
)
def test_refuses_what_is_no_group(value: Any, said: str) -> None:
    drop = parse_group(line(value))
    assert isinstance(drop, Drop)
    assert (drop.subject, drop.reason) == (Subject.RECORD, Reason.MALFORMED)
    assert said in drop.detail


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["clip_id", "text", "x"]), inner),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None)
@given(json_values)
def test_any_json_gives_a_value_or_a_drop(value: Any) -> None:
    assert isinstance(parse_text(line(value)), tuple | Drop)
    assert isinstance(parse_group(line(value)), Group | Drop)
