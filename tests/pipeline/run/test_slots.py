import mmap
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from longtake.pipeline.fragments.work import probe_source
from longtake.pipeline.run.slots import SlotCrashed, Slots, SlotTimeout, close_shared_slots, shared_slots
from longtake.pipeline.run.sources import in_slot
from longtake.schemas import scratch
from longtake.schemas.children import end_forks
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason


class Refused(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def pid() -> int:
    return os.getpid()


def double(number: int) -> int:
    return 2 * number


def refuse() -> None:
    raise Refused(Reason.NO_FRAMES, "none at all")


def give_up_waiting() -> None:
    raise TimeoutError("the storage did not answer")


def abort() -> None:
    os.abort()


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_the_first_time(marker: str) -> str:
    if not os.path.exists(marker):
        Path(marker).touch()
        os.abort()
    return "done"


def count_and_abort(log: str) -> None:
    with open(log, "a") as stream:
        stream.write("x")
    os.abort()


def allocate(gigabytes: int) -> int:
    return len(bytearray(gigabytes << 30))


_kept: list[bytearray] = []


def allocate_and_keep(gigabytes: int, log: str) -> None:
    with open(log, "a") as stream:
        stream.write(f"{os.getpid()}\n")
    for _ in range(gigabytes):
        _kept.append(bytearray(1 << 30))


def reserve(gigabytes: int) -> int:
    with mmap.mmap(-1, gigabytes << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ) as reserved:
        return len(reserved)


def hang(seconds: float) -> None:
    time.sleep(seconds)


def note_and_hang(log: str) -> None:
    Path(log).write_text(str(os.getpid()))
    time.sleep(600)


def note_and_wait(log: str) -> str:
    Path(log).write_text(str(os.getpid()))
    time.sleep(0.7)
    Path(log + ".done").touch()
    return "done"


def scratch_of(folder: str) -> str:
    tempfile.tempdir = folder
    return scratch.folder()


def wait_until(condition: object, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def slots() -> Iterator[Slots]:
    with Slots(2) as found:
        yield found


def test_work_runs_in_another_process_that_is_used_again(slots: Slots) -> None:
    first, second = slots.run(20, pid), slots.run(20, pid)
    assert first == second != os.getpid()


def test_arguments_and_results_pass(slots: Slots) -> None:
    assert slots.run(20, double, 21) == 42
    assert slots.run(20, double, number=4) == 8


def test_an_exception_of_the_work_passes_with_what_it_holds(slots: Slots) -> None:
    before = slots.run(20, pid)
    with pytest.raises(Refused) as caught:
        slots.run(20, refuse)
    assert (caught.value.reason, caught.value.detail) == (Reason.NO_FRAMES, "none at all")
    assert slots.run(20, pid) == before, "an exception is no reason for a new process"


def test_a_timeout_error_of_the_work_is_not_a_slot_timeout(slots: Slots) -> None:
    with pytest.raises(TimeoutError, match="the storage did not answer"):
        slots.run(20, give_up_waiting)


@pytest.mark.parametrize(("work", "name"), [(abort, "SIGABRT"), (kill_itself, "SIGKILL")])
def test_a_crash_costs_the_piece_of_work_and_nothing_else(slots: Slots, work: object, name: str) -> None:
    with pytest.raises(SlotCrashed, match=f"died on it of {name}, twice") as caught:
        slots.run(20, work)  # type: ignore[arg-type]
    assert caught.value.signal == signal.Signals[name]
    assert slots.run(20, double, 2) == 4


def test_a_crash_is_tried_twice_and_not_more(slots: Slots, tmp_path: Path) -> None:
    with pytest.raises(SlotCrashed):
        slots.run(20, count_and_abort, str(tmp_path / "log"))
    assert (tmp_path / "log").read_text() == "xx"


def test_work_that_was_killed_once_by_accident_is_done(slots: Slots, tmp_path: Path) -> None:
    assert slots.run(20, die_the_first_time, str(tmp_path / "marker")) == "done"


def test_work_that_hangs_is_killed_in_its_time(tmp_path: Path) -> None:
    with Slots(1) as slots:
        slots.run(20, pid)
        start = time.monotonic()
        with pytest.raises(SlotTimeout, match=r"0\.5 s"):
            slots.run(0.5, note_and_hang, str(tmp_path / "pid"))
        assert time.monotonic() - start < 5
        hung = int((tmp_path / "pid").read_text())
        assert wait_until(lambda: not psutil.pid_exists(hung))
        assert slots.run(20, pid) != hung


def test_memory_is_limited_and_who_ran_out_of_it_is_replaced(tmp_path: Path) -> None:
    with Slots(1, memory_limit=2 << 30) as slots:
        before = slots.run(20, pid)
        with pytest.raises(MemoryError):
            slots.run(20, allocate_and_keep, 3, str(tmp_path / "log"))
        tried = (tmp_path / "log").read_text().split()
        assert tried[0] == str(before)
        assert len(set(tried)) == 2, "tried again where nobody else has left anything"
        assert slots.run(20, allocate, 1) == 1 << 30, "all of it is there for the next"


def test_memory_that_others_left_behind_costs_nobody_anything(tmp_path: Path) -> None:
    with Slots(1, memory_limit=2 << 30) as slots:
        slots.run(20, allocate_and_keep, 1, str(tmp_path / "log"))
        assert slots.run(20, allocate, 1) == 1 << 30


def test_a_limit_of_memory_is_no_limit_of_address_space() -> None:
    with Slots(1, memory_limit=1 << 30) as slots:
        assert slots.run(20, reserve, 4) == 4 << 30


def test_other_threads_are_unaffected_by_crashes_and_hangs(slots: Slots) -> None:
    def crash(_: int) -> str:
        with pytest.raises(SlotCrashed):
            slots.run(20, abort)
        return "crashed"

    def time_out(_: int) -> str:
        with pytest.raises(SlotTimeout):
            slots.run(0.3, hang, 30)
        return "timed out"

    def work(number: int) -> int:
        return slots.run(20, double, number)

    with ThreadPoolExecutor(6) as pool:
        calm = [pool.submit(work, i) for i in range(4)]
        bad = [pool.submit(crash, 0), pool.submit(time_out, 0)]
        calm += [pool.submit(work, i) for i in range(4, 12)]
        assert [f.result() for f in calm] == [2 * i for i in range(12)]
        assert [f.result() for f in bad] == ["crashed", "timed out"]


def test_no_more_processes_than_slots() -> None:
    with Slots(2) as slots, ThreadPoolExecutor(8) as pool:
        pids = set(pool.map(lambda _: slots.run(20, pid), range(24)))
        assert 1 <= len(pids) <= 2


def test_close_waits_for_work_and_leaves_no_child(tmp_path: Path) -> None:
    slots = Slots(2)
    children = {slots.run(20, pid)}
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(slots.run, 20, note_and_wait, str(tmp_path / "pid"))
        assert wait_until(lambda: (tmp_path / "pid").exists())
        slots.close()
        assert (tmp_path / "pid.done").exists()
        assert working.result(5) == "done"
    children.add(int((tmp_path / "pid").read_text()))
    assert not [child for child in children if psutil.pid_exists(child)]
    with pytest.raises(RuntimeError, match="closed"):
        slots.run(20, pid)


def test_shared_slots_are_one_pool_until_closed() -> None:
    first = shared_slots(1)
    assert shared_slots(1) is first
    child = first.run(20, pid)
    close_shared_slots()
    assert wait_until(lambda: not psutil.pid_exists(child))
    assert shared_slots(1) is not first
    close_shared_slots()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that imports Beam, whose child has written its process id to a file and hangs."""
    (tmp_path / "work.py").write_text(
        textwrap.dedent("""
        import os, sys, time
        from pathlib import Path

        def hang(folder):
            Path(folder, "modules").write_text(" ".join(sys.modules))
            Path(folder, "pid.part").write_text(str(os.getpid()))
            Path(folder, "pid.part").rename(Path(folder, "pid"))
            time.sleep(600)
        """)
    )
    (tmp_path / "parent.py").write_text(
        textwrap.dedent(f"""
        import apache_beam
        from longtake.pipeline.run.slots import Slots
        from work import hang

        if __name__ == "__main__":
            Slots(1).run(600, hang, {str(tmp_path)!r})
        """)
    )
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"])
    try:
        assert wait_until((tmp_path / "pid").exists)
        yield parent
    finally:
        parent.kill()
        parent.wait()


def test_children_die_when_their_parent_is_killed(program: subprocess.Popen[bytes], tmp_path: Path) -> None:
    child = int((tmp_path / "pid").read_text())
    assert psutil.pid_exists(child)
    program.kill()
    program.wait()
    assert wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")


def test_children_do_not_import_the_program(program: subprocess.Popen[bytes], tmp_path: Path) -> None:
    modules = (tmp_path / "modules").read_text().split()
    assert "work" in modules
    assert "apache_beam" not in modules


@pytest.mark.parametrize("length", [40, 75, 76, 200])
def test_a_long_path_for_temporary_files_is_no_obstacle(length: int) -> None:
    """A socket's path has 107 bytes at most."""
    code = "from longtake.pipeline.run.slots import Slots\nwith Slots(1) as slots: print(slots.run(60, abs, -3))"
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        folder = Path(short) / ("y" * (length - len(short) - 1))
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
        assert not list(folder.iterdir())


def test_scratch_space_of_children_goes_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    end_forks()
    with Slots(1) as slots:
        made = Path(slots.run(60, scratch_of, str(tmp_path)))
        assert made.exists()
    assert not made.exists()


def test_children_hold_interrupts_back_until_they_ignore_them(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole process group, also children that still import: each printed a traceback."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, sys, threading, time
        from longtake.pipeline.run.slots import Slots

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGINT, lambda *_: None)  # the parent goes on

        def interrupt():
            while True:
                os.killpg(0, signal.SIGINT)
                time.sleep(0.01)

        if __name__ == "__main__":
            os.setpgid(0, 0)
            threading.Thread(target=interrupt, daemon=True).start()
            with Slots(1) as slots:
                print(slots.run(60, abs, -3))
        """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (abort, Reason.DECODER_CRASHED),
        (kill_itself, Reason.OUT_OF_MEMORY),
        (lambda: None, None),
        (hang, Reason.TIMEOUT),
    ],
)
def test_source_work_names_what_a_source_did(slots: Slots, work: object, reason: Reason | None) -> None:
    from longtake.pipeline.decode import SourceError

    if reason is None:
        with pytest.raises(SourceError) as caught:
            in_slot(slots, 20, probe_source, "/no/such/file.mp4", Limits(), False)
        assert caught.value.reason is Reason.MISSING
        return
    arguments = (30.0,) if work is hang else ()
    with pytest.raises(SourceError) as caught:
        in_slot(slots, 0.5 if work is hang else 20, work, *arguments)  # type: ignore[arg-type]
    assert caught.value.reason is reason


def test_source_work_reports_memory_as_the_fault_of_the_source() -> None:
    from longtake.pipeline.decode import SourceError

    with Slots(1, memory_limit=2 << 30) as slots, pytest.raises(SourceError, match="memory_bytes") as caught:
        in_slot(slots, 20, allocate, 3)
    assert caught.value.reason is Reason.OUT_OF_MEMORY
