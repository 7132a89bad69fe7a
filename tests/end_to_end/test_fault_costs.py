"""What a fault costs: the video it is in, or nothing. docs/reliability.md has the whole matrix."""

import json
import multiprocessing
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import media
import psutil
import pytest
from sources import (
    LAST_MAN,
    SourceSet,
    Video,
    build_by_default,
    command,
    ledger,
    leftovers,
    longtake,
    longtake_here,
    published,
    reasons,
    source_set,
    spoken,
)
from survivors import lost_clips
from worker_pools import worker_pool

FAULTS = Path(__file__).parent / "faults"
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 2}}
VIDEOS = [Video(f"v{i}", spoken(4 + i % 2, 500 * i), LAST_MAN) for i in range(5)]


def faulty(faults: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(FAULTS), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "LONGTAKE_TEST_FAULTS": faults}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """A build that nothing happened to."""
    sources = source_set(tmp_path_factory.mktemp("clean"), VIDEOS, **SETTINGS)
    build_by_default(sources)
    return sources


def videos_of(clips: dict[str, str], reason: str) -> set[str]:
    return {key.split("-0")[0] for key, found in clips.items() if found == reason}


# -- one bad video ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_video_that_crashes_hangs_is_killed_or_changes_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("changing", "crash", "hang", "killed")
    videos = VIDEOS[:3] + [Video(f"{name}-x", spoken(4), LAST_MAN) for name in names]
    both = []
    for name in ("clean", "faulty"):
        sources = source_set(tmp_path / name, videos, **SETTINGS, limits={"decode_seconds": 4}, max_failed=0.9)
        changing = tmp_path / name / "videos" / "changing-x.mp4"
        changing.unlink()
        shutil.copy(LAST_MAN, changing)
        both.append(sources)
    build_by_default(both[0])
    with monkeypatch.context() as patch:
        for name, value in faulty("decode=fail").items():
            patch.setenv(name, value)
        build_by_default(both[1])
    assert reasons(both[1].output, "video") == {
        "changing-x": "source_changed",
        "crash-x": "decoder_crashed",
        "hang-x": "timeout",
        "killed-x": "out_of_memory",
    }
    details = {row["video_id"]: row["detail"] for row in ledger(both[1].output) if row["subject"] == "video"}
    assert "SIGABRT" in details["crash-x"]
    assert "SIGKILL" in details["killed-x"]
    assert len(lost_clips(both[1].output, both[0].output)) == 4
    build_by_default(both[1], overwrite=True)  # without the faults
    assert published(both[1].output) == published(both[0].output), "nothing wrong was kept for later"


@pytest.mark.slow
def test_a_video_that_takes_too_much_memory_costs_itself(tmp_path: Path) -> None:
    """A real one: pictures of 8K in 4:4:4, four of which have to be kept, take 0.6 GB."""
    large = media.encode(
        "large.mp4", duration=1, size="8192x4320", rate="4",
        extra=["-pix_fmt", "yuv444p", "-preset", "ultrafast", "-crf", "40",
               "-x264-params", "ref=4:bframes=0:keyint=8:rc-lookahead=1"],
    )  # fmt: skip
    videos = [*VIDEOS, Video("large", spoken(3, length=300, gap=30), large)]
    whole = source_set(tmp_path / "whole", videos, **SETTINGS)
    build_by_default(whole, workers=1)
    sources = source_set(tmp_path / "little", videos, **SETTINGS, limits={"memory_bytes": 512 << 20})
    build_by_default(sources, workers=1)
    assert reasons(sources.output, "video") == {"large": "out_of_memory"}
    assert set(lost_clips(sources.output, whole.output).values()) == {"out_of_memory"}


def test_a_file_that_was_cut_or_damaged_costs_the_clips_it_reaches(tmp_path: Path) -> None:
    whole = media.encode("whole.mkv", duration=20, extra=["-g", "25"])
    videos = [Video(name, spoken(16), whole) for name in ("cut", "hurt", "sound")] + VIDEOS[:2]
    reference = source_set(tmp_path / "reference", videos, **SETTINGS)
    build_by_default(reference)
    sources = source_set(tmp_path / "sources", videos, **SETTINGS)
    for name, file in (("cut", media.truncated(whole, 0.6)), ("hurt", media.damaged(whole, 0.3, 20_000))):
        (tmp_path / "sources" / f"videos/{name}.mkv").unlink()
        (tmp_path / "sources" / f"videos/{name}.mkv").symlink_to(file)
    build_by_default(sources)
    lost = lost_clips(sources.output, reference.output)
    assert videos_of(lost, "frames_past_end") == {"cut"}
    assert videos_of(lost, "frames_damaged") == {"hurt"}
    assert {key.split("-0")[0] for key in lost} == {"cut", "hurt"}
    assert not reasons(sources.output, "video"), "some of each is left"


# -- a source that changes -------------------------------------------------------------------------------------------------


def own_file(sources: SourceSet, video: Video, content: Path) -> Path:
    """A file of its own for `video`, in the place of the link to one that others use."""
    path = sources.folder / video.uri
    path.unlink()
    shutil.copy(content, path)
    return path


def notes(sources: SourceSet) -> dict[str, str]:
    return {row["video_id"]: row["detail"] for row in ledger(sources.output) if row["reason"] == "source_changed"}


def test_a_source_that_changes_after_being_planned_is_told(tmp_path: Path, clean: SourceSet) -> None:
    other = media.encode("other.mp4", duration=14)
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    replaced, touched = (own_file(sources, video, LAST_MAN) for video in VIDEOS[:2])
    assert longtake_here("plan", str(sources.config), "--probe=header").returncode == 0
    shutil.copy(other, replaced)
    os.utime(touched, (1, 1))
    printed = build_by_default(sources)
    assert "2 source videos changed after planning" in printed
    assert set(notes(sources)) == {"v0", "v1"}
    assert f"looked at {LAST_MAN.stat().st_size} bytes" in notes(sources)["v0"]
    assert f"there are {other.stat().st_size} bytes" in notes(sources)["v0"]
    assert not reasons(sources.output, "video")

    shutil.copy(LAST_MAN, replaced)
    build_by_default(sources, probe="header", overwrite=True)
    assert notes(sources) == {}, "planned again, with what is there"
    assert published(sources.output).keys() == published(clean.output).keys()
    build_by_default(sources, probe="none", overwrite=True)
    os.utime(touched, (2, 2))
    (sources.output / "corpus.json").unlink()
    build_by_default(sources)
    assert notes(sources) == {}, "a plan that looked at no source knows of no change"
    assert published(sources.output) == published(clean.output)


# -- twice at once ---------------------------------------------------------------------------------------------------------


def decode_all(config: str, stop: Event, written: Event) -> None:
    """What a worker does that everybody thinks dead: it decodes all the tasks of the plan, again and again."""
    from longtake.pipeline.decode import versions
    from longtake.pipeline.fragments.fragment import WantedClip
    from longtake.pipeline.fragments.plan_table import clips_of, plan_parts, tasks_of
    from longtake.pipeline.fragments.work import decode_source
    from longtake.schemas.config import load_config
    from longtake.schemas.layout import Layout

    corpus = load_config(config)
    layout = Layout(corpus.root)
    while not stop.is_set():
        for part in plan_parts(layout):
            for task in tasks_of(part, corpus, versions(corpus.frames.decoder)):
                wanted = [WantedClip(clip.key, clip.frame_times_ms) for clip in clips_of(task)]
                path = corpus.resolve(task.uri)
                decode_source(path, wanted, corpus.frames, corpus.limits, layout, task.digest)
                written.set()


@contextmanager
def zombies(sources: SourceSet, number: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    stop, written = context.Event(), context.Event()
    workers = [context.Process(target=decode_all, args=(str(sources.config), stop, written)) for _ in range(number)]
    for worker in workers:
        worker.start()
    assert written.wait(60)
    try:
        yield
        assert all(worker.is_alive() for worker in workers), "they have been at it all the time"
    finally:
        stop.set()
        for worker in workers:
            worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * number


def test_the_same_tasks_done_by_others_at_the_same_time_change_nothing(tmp_path: Path, clean: SourceSet) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    assert longtake_here("plan", str(sources.config), "--probe=none").returncode == 0
    with zombies(sources, 2):
        build_by_default(sources)
        assert published(sources.output) == published(clean.output)
        (sources.output / "corpus.json").unlink()
        build_by_default(sources)
    assert published(sources.output) == published(clean.output)
    assert not lost_clips(sources.output, clean.output)


# -- killed ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_decoder_process_costs_nothing(tmp_path: Path, clean: SourceSet) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    with subprocess.Popen(
        command("build", str(sources.config), "--probe=none", "--workers=2"),
        env=faulty("decode=slow"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        killed, deadline = 0, time.monotonic() + 300
        while killed < 2:
            assert process.poll() is None, "it ended before the moment to kill"
            assert time.monotonic() < deadline
            if len(list(sources.output.glob("staging/*/*.json"))) > killed:
                servers = [
                    child
                    for child in psutil.Process(process.pid).children()
                    if "forkserver" in " ".join(child.cmdline())
                ]
                decoders = [child for server in servers for child in server.children()]
                for decoder in decoders[:1]:
                    decoder.kill()
                    killed += 1
            time.sleep(0.02)
        assert process.wait(120) == 0
    assert published(sources.output) == published(clean.output)
    assert not lost_clips(sources.output, clean.output)


@pytest.mark.slow
def test_a_killed_worker_process_ends_the_job_and_the_next_goes_on(
    tmp_path: Path, clean: SourceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker outside, as on Flink and Spark; these start another one and go on, which the local runner does not."""
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    assert longtake_here("plan", str(sources.config), "--probe=none").returncode == 0
    for name, value in faulty("decode=slow").items():
        monkeypatch.setenv(name, value)
    with worker_pool(tmp_path / "pool.log") as pool:
        external = ["--environment_type=EXTERNAL", f"--environment_config={pool}", "--direct_num_workers=2"]
        with subprocess.Popen(
            command("build", str(sources.config), "--workers=1", "--", *external),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            deadline = time.monotonic() + 300
            while not list(sources.output.glob("staging/*/*.json")):
                assert process.poll() is None, "it ended before the moment to kill"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            workers = [child for child in psutil.Process().children(recursive=True) if is_worker(child)]
            assert len(workers) == 2
            workers[0].kill()
            told = process.communicate(timeout=120)[1]
            assert process.returncode == 1, told
            assert "A worker process died. Run the same command again" in told
            assert "Traceback" not in told
    assert not (sources.output / "corpus.json").exists()
    monkeypatch.delenv("LONGTAKE_TEST_FAULTS")
    assert "of an earlier run reused" in build_by_default(sources)
    assert published(sources.output) == published(clean.output)


def is_worker(process: psutil.Process) -> bool:
    return "SdkHarness" in " ".join(process.cmdline()) or "sdk_worker_main" in " ".join(process.cmdline())


@pytest.mark.slow
def test_a_build_killed_while_it_plans_starts_again(tmp_path: Path, clean: SourceSet) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    with subprocess.Popen(
        command("build", str(sources.config), "--probe=none", "--workers=1"),
        env=faulty("plan=slow"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 300
        while not list(sources.output.glob("plan/part-*.parquet")):
            assert process.poll() is None, "it ended before the moment to kill it"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    assert not (sources.output / "plan" / "_plan.json").exists()
    assert "Using the plan" not in build_by_default(sources)
    assert published(sources.output) == published(clean.output)
    assert not leftovers(sources.output / "shards")


# -- the clock -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, clean: SourceSet) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    arguments = "build", str(sources.config), "--probe=header", "--workers=2"
    done = longtake(*arguments, env=faulty("clock=jumps"))
    assert done.returncode == 0, done.stderr
    assert published_but_the_plan(sources) == published_but_the_plan(clean)

    (sources.output / "corpus.json").unlink()
    for number, path in enumerate(sorted(sources.output.rglob("*"))):
        os.utime(path, (0, 0) if number % 2 else (4e9, 4e9))
    done = longtake(*arguments, env=faulty("clock=jumps"))
    assert done.returncode == 0, done.stderr
    assert f", {len(VIDEOS)} fragments of an earlier run reused" in done.stdout
    assert published_but_the_plan(sources) == published_but_the_plan(clean)
    told = longtake("status", str(sources.output), "--json", env=faulty("clock=jumps"))
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)


def published_but_the_plan(sources: SourceSet) -> dict[str, str]:
    """What is published but for _plan.json, which says how closely the sources were looked at."""
    return {path: digest for path, digest in published(sources.output).items() if not path.endswith("_plan.json")}
