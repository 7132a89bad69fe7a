"""The lock of an output on an object store: one holder at a time, whoever dies, and without a look at a clock."""

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import object_stores
import pytest

from longtake.jobs import lease
from longtake.jobs.lease import leased
from longtake.jobs.lock import locked
from longtake.pipeline.build.status import read_status
from longtake.schemas import remote, storage
from longtake.schemas.errors import CorpusError


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> str:
    """An output in the memory of this process, whose locks are renewed and given up sooner than in earnest."""
    for name, seconds in (("LEASE_RENEWED_S", 0.1), ("LEASE_S", 1.0), ("_LOOK_S", 0.05)):
        monkeypatch.setattr(lease, name, seconds)
    return f"memory://lease-{uuid.uuid4().hex}/out"


def locks(root: str) -> list[str]:
    return [path.rpartition("/")[2] for path in storage.list_files(f"{root}/staging")]


def leave_behind(root: str, **changes: object) -> None:
    """A lock whose holder died on another machine, or as `changes` say."""
    holder = {"token": "t", "host": "elsewhere", "pid": 7, "life": "other machine 1", "beats": 3} | changes
    storage.write_bytes(f"{root}/staging/lock-000001", json.dumps(holder).encode())


def test_one_holds_it_and_the_next_is_told_who(root: str) -> None:
    with locked(root):
        assert locks(root) == ["lock-000001"]
        begun = time.monotonic()
        with pytest.raises(CorpusError, match=r"another longtake command is working on this corpus \(process \d+ on "):
            locked(root).__enter__()
        assert time.monotonic() - begun < 0.9, "it saw a sign of life"
        assert read_status(root).running
    assert locks(root) == []
    with locked(root):
        pass


def test_of_many_at_once_one_wins(root: str) -> None:
    outcomes: list[str] = []
    ready = threading.Barrier(6)

    def command() -> None:
        ready.wait()
        try:
            with leased(root):
                outcomes.append("held")
                time.sleep(0.6)
        except CorpusError:
            outcomes.append("told")

    threads = [threading.Thread(target=command) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held"] + 5 * ["told"]


@pytest.mark.parametrize("changes", [{}, {"life": ""}])
def test_a_holder_elsewhere_without_a_sign_of_life_is_replaced(root: str, changes: dict[str, object]) -> None:
    leave_behind(root, **changes)
    begun = time.monotonic()
    with leased(root):
        assert 1 < time.monotonic() - begun < 5
        assert locks(root) == ["lock-000002"]
    assert locks(root) == []


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[1]", b'{"token": 1}'])
def test_a_lock_that_nobody_can_read_is_replaced_too(root: str, content: bytes) -> None:
    storage.write_bytes(f"{root}/staging/lock-000001", content)
    with leased(root):
        assert locks(root) == ["lock-000002"]


def test_a_dead_holder_on_this_machine_is_replaced_at_once(root: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        life = lease._life(process.pid)
        leave_behind(root, pid=process.pid, life=life)
        assert not lease._is_dead(lease._parse(storage.read_bytes(f"{root}/staging/lock-000001")))
        process.kill()
    begun = time.monotonic()
    with leased(root):
        assert time.monotonic() - begun < 0.9


def test_who_was_cut_off_and_replaced_is_stopped(root: str) -> None:
    def take_over() -> None:
        time.sleep(0.3)
        leave_behind(root)
        storage.write_bytes(f"{root}/staging/lock-000002", b"another's")

    thread = threading.Thread(target=take_over)
    with pytest.raises(CorpusError, match="another has taken it over"), leased(root):
        thread.start()
        time.sleep(5)
    thread.join()
    assert "lock-000002" in locks(root), "it is not ours to delete"


def test_a_lost_answer_is_not_taken_for_another_command(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(path: str, data: bytes) -> bool:
        storage.write_bytes(path, data)
        return False  # what the second attempt says, because the first one wrote

    monkeypatch.setattr(remote, "create", create)
    with leased(root):
        assert locks(root) == ["lock-000001"]


def test_a_folder_that_the_holder_itself_deletes_does_not_stop_it(root: str) -> None:
    with leased(root):
        storage.delete_folder(root)
        time.sleep(0.4)


@pytest.fixture(scope="module")
def stores() -> Iterator[None]:
    if missing := object_stores.missing():
        pytest.skip(f"not installed: {missing}")
    with object_stores.emulators() as settings, pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def s3(stores: None) -> str:
    return object_stores.new_bucket("s3")


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_status_goes_by_the_clock_of_the_store(kind: str, stores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    root = storage.join(object_stores.new_bucket(kind), "out")
    right = time.time
    with locked(root), monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: right() + 3600)
        found = read_status(root)
    assert found.running
    assert abs(found.now - right()) < 60


def test_a_store_lets_one_request_create(s3: str, tmp_path: Path) -> None:
    path = f"{s3}/{tmp_path.name}"
    assert remote.create(path, b"first")
    assert not remote.create(path, b"second")
    assert storage.read_bytes(path) == b"first"
