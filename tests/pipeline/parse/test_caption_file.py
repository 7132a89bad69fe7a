"""The captions of all videos in one file, read as a stream."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.parse import caption_file
from longtake.pipeline.parse.caption_file import CaptionEntry, read_entries
from longtake.schemas.records import Drop

CAPTIONS: dict[str, Any] = {
    'a"b\\': {"start": [0], "end": [1.5], "text": ['br{ack]et "quoted\\" ']},
    "empty": {},
    "list": [{"start": 1, "end": 2, "text": "x"}],
    "null": None,
    "number": 7,
    "text": "}",
    "b": {"text": ["é熊", "\n"], "start": [1, 2], "end": [2, 3]},
}


def read(path: Path) -> tuple[dict[str, Any], list[Drop]]:
    entries, drops = {}, []
    for found in read_entries(str(path)):
        if isinstance(found, Drop):
            drops.append(found)
        else:
            entries[found[0]] = json.loads(found[1].data)
    return entries, drops


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("style", [{}, {"indent": 1}, {"ensure_ascii": False, "separators": (",", ":")}])
def test_entries_are_cut_out_wherever_pieces_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, style: dict[str, Any]
) -> None:
    monkeypatch.setattr(caption_file, "_PIECE", piece)
    path = tmp_path / "caption.json"
    path.write_text(json.dumps(CAPTIONS, **style), encoding="utf-8")
    assert read(path) == (CAPTIONS, [])
    packed = tmp_path / "caption.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read(packed) == (CAPTIONS, [])


def test_where_entries_stand(tmp_path: Path) -> None:
    path = tmp_path / "caption.json"
    path.write_text('{"a": [], "b": {}}')
    assert list(read_entries(str(path))) == [
        ("a", CaptionEntry(b"[]", "caption.json#1")),
        ("b", CaptionEntry(b"{}", "caption.json#2")),
    ]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        ("[]", []),
        ('{"a": {"start": [1', []),
        ('{"a": {}, "b', ["a"]),
        ('{"a": {}, b: 1}', ["a"]),
        ('{"a": {}', ["a"]),
        ('{"": {}, "b": []}', ["b"]),
        ("\x00", []),
    ],
)
def test_a_broken_file_keeps_what_came_before(tmp_path: Path, text: str, ids: list[str]) -> None:
    path = tmp_path / "caption.json"
    path.write_text(text)
    entries, drops = read(path)
    assert list(entries) == ids
    assert [d.subject_id.startswith("caption.json#") for d in drops] == [True]


def test_an_entry_without_end_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_file, "_MAX_ENTRY", 1000)
    monkeypatch.setattr(caption_file, "_PIECE", 100)
    path = tmp_path / "caption.json"
    path.write_text('{"a": [], "b": ["' + "x" * 5000)
    entries, drops = read(path)
    assert (list(entries), len(drops)) == (["a"], 1)
    assert "1,000 bytes" in drops[0].detail


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(b'{"a": ' + data)
        file.flush()
        found = list(read_entries(file.name))
    assert all(isinstance(entry, Drop | tuple) for entry in found)
