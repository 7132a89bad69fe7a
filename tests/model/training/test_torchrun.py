"""`torchrun ... longtake train` on two processes: evaluation, SIGTERM, resumption, a message said once, a process lost."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from small_training import told, write_corpora, written

from longtake.model.weights.checkpoint import checkpoints, load_model

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
PATIENCE_S = 600
SHORT: dict[str, Any] = {
    "steps": 60,
    "save": {"every": 10, "best": "paragraph_to_video/r1"},
    "evaluate": {"every": 30, "split": "train"},
    "ema": 0.9,
    "batch_size": 2,
    "model": {"losses": {"pixels_weight": 1.0, "pixels_block": 16}},
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torchrun")
    write_corpora(folder)
    return folder


def torchrun(path: Path, *more: str) -> subprocess.Popen[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.Popen(
        [*launch, "-m", "longtake.jobs.cli", "train", str(path), *more], env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def reached(process: subprocess.Popen[str], run: Path, step: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while step not in [found for found, _ in checkpoints(str(run))]:
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.02)


def ranks(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def test_stopped_and_resumed_it_trains_as_uninterrupted(folder: Path) -> None:
    whole = torchrun(written(folder, "whole.yaml", output=str(folder / "whole"), **SHORT))
    out, err = whole.communicate(timeout=PATIENCE_S)
    assert whole.returncode == 0, err
    assert "steps 0 to 60 of 4 samples, 12 an epoch, on 2 x cpu" in out
    assert out.count("Trained: ") == 1 and out.count("evaluation at step 30:") == 1  # one process speaks
    expected = told(folder / "whole")
    evaluated = [record for record in expected if "eval/samples" in record]
    assert [record["step"] for record in evaluated] == [30, 60] and evaluated[0]["eval/samples"] == 12

    path, run = written(folder, "parts.yaml", output=str(folder / "parts"), **SHORT), folder / "parts"
    process = torchrun(path)
    reached(process, run, 10)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_S)
    stopped = checkpoints(str(run))[-1][0]
    assert 10 <= stopped < 60 and f"Stopped and saved at step {stopped}" in out
    assert err.count("longtake: saving and stopping after this step") == 1
    resumed = torchrun(path, "--resume")
    out, err = resumed.communicate(timeout=PATIENCE_S)
    assert resumed.returncode == 0, err
    assert told(run) == expected
    (first, _), (second, _) = load_model(str(folder / "whole" / "best")), load_model(str(run / "best"))
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(("changes", "said"), [
    pytest.param({"stpes": 3}, "stpes: no such setting", marks=pytest.mark.exhaustive),
    ({"batch_size": 50}, "12 usable samples are too few"),
])  # fmt: skip
def test_a_mistake_is_said_once(folder: Path, changes: dict[str, Any], said: str) -> None:
    process = torchrun(written(folder, "wrong.yaml", output=str(folder / "wrong"), **changes))
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and err.count(said) == 1, err
    assert re.search(r"exitcode *: 2 ", err)


def test_a_lost_process_ends_the_others(folder: Path) -> None:
    run = folder / "lost"
    process = torchrun(written(folder, "lost.yaml", output=str(run), **{**SHORT, "steps": 100_000}))
    reached(process, run, 10)
    others = ranks(process)
    others[-1].kill()
    start = time.monotonic()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and time.monotonic() - start < 120
    assert not [other for other in others if other.is_running() and other.status() != psutil.STATUS_ZOMBIE]
    assert checkpoints(str(run))
    assert err.count("another process of this training was lost") <= 1 and "[rank0]:" not in err  # no traceback of ours
