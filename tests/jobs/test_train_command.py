"""`longtake train` as people start it: exit codes, messages, signals, kills."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from sources import command

sys.path.insert(0, str(Path(__file__).parents[1] / "model"))
from data_corpora import make
from small_training import settings, told, write_corpora

from longtake.jobs import cli, stop_signals
from longtake.jobs.train import alone_in, lost_loaders_told_once
from longtake.model.weights.checkpoint import checkpoints, load_model

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
PATIENCE_S = 600  # a busy machine starts Python slowly
LONG: dict[str, Any] = {"steps": 100_000, "save": {"every": 10}}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train-command")
    write_corpora(folder)
    return folder


@pytest.fixture
def config(corpora: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a train.yaml whose run is tmp_path/run, and returns its path."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "train.yaml"
        path.write_text(yaml.safe_dump(settings(corpora, output="run", **changes)))
        return path

    return write


def here(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["longtake", "train", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    code = end.value.code
    return code if isinstance(code, int) else 0


def started(path: Path, *more: str) -> subprocess.Popen[str]:
    """The command in a process group of its own."""
    return subprocess.Popen(
        command("train", str(path), *more), env=ONE_THREAD, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def wait_for_checkpoint(process: subprocess.Popen[str], run: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not checkpoints(str(run)):
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.02)


def test_a_training_from_start_to_end(
    config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(steps=4, evaluate={"every": 4, "split": "train"})
    assert here(monkeypatch, path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "tiny, stage 1: 0.1 million trained parameters; steps 0 to 4 of 3 samples, 12 an epoch, on 1 x cpu"
    )
    assert [line.split()[1] for line in lines if line.startswith("step ")] == ["1/4", "2/4", "3/4", "4/4"]
    assert lines[-3].startswith("Saved ") and lines[-2].startswith("evaluation at step 4:  paragraph to video R@1")
    assert lines[-1] == f"Trained: {tmp_path}/run   Evaluate it with: longtake evaluate {tmp_path}/run CORPUS"
    assert {"checkpoints", "metrics.jsonl", "tensorboard", "loss.png"} <= {
        entry.name for entry in (tmp_path / "run").iterdir()
    }
    assert here(monkeypatch, path) == 2
    assert capsys.readouterr().err.startswith(
        f"longtake: {tmp_path}/run holds a training at step 4. Go on with --resume"
    )
    assert here(monkeypatch, path, "--resume") == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("Resumed from ")


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"stpes": 3}, 2, "stpes: no such setting. Did you mean steps?"),
        ({"model": {"text": {"heads": 5, "hidden": 32}}}, 2, "model.text: hidden size 32 is not a multiple of 5 heads"),
        ({"model": {"stage": 2}}, 2, "init.weights: stage 2 keeps both encoders as they are"),
        ({"batch_size": 1}, 2, "batch_size: 1 in one process leaves nothing to contrast with"),
        ({"model": {"stage": 2}, "init": {"weights": "x"}, "batch_size": 1}, 2, "batch_size: 1 leaves no other video"),
        ({"init": {"weights": "../no/run"}}, 2, "init.weights '../no/run': "),
        ({"corpus": "/no/such/corpus"}, 2, "/no/such/corpus: no such folder"),
        ({"optimizer": {"lr": 1e30, "warmup": 0}}, 1, "step 2: "),
    ],
)
def test_errors_are_one_line(
    config: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    code: int,
    said: str,
) -> None:
    assert here(monkeypatch, config(**changes)) == code
    shown = capsys.readouterr().err
    assert said in shown and shown.startswith("longtake: ") and shown.count("\n") == 1
    assert not checkpoints(str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        ({"data": {"related": "no.parquet"}}, "related:", "data.related: {}/no.parquet: not a table of longtake embed"),
        ({"init": {"swin": "../no/swin"}}, "swin:", "init.swin '../no/swin': "),
        ({"data": {"tokenizer": "../no/words"}}, "tokenizer:", "data.tokenizer '../no/words': "),
        ({"corpus": "no-corpus"}, "corpus:", "corpus: {}/no-corpus: no such folder"),
        ({"data": {"mix": [{"corpus": "no-mix"}]}}, "- corpus: no-mix", "data.mix.0.corpus: {}/no-mix: no such folder"),
        (
            {"evaluate": {"every": 2, "corpus": "no-val"}},
            "corpus: no-val",
            "evaluate.corpus: {}/no-val: no such folder",
        ),
        (
            {"evaluate": {"every": 2, "split": "odd"}},
            "split: odd",
            "evaluate.split: {corpora}/corpus has no split 'odd'",
        ),
        (
            {"evaluate": {"every": 2, "corpus": "{corpora}/other", "split": "odd"}},
            "split: odd",
            "evaluate.split: {corpora}/other has no split 'odd'; it has val",
        ),
        ({"evaluate": {"every": 2}}, "evaluate:", "evaluate.split: {corpora}/corpus has no split 'val'"),
        ({"data": {"split": "odd"}}, "split: odd", "data.split: {corpora}/corpus has no split 'odd'"),
        (
            {"data": {"frames_per_sentence": 99}},
            "frames_per_sentence:",
            "data.frames_per_sentence is 99, but the corpus has ",
        ),
        (
            {"data": {"mix": [{"corpus": "{corpora}/other", "split": "odd"}]}},
            "split: odd",
            "data.mix.0.split: {corpora}/other has no split 'odd'",
        ),
        (
            {"data": {"mix": [{"corpus": "{corpora}/corpus", "frames_per_sentence": 99}]}},
            "frames_per_sentence:",
            "data.mix.0.frames_per_sentence is 99, but the corpus has ",
        ),
        (
            {"batch_size": 9, "data": {"mix": [{"corpus": "{corpora}/other", "split": "val"}]}},
            "- corpus:",
            "data.mix.0.corpus: 5 usable samples are too few for a batch on every rank: 9 needed",
        ),
        (
            {"data": {"curriculum": [{"until": 1.0, "frames_per_sentence": 99}]}},
            "- frames_per_sentence:",
            "data.curriculum.0.frames_per_sentence: 99 frames of a sentence, but the corpus has ",
        ),
        ({"batch_size": 50}, "batch_size:", "batch_size: 12 usable samples are too few for a batch on every rank"),
        ({"freeze": ["nothing"]}, "freeze:", "freeze: no module 'nothing'"),
        ({"batch_size": 1}, "batch_size:", "batch_size: 1 in one process"),
        ({"norms": "bf16"}, "norms:", "norms: bf16 is for precision bf16, and precision is fp32; remove norms"),
        (
            {"norms": "bf16", "precision": "auto"},
            "norms:",
            "norms: bf16 is for precision bf16, and precision is auto on cpu",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_errors_that_show_late_name_file_and_line(
    config: Callable[..., Path],
    tmp_path: Path,
    corpora: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    line: str,
    said: str,
) -> None:
    path = config(**changes)
    path.write_text(path.read_text().replace("{corpora}", str(corpora)))
    places = [n for n, text in enumerate(path.read_text().splitlines(), 1) if text.strip().startswith(line)]
    assert here(monkeypatch, path) == 2
    shown = capsys.readouterr().err
    assert (
        shown.startswith(f"longtake: {path}:{places[0]}: {said.format(tmp_path, corpora=corpora)}")
        and shown.count("\n") == 1
    )


def test_errors_that_show_late_name_the_option(
    config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(monkeypatch, config(), "--set", "data.related=no.parquet") == 2
    assert capsys.readouterr().err.startswith(f"longtake: --set data.related: {tmp_path}/no.parquet: not a table of")


def test_errors_that_show_late_name_no_other_option(
    config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(monkeypatch, path := config(batch_size=50), "--set", "data.tokens=9") == 2
    assert capsys.readouterr().err.startswith(f"longtake: {path}:1: batch_size: 12 usable samples are too few")
    assert here(monkeypatch, config(batch_size=3), "--set", "batch_size=50") == 2
    assert capsys.readouterr().err.startswith("longtake: --set batch_size: 12 usable samples are too few")


def test_a_log_that_is_not_installed_is_named_with_its_line(
    config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(log_to=["wandb"])
    line = path.read_text().splitlines().index("log_to:") + 1
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert here(monkeypatch, path) == 3
    assert capsys.readouterr().err.startswith(f"longtake: {path}:{line}: log_to: wandb needs wandb. Install it with: ")


def test_wrong_devices_are_refused(
    config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(monkeypatch, config(), "--device=tpu") == 2
    assert "--device tpu: must be cpu or cuda" in capsys.readouterr().err


def test_a_second_training_in_the_same_folder_is_refused(
    config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with alone_in(str(tmp_path / "run"), leads=True):
        assert here(monkeypatch, config(), "--resume") == 2
    assert "another training is working in this folder" in capsys.readouterr().err


def test_damaged_samples_are_said_with_their_reason(
    corpora: Path,
    tmp_path: Path,
    config: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def cut(key: str, members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        return [(n, d[:40] if key.startswith("v003") else d) for n, d in members]

    make(tmp_path / "corpus", [[4, 5, 4, 6], [4, 4, 7, 4]], edit=cut)
    assert here(monkeypatch, config(corpus=str(tmp_path / "corpus"), steps=4)) == 0
    assert re.search(r"^longtake: .*sample v003-000000000-000009000 skipped: json", capsys.readouterr().err, re.M)
    assert told(tmp_path / "run")[-1]["damaged"] >= 1


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['longtake', 'train', '--help']\n"
        "from longtake.jobs.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'tensorboard', 'pyarrow.dataset', 'apache_beam'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0 and "--resume" in done.stdout, done.stderr


def test_without_its_packages_the_message_says_what_to_install(config: Callable[..., Path]) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['longtake', 'train', sys.argv[1]]\n"
        "from longtake.jobs.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(config())], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert done.stderr == "longtake: longtake train needs torch. Install it with: pip install 'longtake[train]'\n"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "workers", "group"), [(signal.SIGTERM, 2, True), (signal.SIGINT, 0, False)])
def test_a_signal_saves_that_very_step_and_a_resumption_goes_on(
    corpora: Path, config: Callable[..., Path], tmp_path: Path, number: signal.Signals, workers: int, group: bool
) -> None:
    run = tmp_path / "run"
    path = config(**LONG, data={"workers": workers})
    process = started(path)
    wait_for_checkpoint(process, run)
    (os.killpg if group else os.kill)(process.pid, number)  # schedulers and terminals signal the loader's processes too
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert err == "longtake: saving and stopping after this step\n"
    step = checkpoints(str(run))[-1][0]
    assert out.splitlines()[-1] == f"Stopped and saved at step {step}. Go on with: longtake train {path} --resume"
    assert told(run)[-1]["step"] == step
    assert (run / "loss.png").exists()
    if number == signal.SIGTERM:
        goes_on_as_if_nothing_had_happened(corpora, path, run, step)


def goes_on_as_if_nothing_had_happened(corpora: Path, path: Path, run: Path, step: int) -> None:
    """The next steps of the run, stopped at `step`, against those of another one that runs through."""
    from small_training import configured, trained

    from longtake.schemas.train_config import load_train_config

    upto = step + 5
    trained(load_train_config(str(path)), resume=True, stop_after=upto)
    whole = run.parent / "whole"
    trained(configured(corpora, output=str(whole), **LONG), stop_after=upto)
    first, second = told(whole), told(run)
    assert len(second) == upto
    assert first == second
    (expected, _), (found, _) = load_model(str(whole)), load_model(str(run))
    import torch

    assert all(torch.equal(value, found.state_dict()[name]) for name, value in expected.state_dict().items())


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_losses(
    corpora: Path, config: Callable[..., Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    path = config(**LONG, data={"workers": 1})
    process = started(path)
    wait_for_checkpoint(process, run)
    loaders = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    step = checkpoints(str(run))[-1][0]
    assert step % 10 == 0 and [
        json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()[:step]
    ]
    goes_on_as_if_nothing_had_happened(corpora, path, run, step)
    psutil.wait_procs(loaders, timeout=60)
    assert not [loader for loader in loaders if loader.is_running()]  # they end when the training is gone


@pytest.mark.slow
def test_a_killed_loader_process_is_one_line(config: Callable[..., Path], tmp_path: Path) -> None:
    process = started(config(**LONG, data={"workers": 1}))
    wait_for_checkpoint(process, tmp_path / "run")
    (loader,) = psutil.Process(process.pid).children()
    loader.kill()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "a loader process was killed, as happens when memory runs out: lower data.workers" in err
    assert "Traceback" not in err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loader_that_is_lost_while_something_is_deleted_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deleted:
        def __init__(self, says: str) -> None:
            self.says = says

        def __del__(self) -> None:
            raise RuntimeError(self.says)

    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: told.append(str(found.exc_value)))
    with lost_loaders_told_once():
        Deleted("DataLoader worker (pid 7) is killed by signal: Killed.")
        Deleted("something else")
    assert told == ["something else"]


def test_another_signal_long_after_the_first_acts_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    usual: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: usual.append(number))
    try:
        with stop_signals.stop_signals() as stopping:
            assert not stopping()
            signal.raise_signal(signal.SIGTERM)
            assert stopping()
            signal.raise_signal(signal.SIGTERM)  # torchrun's copy of what the scheduler sent
            signal.raise_signal(signal.SIGINT)
            assert not usual
            monkeypatch.setattr(stop_signals, "AGAIN_S", 0.0)
            signal.raise_signal(signal.SIGTERM)
            assert usual == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
