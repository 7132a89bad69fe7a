"""The command line: exit codes, messages for people, and what it does not do."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest
from sources import LAST_MAN, Video, build, command, longtake, longtake_here, published, source_set, spoken

from longtake.jobs.lock import locked
from longtake.schemas.errors import CorpusError

TINY = {"frames": {"short_side": 16, "per_sentence": 1}}
FAULTS = Path(__file__).parents[1] / "end_to_end" / "faults"


def test_help_is_quick_and_needs_no_beam() -> None:
    code = (
        "import sys; sys.argv = ['longtake', '--help']\n"
        "from longtake.jobs.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'apache_beam', 'av', 'torch', 'pyarrow.dataset', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
    times = []
    for _ in range(3):
        start = os.times()
        done = longtake("--help")
        end = os.times()
        times.append(end.children_user + end.children_system - start.children_user - start.children_system)
        assert done.returncode == 0
        assert {word for word in ("init", "plan", "build", "verify", "show", "diff", "clean") if word in done.stdout} == {
            "init", "plan", "build", "verify", "show", "diff", "clean"
        }  # fmt: skip
    assert min(times) < 1.5


def test_the_version_is_that_of_the_package_with_what_decides_bytes() -> None:
    done = longtake("--version")
    lines = dict(line.split() for line in done.stdout.splitlines())
    assert done.returncode == 0 and lines == {name: version(name) for name in lines}
    assert {"longtake", "apache-beam", "av", "simplejpeg"} <= lines.keys()


@pytest.mark.parametrize("arguments", [["frobnicate"], ["build", "--no-such-option"], ["build", "--workers=-1"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = longtake_here(*arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["plan", "build"])
def test_a_wrong_configuration_is_one_line_on_stderr_and_writes_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "corpus.yaml").write_text("name: x\noutput: out\nsource: {videos: v.jsonl}\nframes: {quality: 900}\n")
    done = longtake(name, "corpus.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "longtake: corpus.yaml:4: frames.quality: Input should be less than or equal to 100\n"
    assert [p.name for p in tmp_path.iterdir()] == ["corpus.yaml"]


def test_a_missing_configuration_says_how_to_make_one(tmp_path: Path) -> None:
    done = longtake_here("build", cwd=tmp_path)
    assert done.returncode == 2
    assert "longtake init" in done.stderr


def test_a_probe_that_does_not_exist(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(2), LAST_MAN)], **TINY)
    done = longtake_here("plan", str(sources.config), "--probe=deep")
    assert done.returncode == 2
    assert "must be one of none, header, packets" in done.stderr
    assert not sources.output.exists()


@pytest.mark.parametrize("runner", ["DaskRunner"])
def test_a_runner_that_loses_data_is_refused(tmp_path: Path, runner: str) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(2), LAST_MAN)], **TINY)
    done = longtake_here("build", str(sources.config), "--", f"--runner={runner}")
    assert done.returncode == 2
    assert "DaskRunner loses outputs" in done.stderr
    assert not (sources.output / "corpus.json").exists()


def test_missing_input_is_said(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(2), LAST_MAN)], **TINY)
    (tmp_path / "videos.jsonl").unlink()
    done = longtake_here("build", str(sources.config))
    assert done.returncode == 2
    assert "videos.jsonl: no such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_plan_then_build_then_nothing_to_do(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(5), LAST_MAN)], **TINY)
    planned = longtake("plan", str(sources.config))
    assert planned.returncode == 0, planned.stderr
    assert "Build it with: longtake build" in planned.stdout
    assert sorted(p.name for p in sources.output.iterdir()) == ["plan", "staging"]  # nothing was left out
    built = longtake("build", str(sources.config), "--workers=1")
    assert built.returncode == 0, built.stderr
    assert "Using the plan in" in built.stdout
    assert "Traceback" not in built.stderr
    before = published(sources.output)
    again = longtake_here("build", str(sources.config))
    assert again.returncode == 0
    assert "is already complete: nothing to do" in again.stdout
    refused = longtake_here("plan", str(sources.config))
    assert refused.returncode == 1
    assert "holds a finished corpus" in refused.stderr
    assert published(sources.output) == before
    assert longtake_here("verify", str(sources.output)).returncode == 0
    cleaned = longtake_here("clean", str(sources.output))
    assert cleaned.returncode == 0
    assert sorted(p.name for p in (sources.output / "staging").iterdir()) == ["inputs.json", "job.json", "lock"]
    assert published(sources.output) == before
    assert "nothing to do" in build(sources)


def test_clean_keeps_the_work_of_an_unfinished_corpus(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    done = longtake_here("clean", str(tmp_path))
    assert done.returncode == 1
    assert "is not finished" in done.stderr
    assert (tmp_path / "staging").exists()


@pytest.mark.slow
def test_ctrl_c_stops_with_130_and_a_word_on_how_to_go_on(tmp_path: Path) -> None:
    videos = [Video(f"v{i}", spoken(4), LAST_MAN) for i in range(12)]
    sources = source_set(tmp_path, videos, **TINY)
    env = {**os.environ, "PYTHONPATH": str(FAULTS), "LONGTAKE_TEST_FAULTS": "decode=slow"}
    process = subprocess.Popen(
        command("build", str(sources.config), "--probe=none", "--workers=1"),
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(
            signal.signal, signal.SIGINT, signal.SIG_DFL
        ),  # ignored where the tests run in the background
    )
    deadline = time.monotonic() + 300
    while not list(sources.output.glob("staging/*/*.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "it goes on where it was" in errors
    assert "Traceback" not in errors
    assert not (sources.output / "corpus.json").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(CorpusError, match="not empty, and not a corpus"), locked(str(tmp_path / "out")):
        pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
