import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.parse.lines import Line, canonical_json, parse_json, parse_json_value, quoted, where
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop


def line(data: bytes | dict[str, Any]) -> Line:
    return Line("/home/someone/videos.jsonl", 17, data)


def assert_printable(drop: Drop) -> None:
    assert not [c for c in drop.detail if unicodedata.category(c) in ("Cc", "Cs")]
    assert len(drop.detail) < 400


def test_says_where_without_naming_the_machine() -> None:
    assert where(line(b"{}")) == "videos.jsonl:17"
    assert where(Line("gs://bucket/in/videos.parquet", 3, {})) == "videos.parquet row 3"


def test_reads_objects() -> None:
    assert parse_json(line(b'\xef\xbb\xbf{"a": [1, "\\ud83d\\ude00"]}\r\n')) == {"a": [1, "\U0001f600"]}
    assert parse_json(line({"a": 1, "b": None})) == {"a": 1}
    assert parse_json_value(line(b'["a"]')) == ["a"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"{",
        b"null",
        b"7",
        b'"a"',
        b"[1]",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b"{'a': 1}",
        b'{"a": -1E+0400}',
        b'{"a": ' + b"9" * 400 + b".0}",
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\x01"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b'{"a": 1} {"b": 2}',
        b'{"a": "\x00"}',
    ],
)
def test_refuses_what_is_not_a_json_object(data: bytes) -> None:
    drop = parse_json(line(data))
    assert isinstance(drop, Drop)
    assert (drop.subject, drop.subject_id) == (Subject.RECORD, "videos.jsonl:17")
    assert (drop.stage, drop.reason) == (Stage.READ, Reason.MALFORMED)
    assert drop.detail.startswith("videos.jsonl:17: ")
    assert_printable(drop)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": "\xe9"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\\ud800"}',
        b'{"a": {"\\uDC00": 1}}',
        b'{"a": ["\\udfff\\ud800"]}',
        '{"a": 1}'.encode("utf-16"),
        b"\xff",
        b"\x80" * 10_000,
    ],
)
def test_refuses_what_is_not_utf8(data: bytes) -> None:
    drop = parse_json(line(data))
    assert isinstance(drop, Drop)
    assert drop.reason is Reason.INVALID_UTF8
    assert_printable(drop)


def test_nesting_is_judged_by_depth_and_not_by_the_number_of_lists() -> None:
    wide = {"a": [[i] for i in range(1000)]}
    assert parse_json(line(json.dumps(wide).encode())) == wide
    deepest: Any = 1
    for _ in range(64):
        deepest = {"a": deepest}
    assert parse_json(line(json.dumps(deepest).encode())) == deepest


def test_canonical_json_is_one_text() -> None:
    assert canonical_json({"b": "é", "a": [1, 2.5]}) == '{"a":[1,2.5],"b":"é"}'
    with pytest.raises(ValueError, match=r"."):
        canonical_json({"a": float("nan")})
    with pytest.raises(ValueError, match=r"."):
        canonical_json({"a": b"x"})
    assert canonical_json({"a": float("nan"), "b": b"x"}, strict=False) == '{"a":NaN,"b":"b\'x\'"}'


def test_quotes_on_one_short_line() -> None:
    assert quoted("a\nb\x1b[0m\u202e") == r"'a\nb\x1b[0m\u202e'"
    assert len(quoted("x" * 10_000)) < 100
    assert quoted(None) == "'None'"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=60) | st.text('{}[]",:\\ud8019eE.-naN \n\x00é', max_size=60).map(str.encode))
def test_never_fails_and_gives_what_utf8_can_hold(data: bytes) -> None:
    value = parse_json_value(line(data))
    if isinstance(value, Drop):
        assert_printable(value)
    else:
        canonical_json(value).encode("utf-8")
