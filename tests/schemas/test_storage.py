import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from longtake.schemas import storage


@pytest.fixture(params=["local", "file", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty folder on each kind of storage that needs no network."""
    if request.param == "memory":
        folder = f"memory://{uuid.uuid4().hex}"
        yield folder
        storage.delete_folder(folder)
    else:
        yield str(tmp_path) if request.param == "local" else f"file://{tmp_path}"


def test_what_is_written_is_read(root: str) -> None:
    path = storage.join(root, "a", "b.bin")
    assert not storage.exists(path)
    storage.write_bytes(path, b"0123456789")
    assert storage.exists(path)
    assert storage.read_bytes(path) == b"0123456789"
    assert storage.read_range(path, 3, 4) == b"3456"
    storage.write_bytes(path, b"new")
    assert storage.read_bytes(path) == b"new"
    assert storage.size_and_tag(path)[0] == 3
    with storage.as_local(path) as local:
        assert Path(local).read_bytes() == b"new"


def test_files_and_folders_are_listed_sorted(root: str) -> None:
    for name in ("b.tar", "a.tar", "c.json", "sub/d.tar"):
        storage.write_bytes(storage.join(root, name), b"x")
    assert [f.rsplit("/", 1)[-1] for f in storage.list_files(root, ".tar")] == ["a.tar", "b.tar"]
    assert [f.rsplit("/", 1)[-1] for f in storage.list_folders(root)] == ["sub"]
    assert [storage.read_bytes(f) for f in storage.list_files(root)] == [b"x"] * 3
    assert storage.list_files(storage.join(root, "nothing")) == []
    assert storage.list_folders(storage.join(root, "nothing")) == []


def test_deleting_twice_is_no_error(root: str) -> None:
    path = storage.join(root, "sub", "a")
    storage.write_bytes(path, b"x")
    storage.delete(path)
    storage.delete(path)
    assert not storage.exists(path)
    storage.write_bytes(path, b"x")
    storage.delete_folder(storage.join(root, "sub"))
    storage.delete_folder(storage.join(root, "sub"))
    assert not storage.exists(path)


def test_what_is_missing_is_a_file_not_found(root: str) -> None:
    for read in (storage.read_bytes, storage.size_and_tag):
        with pytest.raises(FileNotFoundError):
            read(storage.join(root, "nothing"))


def test_parquet_bytes_depend_on_the_rows_alone(root: str) -> None:
    table = pa.table({"n": list(range(2000)), "t": ["x"] * 2000})
    paths = [storage.join(root, f"{i}.parquet") for i in range(2)]
    for path in paths:
        storage.write_parquet(path, table)
    assert storage.read_bytes(paths[0]) == storage.read_bytes(paths[1])
    assert storage.read_parquet(paths[0], columns=["n"], filters=[("n", ">", 1997)]).to_pylist() == [
        {"n": 1998},
        {"n": 1999},
    ]


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_write_that_fails_in_the_middle_changes_nothing(root: str, before: bytes | None) -> None:
    path = storage.join(root, "a.bin")
    if before is not None:
        storage.write_bytes(path, before)
    with pytest.raises(RuntimeError, match="in the middle"), storage.writing(path) as temporary:
        Path(temporary).write_bytes(b"half")
        raise RuntimeError("in the middle")
    assert storage.exists(path) == (before is not None)
    assert before is None or storage.read_bytes(path) == before
    assert not [f for f in storage.list_files(root) if "a.bin" not in f]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_content_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.bin"
    storage.write_bytes(str(path), b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        storage.write_bytes(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_unfinished_writes_are_not_listed(tmp_path: Path) -> None:
    with storage.writing(str(tmp_path / "a.tar")) as temporary:
        Path(temporary).write_bytes(b"x")
        assert Path(temporary).parent == tmp_path, "in the same folder, so that it can be moved over the name"
        assert storage.list_files(str(tmp_path)) == []
    assert storage.list_files(str(tmp_path)) == [str(tmp_path / "a.tar")]


@pytest.mark.parametrize(
    ("base", "parts", "joined"),
    [
        ("/a", ("b", "c"), "/a/b/c"),
        ("/a", ("/b",), "/b"),
        ("/a", ("gs://b/c",), "gs://b/c"),
        ("gs://a/b", ("c",), "gs://a/b/c"),
        ("gs://a", ("/c",), "/c"),
        ("a", ("file:///b",), "/b"),
        ("file:///a", ("b",), "/a/b"),
    ],
)
def test_join(base: str, parts: tuple[str, ...], joined: str) -> None:
    assert storage.join(base, *parts) == joined


@pytest.mark.parametrize("path", ["http://x/y", "ftp://x", "https://x", "concat://x"])
def test_other_schemes_are_refused(path: str) -> None:
    assert storage.is_remote(path)
    with pytest.raises(storage.StorageError, match="use a local path, gs:// or s3://"):
        storage.read_bytes(path)
