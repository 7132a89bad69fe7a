"""Lists that a person supplies."""

import json
from pathlib import Path

import pytest

from longtake.pipeline.filters.lists import read_list
from longtake.schemas.errors import ConfigError


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "text", "field", "wanted"),
    [
        ("a.txt", "\ufeffone\n# no\n\n two \n", None, ["one", "two"]),
        ("a.jsonl", '{"id": "x"}\n\n{"id": ["y", "z"]}\n', "id", ["x", "y", "z"]),
        ("a.jsonl", '"x"\n"y"\n', None, ["x", "y"]),
        ("a.json", '["x", "y"]', None, ["x", "y"]),
        ("a.json", '{"v_1": {"sentences": ["s", "t"]}, "v_2": {"sentences": ["u"]}}', None, ["v_1", "v_2"]),
        ("a.json", '{"v_1": {"sentences": ["s", "t"]}, "v_2": {"sentences": ["u"]}}', "sentences", ["s", "t", "u"]),
        ("a.json", '[{"video": "x.avi"}]', "video", ["x.avi"]),
        ("a.csv", 'id,text\n1,"a, b"\n', "text", ["a, b"]),
        ("a.tsv", "id\ttext\n1\ta\n", "id", ["1"]),
    ],
)
def test_forms(tmp_path: Path, name: str, text: str, field: str | None, wanted: list[str]) -> None:
    assert read_list(written(tmp_path, name, text), field) == wanted


@pytest.mark.parametrize(
    ("name", "text", "field", "message"),
    [
        ("a.txt", "\n# only a comment\n", None, "the list is empty"),
        ("a.txt", "x", "id", "needs a list of records"),
        ("a.csv", "id,text\n", None, "columns: id, text"),
        ("a.csv", "id,text\n", "video", "columns: id, text"),
        ("a.jsonl", '{"id": "x"}\n{"other": 1}\n', "id", "line 2: a record has no 'id'; it has other"),
        ("a.jsonl", '{"id": 7}\n', "id", "'7' is not a text"),
        ("a.json", '[{"video": "x"}]', None, "field must name one of video"),
        ("a.json", "7", None, "neither a list nor an object"),
        ("a.json", "[" * 100_000, None, "a.json"),
    ],
)
def test_faults_say_what_and_where(tmp_path: Path, name: str, text: str, field: str | None, message: str) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(ConfigError, match=r"a\.(txt|csv|jsonl?)") as raised:
        read_list(path, field)
    assert message in str(raised.value)


def test_a_missing_file_and_one_of_bytes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_list(str(tmp_path / "none.txt"))
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_list(str(tmp_path / "b.txt"))


def test_a_real_annotation_file(shared: Path) -> None:
    path = shared / "data" / "metadata" / "yc2_val.json"
    assert set(read_list(str(path))) == set(json.loads(path.read_text()))
    assert "pick the ends off the verdalago" in read_list(str(path), "sentences")
