"""`longtake status` on real builds that run, were killed at each stage, are finished or not begun: files alone, none changed."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sources import LAST_MAN, SourceSet, Video, build, command, longtake, longtake_here, source_set, spoken

from longtake.pipeline.build.status import STAGES, JobStatus, read_status
from longtake.schemas.errors import CorpusError

FAULTS = Path(__file__).parent / "faults"
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 2}, "max_failed": 0.5}
VIDEOS = [Video(f"v{i}", spoken(4, 500 * i), LAST_MAN) for i in range(8)]
LOST = "v3"


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a folder that a status must not change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.stat()
        found[str(path)] = facts.st_mtime_ns, facts.st_ino, path.read_bytes() if path.is_file() else b""
    return found


def look(sources: SourceSet, **options: Any) -> JobStatus:
    """The status of an output at rest, with the promise that looking changes nothing."""
    before = snapshot(sources.output)
    found = read_status(str(sources.output), **options)
    assert snapshot(sources.output) == before
    json.dumps(found.to_json())
    return found


def markers(sources: SourceSet) -> list[Path]:
    return sorted(sources.output.glob("staging/??/*.json"))


@contextmanager
def building(sources: SourceSet, faults: str, moment: Callable[[SourceSet], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """A build at `moment`; killed at the end of the block."""
    process = subprocess.Popen(
        command("build", str(sources.config), "--probe=none", "--workers=2"),
        env={
            **os.environ,
            "PYTHONPATH": f"{FAULTS}:{os.environ.get('PYTHONPATH', '')}",
            "LONGTAKE_TEST_FAULTS": faults,
        },
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 300
        while not moment(sources):
            assert process.poll() is None, "it ended before the moment"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def plan_parts_there(sources: SourceSet) -> bool:
    return bool(list(sources.output.glob("plan/*.parquet")))


def half_decoded(sources: SourceSet) -> bool:
    return len(markers(sources)) >= 3


def a_shard_is_there_and_one_is_not(sources: SourceSet) -> bool:
    return bool(list(sources.output.glob("shards/*.tar"))) and bool(list(sources.output.glob("shards/.tmp-*")))


def sealed_but_for_the_last_file(sources: SourceSet) -> bool:
    return (sources.output / "README.md").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "moment", "stage"),
    [
        ("plan=slow", plan_parts_there, "planning"),
        ("decode=half", half_decoded, "decoding"),
        pytest.param("pack=slow", a_shard_is_there_and_one_is_not, "packing", marks=pytest.mark.exhaustive),
        pytest.param("seal=slow", sealed_but_for_the_last_file, "sealing", marks=pytest.mark.exhaustive),
    ],
)
def test_a_build_that_runs_and_then_is_killed(
    tmp_path: Path, faults: str, moment: Callable[[SourceSet], bool], stage: str
) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    (tmp_path / "videos" / f"{LOST}.mp4").unlink()
    with building(sources, faults, moment) as process:
        found = read_status(str(sources.output))
        assert (found.stage, found.running) == (stage, True)
        assert found.note is not None
        assert (found.note.command, found.note.pid, found.note.ended) == ("build", process.pid, None)
        assert found.last_sign is not None
        assert -1 < found.now - found.last_sign < 30
        os.killpg(process.pid, signal.SIGSTOP)  # else it is further when the command has started
        printed = longtake("status", str(sources.output))
        assert printed.returncode == 0, printed.stderr
        assert f"running (process {process.pid} on " in printed.stdout

    found = look(sources, list_videos=True)
    assert (found.stage, found.running, found.manifest) == (stage, False, None)
    if stage == "planning":
        assert (found.plan, found.decoding, found.failed) == (None, None, {})
        return
    assert found.plan is not None
    assert found.decoding is not None
    assert (found.decoding.videos, found.decoding.tasks, found.decoding.clips) == (8, 8, 8)
    assert found.decoding.videos_done == found.decoding.tasks_done == found.decoding.clips_done == len(markers(sources))
    assert found.decoding.bytes == sum(path.stat().st_size for path in sources.output.glob("staging/??/*.frag"))
    assert found.decoding.left_s is None, "nobody works on it"
    assert found.decoding.rate is not None
    assert 0.1 < found.decoding.rate < 100
    if list(sources.output.glob("staging/??/*.failed")):  # its turn comes before or after that of the others
        assert found.failed == {"decode": {"missing": 1}}
        assert found.videos[LOST] == "failed: missing"
    else:
        assert stage == "decoding" and found.failed == {} and found.videos[LOST] == "to do"
    assert list(found.videos.values()).count("done") == len(markers(sources))
    assert set(found.shards) == {path.name for path in sources.output.glob("shards/*.tar")}
    assert sum(found.planned_shards.values()) >= len(found.shards)
    printed = longtake("status", str(sources.output)).stdout
    assert ", stopped" in printed
    assert "Run the same command again" in printed
    assert f"decoded: {len(markers(sources))} of 8 videos" in printed

    remote = f"memory://status-{stage}"
    memory = fsspec.filesystem("memory")
    memory.put(f"{sources.output}/", f"{remote}/", recursive=True)
    for path in sources.output.glob("staging/??/*.failed"):  # a build writes them after its lists
        memory.put_file(str(path), f"{remote}/{path.relative_to(sources.output)}")
    there = read_status(remote, list_videos=True)
    assert (there.stage, there.running) == (stage, None), "memory: has no locks"
    assert there.decoding is not None
    for name in ("videos", "videos_done", "videos_failed", "tasks_done", "clips_done", "bytes"):
        assert getattr(there.decoding, name) == getattr(found.decoding, name), name
    assert (there.videos, there.shards, there.failed) == (found.videos, found.shards, found.failed)

    build(sources)
    assert look(sources).stage == "sealed"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("finished"), VIDEOS, **SETTINGS)
    (sources.folder / "videos" / f"{LOST}.mp4").unlink()
    build(sources)
    return sources


def test_a_finished_corpus(finished: SourceSet) -> None:
    found = look(finished, list_videos=True)
    assert (found.stage, found.running, found.faults, found.decoding, found.videos) == ("sealed", False, (), None, {})
    assert found.failed == {"decode": {"missing": 1}}
    assert found.note is not None
    assert found.note.ended is not None
    assert found.note.error is None
    raw = json.loads(longtake_here("status", str(finished.output), "--json").stdout)
    assert raw["sealed"]["counts"]["videos"] == {"in": 8, "kept": 7, "dropped": 1}
    assert raw["stage"] == "sealed"
    assert "sealed: complete" in longtake_here("status", str(finished.output)).stdout


def test_a_finished_corpus_that_lost_something(finished: SourceSet, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.output, copy)
    (copy / "shards" / "train-000000.tar").unlink()
    with (copy / "shards" / "train-000001.tar").open("ab") as stream:
        stream.write(b"more")
    (copy / "index" / "train-000002.parquet").unlink()
    faults = read_status(str(copy)).faults
    assert [fault.partition(":")[0] for fault in faults] == [f"train-00000{i}.tar" for i in (0, 1, 2)]
    assert "fault: train-000000.tar: missing" in longtake_here("status", str(copy)).stdout


def test_a_plan_that_nobody_builds_yet(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[:4], **SETTINGS)
    (tmp_path / "videos" / "v1.mp4").unlink()
    assert longtake("plan", str(sources.config)).returncode == 0
    found = look(sources)
    assert (found.stage, found.running, found.failed) == ("planned", False, {"plan": {"missing": 1}})
    assert found.note is not None
    assert found.note.command == "plan"


def test_a_build_that_failed_says_why(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[:2], **SETTINGS | {"max_failed": 0.0})
    (tmp_path / "videos" / "v1.mp4").unlink()
    assert longtake("build", str(sources.config), "--probe=none").returncode == 1
    found = look(sources)
    assert (found.stage, found.running, found.failed) == ("packing", False, {"decode": {"missing": 1}})
    assert "It ended with: 1 of 2 videos failed (50%)" in longtake_here("status", str(sources.output)).stdout

    (tmp_path / "videos" / "v1.mp4").symlink_to(LAST_MAN)
    sources.change(max_failed=0.5)
    build(sources)
    assert look(sources).failed == {}


def test_what_is_no_output(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert read_status(str(empty)).stage == "empty"
    assert "nothing planned yet" in longtake_here("status", str(empty)).stdout
    (empty / "letter.txt").write_text("dear")
    with pytest.raises(CorpusError, match="not an output of Longtake: it holds"):
        read_status(str(empty))
    with pytest.raises(CorpusError, match="no such folder"):
        read_status(str(tmp_path / "nowhere"))
    done = longtake_here("status", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such folder" in done.stderr


@pytest.mark.exhaustive
def test_no_id_acts_on_the_terminal(tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[31m<b>"
    sources = source_set(
        tmp_path, [Video("v0", spoken(4), LAST_MAN), Video(hostile, spoken(4), LAST_MAN, "other")], **SETTINGS
    )
    (tmp_path / "videos" / "other.mp4").unlink()
    sources.change(max_failed=0.0)
    assert longtake("build", str(sources.config), "--probe=none").returncode == 1
    for arguments in (("--videos",), ("--videos", "--json")):
        done = longtake_here("status", str(sources.output), *arguments)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "\x07" not in done.stdout
        assert "owned" in done.stdout, "it is told"


@pytest.mark.parametrize(
    "broken", ["staging/job.json", "staging/tasks/part-00000.parquet", "plan/_plan.json", "corpus.json"]
)
def test_files_that_are_not_what_they_should_be(finished: SourceSet, tmp_path: Path, broken: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.output, copy)
    if not broken.startswith("corpus"):
        (copy / "corpus.json").unlink()
    for content in (b"", b"{", b"[]", b"\xff" * 40, b'{"format": 1}', b"null"):
        (copy / broken).write_bytes(content)
        with pytest.raises(CorpusError) if broken in ("plan/_plan.json", "corpus.json") else nullcontext():
            assert read_status(str(copy)).stage in STAGES
