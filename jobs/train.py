"""`longtake train`: train LF-VILA on a finished corpus."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from longtake.jobs.damage import damage_shown
from longtake.schemas.settings import ConfigError
from longtake.schemas.train_config import load_train_config

AGAIN_S = 3.0


def train(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration of the training.")] = "train.yaml",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint, or start where there is none.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default CUDA where there is one.")] = None,
) -> None:
    """Train LF-VILA. On several GPUs: torchrun --nproc-per-node=8 -m longtake.jobs.cli train CONFIG

    SIGTERM or Ctrl-C saves and ends; --resume goes on to the same losses as if nothing had happened.
    """
    try:
        settings = load_train_config(config)
    except ConfigError:
        if os.environ.get("LOCAL_RANK", "0") != "0":  # the first process of each machine says it
            from longtake.model.process import leave_it_to_another

            leave_it_to_another(2)
        raise
    try:
        from longtake.model.process import joined, leave_it_to_another
        from longtake.model.trainer import Trainer, TrainingError
    except ImportError as error:
        raise ConfigError(f"training needs more packages ({error}): pip install 'longtake[train]'") from None

    with damage_shown(), stop_signals() as stopping, joined(device) as process, ExitStack() as stack:
        with process.together():
            trainer = Trainer(settings, process, typer.echo)
            stack.enter_context(alone_in(trainer.folder, process.leads))
            trainer.start(resume)
        size = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
        trainer.say(
            f"{settings.model.size}, stage {settings.model.stage}: {size / 1e6:.1f} million trained parameters; "
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
        trainer.say(f"Stopped and saved at step {trainer.step}. Go on with: longtake train {config} --resume")


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Inside, the first SIGTERM or SIGINT makes what is yielded true; another one AGAIN_S seconds later acts as usual.

    One soon after is the same wish: torchrun hands on to its processes what the terminal or scheduler has sent to all of them.
    """
    first: float | None = None

    def note(number: int, frame: object) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            if os.environ.get("RANK", "0") == "0":
                os.write(2, b"longtake: saving and stopping after this step\n")  # print is not safe in here
        elif time.monotonic() - first > AGAIN_S:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: first is not None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def alone_in(folder: str, leads: bool) -> Iterator[None]:
    """Hold the lock of a run, so that two trainings do not meet in it. Raises ConfigError where another holds it."""
    import fcntl

    if not leads:
        yield
        return
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{folder}: another training is at work there") from None
        yield
