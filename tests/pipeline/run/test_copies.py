"""Local copies of remote sources: within their limit, shared, gone afterwards, and honest about a full disk."""

import os
import threading
import time
import uuid
from pathlib import Path

import pytest

from longtake.pipeline.decode import SourceError
from longtake.pipeline.run import copies as module
from longtake.pipeline.run.copies import Copies
from longtake.pipeline.run.sources import local_source
from longtake.schemas import scratch, storage
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason


@pytest.fixture
def root() -> str:
    return f"memory://{uuid.uuid4().hex}"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are copied."""
    names: list[str] = []
    plain = storage.fetch

    def counting(path: str, target: str, known: tuple[int, str] | None = None) -> None:
        names.append(path.rsplit("/", 1)[-1])
        time.sleep(0.05)
        plain(path, target, known)

    monkeypatch.setattr(storage, "fetch", counting)
    return names


def put(root: str, name: str, size: int = 100) -> str:
    uri = storage.join(root, name)
    storage.write_bytes(uri, name[:1].encode() * size)
    return uri


def files() -> int:
    return sum(name != "lock" for name in os.listdir(scratch.folder()))


def test_many_threads_share_one_copy(root: str, fetched: list[str]) -> None:
    copies, uri, paths = Copies(1000), put(root, "a.mp4"), []

    def work() -> None:
        with copies.of(uri) as path:
            assert Path(path).read_bytes() == b"a" * 100
            paths.append(path)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(paths) == 8
    assert len(set(paths)) == 1
    assert paths[0].endswith(".mp4")
    assert fetched == ["a.mp4"], "read once"
    copies.clear()
    assert not os.path.exists(paths[0])


def test_another_version_is_copied_anew(root: str, fetched: list[str]) -> None:
    copies, uri = Copies(1000), put(root, "a.mp4")
    with copies.of(uri) as before:
        storage.write_bytes(uri, b"new")
        with copies.of(uri) as now:
            assert (Path(before).read_bytes(), Path(now).read_bytes()) == (b"a" * 100, b"new")
    copies.clear()


def test_the_limit_holds_and_who_comes_later_waits(root: str, fetched: list[str]) -> None:
    copies, before = Copies(250), files()
    uris = [put(root, f"{letter}.mp4") for letter in "abcdef"]
    most: list[int] = []
    done: list[str] = []

    def work(uri: str) -> None:
        with copies.of(uri) as path:
            most.append(files() - before)
            time.sleep(0.05)
            done.append(Path(path).read_text()[:1])

    threads = [threading.Thread(target=work, args=(uri,)) for uri in uris]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(done) == list("abcdef")
    assert max(most) <= 2, "250 bytes hold two of them"
    copies.clear()
    assert files() == before


def test_what_is_larger_than_the_limit_is_refused(root: str, fetched: list[str]) -> None:
    uri = put(root, "a.mp4", 101)
    with pytest.raises(SourceError) as error, local_source(uri, Limits(scratch_bytes=100)):
        pass
    assert (error.value.reason, error.value.detail) == (
        Reason.LIMIT_EXCEEDED,
        "101 bytes to copy; limits.scratch_bytes is 100",
    )
    assert fetched == []


def on_full_disk(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The next `times` copies lie on /dev/full, where the kernel says ENOSPC."""
    plain, left = module.tempfile.mkstemp, [times]

    def mkstemp(suffix: str, dir: str) -> tuple[int, str]:
        handle, path = plain(suffix, dir=dir)
        if left[0]:
            left[0] -= 1
            os.unlink(path)
            os.symlink("/dev/full", path)
        return handle, path

    monkeypatch.setattr(module.tempfile, "mkstemp", mkstemp)


def test_a_full_disk_is_the_reason(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files()
    on_full_disk(monkeypatch, 1)
    with pytest.raises(SourceError) as error, local_source(put(root, "a.mp4"), Limits(scratch_bytes=100_001)):
        pass
    assert error.value.reason is Reason.NO_SPACE
    assert error.value.detail.startswith("no space left for 100 bytes in ")
    assert files() == before
    with local_source(put(root, "b.mp4"), Limits(scratch_bytes=100_001)) as path:
        assert Path(path).read_bytes() == b"b" * 100, "and the next one is tried"


def test_idle_copies_make_room_on_a_full_disk(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copies = Copies(10_000)
    with copies.of(put(root, "a.mp4")) as idle:
        pass
    on_full_disk(monkeypatch, 1)
    with copies.of(put(root, "b.mp4")) as path:
        assert Path(path).read_bytes() == b"b" * 100
        assert not os.path.exists(idle)
    copies.clear()


def test_copies_in_use_are_waited_for_on_a_full_disk(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copies, uri = Copies(10_000), put(root, "b.mp4")
    found: list[bytes] = []

    def work() -> None:
        with copies.of(uri) as path:
            found.append(Path(path).read_bytes())

    with copies.of(put(root, "a.mp4")) as used:
        on_full_disk(monkeypatch, 1)
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.3)
        assert found == []
        assert os.path.exists(used), "not taken from who uses it"
    thread.join(10)
    assert found == [b"b" * 100]
    copies.clear()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (storage.UnreachableError("m://x: storage failed 6 times"), Reason.UNREACHABLE),
        (storage.BucketError("m://x: there is no bucket"), Reason.MISSING),
        (FileNotFoundError(2, "No such file"), Reason.MISSING),
        (storage.AccessError("m://x: permission denied"), Reason.UNREADABLE),
        (storage.StorageError("m://x: changed while it was copied"), Reason.UNREADABLE),
    ],
)
def test_what_storage_does_to_a_source_is_a_reason(
    root: str, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: Reason
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(storage, "fetch", fail)
    before = files()
    with pytest.raises(SourceError) as found, local_source(put(root, "a.mp4"), Limits(scratch_bytes=100_002)):
        pass
    assert found.value.reason is reason
    assert files() == before


def test_missing_credentials_stop_the_job_and_blame_no_source(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise storage.CredentialsError("m://x: no usable credentials")

    monkeypatch.setattr(storage, "fetch", fail)
    with (
        pytest.raises(storage.CredentialsError),
        local_source(put(root, "a.mp4"), Limits(scratch_bytes=100_003)),
    ):
        pass


def test_a_failure_of_the_work_is_not_blamed_on_the_source(root: str) -> None:
    with (
        pytest.raises(OSError, match="disk of the output"),
        local_source(put(root, "a.mp4"), Limits(scratch_bytes=100_004)),
    ):
        raise OSError("disk of the output")
