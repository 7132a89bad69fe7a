import errno
import fcntl
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from longtake.schemas import remote, scratch, storage, waiting


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
    with pytest.raises(storage.StorageError, match="use a local path, gs://, s3:// or hf://"):
        storage.read_bytes(path)


# -- failures of remote storage ----------------------------------------------------------------------------------------


class Answer(Exception):
    """What a client raises for an HTTP status: `code` of gcsfs."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused https://x/y?X-Amz-Signature=abc, {code}")
        self.code = code


class FaultyMemory(MemoryFileSystem):  # type: ignore[misc]
    """Memory that fails one call in `one_in`, before or after the call has worked."""

    protocol = "memory"
    calls = failed = 0
    one_in = 10
    error: Exception = ConnectionResetError("reset by peer")

    def _maybe(self, name: str, *arguments: Any, **options: Any) -> Any:
        cls = type(self)
        cls.calls += 1
        fails = cls.calls % cls.one_in == 0
        if fails and cls.failed % 2:
            cls.failed += 1
            raise cls.error
        done = getattr(MemoryFileSystem, name)(self, *arguments, **options)
        if fails:
            cls.failed += 1
            raise cls.error
        return done

    def cat_file(self, *arguments: Any, **options: Any) -> Any:
        return self._maybe("cat_file", *arguments, **options)

    def pipe_file(self, *arguments: Any, **options: Any) -> Any:
        return self._maybe("pipe_file", *arguments, **options)

    def info(self, *arguments: Any, **options: Any) -> Any:
        return self._maybe("info", *arguments, **options)

    def ls(self, *arguments: Any, **options: Any) -> Any:
        return self._maybe("ls", *arguments, **options)

    def put_file(self, *arguments: Any, **options: Any) -> Any:
        return self._maybe("put_file", *arguments, **options)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FaultyMemory]]:
    """memory:// that fails; the pauses between attempts are only counted."""
    kind = type("Faulty", (FaultyMemory,), {"calls": 0, "failed": 0, "pauses": []})
    monkeypatch.setattr(remote.time, "sleep", kind.pauses.append)  # type: ignore[attr-defined]
    fsspec.register_implementation("memory", kind, clobber=True)
    yield kind
    fsspec.register_implementation("memory", MemoryFileSystem, clobber=True)


def test_one_call_in_ten_may_fail(faulty: type[FaultyMemory]) -> None:
    root = f"memory://{uuid.uuid4().hex}"
    paths = [storage.join(root, f"{n:03d}.bin") for n in range(40)]
    for n, path in enumerate(paths):
        storage.write_bytes(path, bytes([n]) * 100)
        assert storage.exists(path)
        assert storage.read_range(path, 99, 5) == bytes([n])
        assert storage.size_and_tag(path)[0] == 100
        with storage.open_read(path) as stream:
            assert stream.read() == bytes([n]) * 100
    with storage.writing(storage.join(root, "z.tar")) as temporary:
        Path(temporary).write_bytes(b"z")
    assert len(storage.list_files(root)) == 41
    ranges = storage.read_ranges(paths, [0] * 40, [2] * 40)
    assert ranges == [bytes([n]) * 2 for n in range(40)]
    assert faulty.failed > 25
    assert len(faulty.pauses) >= faulty.failed - 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "error",
    [
        *(Answer(code) for code in (408, 429, 500, 502, 503, 504)),
        TimeoutError(),
        ConnectionRefusedError(),
        OSError(errno.EBUSY, "SlowDown"),
    ],
    ids=repr,
)
def test_what_passes_is_tried_again_with_growing_pauses(faulty: Any, error: Exception) -> None:
    faulty.one_in, faulty.error = 1, error
    with pytest.raises(storage.UnreachableError, match=f"failed {remote.ATTEMPTS} times .* Run the same") as failure:
        storage.write_bytes("memory://a/b", b"x")
    assert "Signature" not in str(failure.value)
    assert faulty.calls == remote.ATTEMPTS
    assert len(faulty.pauses) == remote.ATTEMPTS - 1
    for number, pause in enumerate(faulty.pauses):
        assert 0.25 * 2**number <= pause <= 0.5 * 2**number


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Answer(403), storage.AccessError),
        (Answer(401), storage.CredentialsError),
        (Answer(400), storage.StorageError),
        (PermissionError("no"), storage.AccessError),
        (FileNotFoundError("no"), FileNotFoundError),
        (OSError("Forbidden: a/b"), storage.AccessError),
        (type("NoCredentialsError", (Exception,), {})("none"), storage.CredentialsError),
        (ValueError("odd"), storage.StorageError),
    ],
    ids=repr,
)
def test_what_is_refused_is_not_tried_again(faulty: Any, error: Exception, kind: type[Exception]) -> None:
    faulty.one_in, faulty.error = 1, error
    with pytest.raises(kind) as failure:
        storage.write_bytes("memory://a/b", b"x")
    assert faulty.calls == 1
    assert faulty.pauses == []
    assert "memory://a/b" in str(failure.value)
    assert "\n" not in str(failure.value)
    assert "Signature" not in str(failure.value)


def test_patience_ends(faulty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty.one_in = 1
    monkeypatch.setattr(remote, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(storage.UnreachableError, match="failed 1 times"):
        storage.write_bytes("memory://a/b", b"x")


@pytest.mark.parametrize("fails", [True, False])
def test_a_person_is_told_what_is_waited_for(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    answers = threading.Event()

    def work(_: Any) -> str:
        if fails and not told:
            raise TimeoutError("no route")
        assert answers.wait(30)
        return "done"

    def tell(word: str) -> None:
        told.append(word)
        answers.set()

    monkeypatch.setattr(waiting, "tell", tell)
    for name, value in (("FIRST_WORD_SECONDS", 0.2), ("LONG_SECONDS", 0.2), ("_last_word", -1e9)):
        monkeypatch.setattr(waiting, name, value)
    assert remote.attempt("memory://a/b", work) == "done"
    assert len(told) == 1, "one word, however long it takes"
    assert told[0].startswith("memory://a/b: waiting for storage for ")
    assert "of 6" in told[0]
    assert (", after TimeoutError: no route" in told[0]) is fails
    assert "given up after 6 failures, or at the first one after 120 s" in told[0]


# -- reading parts of a remote file ------------------------------------------------------------------------------------


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The ranges of remote files that are fetched."""
    ranges: list[tuple[int, int]] = []
    plain = remote.read_range

    def counting(path: str, start: int, end: int, whole: bool = False) -> bytes:
        ranges.append((start, end))
        return plain(path, start, end, whole)

    monkeypatch.setattr(remote, "read_range", counting)
    return ranges


def test_a_remote_file_reads_as_a_local_one(fetched: list[tuple[int, int]], tmp_path: Path) -> None:
    data = bytes(range(256)) * 60_000  # 15 MB
    path = f"memory://{uuid.uuid4().hex}/a.bin"
    storage.write_bytes(path, data)
    with storage.open_ranges(path) as stream:
        assert (stream.read(4), stream.tell()) == (data[:4], 4)
        assert fetched == [(0, 256 << 10)], "a block"
        stream.seek(-5, os.SEEK_END)
        assert stream.read(100) == data[-5:]
        assert stream.read(1) == b""
        stream.seek(3)
        assert stream.read(300_000) == data[3:300_003]
        assert sum(end - start for start, end in fetched) < 1 << 20
        stream.seek(0)
        fetched.clear()
        while piece := stream.read(10_000):
            assert piece == data[stream.tell() - len(piece) : stream.tell()]
        assert len(fetched) < 12, "from start to end, it reads ahead"
        assert sum(end - start for start, end in fetched) <= len(data)
        stream.seek(1 << 20)
        fetched.clear()
        assert stream.read() == data[1 << 20 :]
        assert fetched == [(1 << 20, len(data))], "a large read asks for just that"
    assert storage.read_range(path, len(data) - 1, 10) == data[-1:]
    assert storage.read_range(path, len(data) + 10, 10) == b""


def test_a_file_that_changes_while_it_is_copied_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"memory://{uuid.uuid4().hex}/a.bin"
    storage.write_bytes(path, b"old content")
    plain = remote.read_range

    def changing(*arguments: Any, **options: Any) -> bytes:
        data = plain(*arguments, **options)
        storage.write_bytes(path, b"NEW content")
        return data

    monkeypatch.setattr(remote, "read_range", changing)
    with pytest.raises(storage.StorageError, match="changed while it was copied"):
        storage.fetch(path, str(tmp_path / "copy"))


# -- scratch space -----------------------------------------------------------------------------------------------------


def test_scratch_space_of_dead_processes_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch.remove()
    for name in ("longtake-scratch-dead", "longtake-scratch-alive", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "video.mp4").write_bytes(b"x")
    with open(tmp_path / "longtake-scratch-alive" / "lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        mine = scratch.folder()
        assert mine == scratch.folder()
        assert os.stat(mine).st_mode & 0o077 == 0, "others may not look"
        assert len(list(tmp_path.iterdir())) == 4, "what is younger than a minute may still be without its lock"
        scratch.remove()
        assert not os.path.exists(mine)
        later = time.time() + 61
        monkeypatch.setattr(scratch.time, "time", lambda: later)
        mine = scratch.folder()
        assert {p.name for p in tmp_path.iterdir()} == {"longtake-scratch-alive", "other", os.path.basename(mine)}
    scratch.remove()
    shutil.rmtree(tmp_path / "other")


def refused(code: str, status: int, date: float | None = None) -> str:
    """What is said when an S3 server answers in this way, at `date`."""
    errors = pytest.importorskip("botocore.exceptions")
    headers = {} if date is None else {"date": formatdate(date, usegmt=True)}
    about = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    answer = {"Error": {"Code": code, "Message": "No"}, "ResponseMetadata": about}

    def put(_: object) -> None:
        raise errors.ClientError(answer, "PutObject")

    with pytest.raises(storage.StorageError) as raised:
        remote.attempt("s3://bucket/x", put)
    return str(raised.value)


@pytest.mark.parametrize(("code", "status"), [("InsufficientStorage", 507), ("XMinioStorageFull", 507), ("Other", 507)])
def test_a_full_store_is_named_with_what_to_do(code: str, status: int) -> None:
    assert "the store of s3://bucket is full. Make room there; then run the same command" in refused(code, status)


def test_a_wrong_clock_is_named_with_what_to_do() -> None:
    told = "the store refuses requests of this machine: its clock says "
    assert told in refused("RequestTimeTooSkewed", 403)
    assert told in refused("403", 403, time.time() + 3600), "the answer to HEAD has no code"
    assert "permission denied" in refused("403", 403, time.time() + 60)


def test_a_whole_file_is_read_whatever_its_size_says(tmp_path: Path) -> None:
    for data in (b"", b"x", b"xy" * 100_000):
        (tmp_path / "file").write_bytes(data)
        assert storage.read_bytes(str(tmp_path / "file")) == data
    if Path("/proc/self/cmdline").exists():  # of size 0, and not empty
        assert storage.read_bytes("/proc/self/cmdline")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        storage.read_bytes(str(tmp_path))
