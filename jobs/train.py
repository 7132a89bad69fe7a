"""`longtake train`: train LF-VILA on a finished corpus."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Annotated

import typer

from longtake.jobs import terminal
from longtake.jobs.changes import Changes, with_changes
from longtake.jobs.damage import damage_shown
from longtake.jobs.stop_signals import stop_signals
from longtake.schemas.errors import ConfigError
from longtake.schemas.extras import check_package
from longtake.schemas.train_config import load_train_config


def train(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration of the training.")] = "train.yaml",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint; start if there is none.")
    ] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="With --resume: steps or epochs may be more than when the run was started.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default CUDA if there is a GPU.")] = None,
    changes: Changes = None,
) -> None:
    """Train LF-VILA. On several GPUs: torchrun --nproc-per-node=8 -m longtake.jobs.cli train CONFIG

    SIGTERM or Ctrl-C saves and ends. --resume goes on with the same losses as without the interruption.
    """
    if extend and not resume:
        raise ConfigError("--extend goes on with a run: add --resume")
    try:
        settings = load_train_config(config, changes or ())
    except ConfigError:
        if os.environ.get("LOCAL_RANK", "0") != "0":  # the first process of each machine reports it
            from longtake.model.training.process import leave_it_to_another

            leave_it_to_another(2)
        raise
    with settings.located():
        for board in settings.log_to:
            check_package(f"log_to: {board}", board, "wandb" if board == "wandb" else "train")
    from longtake.model.training.process import joined, leave_it_to_another
    from longtake.model.training.trainer import Trainer, TrainingError

    said = "longtake: saving and stopping after this step\n" if os.environ.get("RANK", "0") == "0" else ""
    with (
        damage_shown(),
        lost_loaders_told_once(),
        stop_signals(said) as stopping,
        joined(device) as process,
        ExitStack() as stack,
    ):
        with process.together(), settings.located():
            trainer = Trainer(settings, process, partial(terminal.print_line, terminal.console()))
            stack.enter_context(alone_in(trainer.folder, process.leads))
            trainer.start(resume, extend)
        size = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
        task = settings.task.kind
        what = f"stage {settings.model.stage}" if task == "pretrain" else task
        trainer.say(
            f"{settings.model.size}, {what}: {size / 1e6:.1f} million trained parameters; "
            f"steps {trainer.step} to {trainer.steps} of {settings.batch_size * settings.accumulate * process.ranks} "
            f"samples, {len(trainer.loader) * settings.batch_size * process.ranks} an epoch, on {process.ranks} x "
            f"{process.device.type}"
        )
        try:
            finished = trainer.run(stopping)
        except TrainingError as error:
            if error.everywhere and not process.leads:
                leave_it_to_another(1)
            raise OSError(str(error)) from None
    if finished:
        trainer.say(f"Trained: {trainer.folder}   Evaluate it with: longtake evaluate {trainer.folder} CORPUS")
    else:
        again = with_changes(config, changes)
        trainer.say(f"Stopped and saved at step {trainer.step}. Go on with: longtake train {again} --resume")


@contextmanager
def lost_loaders_told_once() -> Iterator[None]:
    """Hide tracebacks of killed loaders. torch's signal handler raises an exception for them; in a destructor Python prints it
    with a traceback and goes on. The trainer finds the loss by itself and reports it in one line."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda found: None if "DataLoader worker (pid" in str(found.exc_value) else before(found)
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def alone_in(folder: str, leads: bool) -> Iterator[None]:
    """Hold the lock of a run, so that two trainings do not work in it at once. Raises ConfigError if another holds it."""
    import fcntl

    if not leads:
        yield
        return
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{folder}: another training is working in this folder. Wait until it ends, or choose another output."
            ) from None
        yield
