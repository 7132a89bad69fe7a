"""The failures of a training, as one line each that says at which step, why, and what to do."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.distributed import DistError


class TrainingError(RuntimeError):
    """The training cannot go on; the message says at which step, why, and what to do. `everywhere`: all ranks raise it."""

    def __init__(self, message: str, everywhere: bool = False) -> None:
        super().__init__(message)
        self.everywhere = everywhere


@contextmanager
def explained(step: Callable[[], int], ranks: int) -> Iterator[None]:
    """Turn the common errors of a training on `ranks` processes into a TrainingError. `step` tells the step that fails."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"step {step()}: out of memory on the GPU: take a smaller batch_size (accumulate makes up for it in samples, not in "
            f"contrast), or checkpointing: true. {str(error).splitlines()[0]}"
        ) from None
    except (RuntimeError, EOFError, ConnectionError) as error:
        if _is_lost_loader(error):
            _report_once()
            what = "a loader process was killed, as happens when memory runs out: lower data.workers or data.prefetch, then"
        elif ranks > 1 and (isinstance(error, DistError) or "by peer" in str(error)):
            what = "another process of this training was lost, for the reason that it or torchrun gives:"
        else:
            raise
        raise TrainingError(f"step {step()}: {what} go on with --resume.") from None


def _is_lost_loader(error: Exception) -> bool:
    """Return whether a loader process died. A process that fails sends its error instead; that begins with "Caught"."""
    at_the_pipe = isinstance(error, EOFError | ConnectionError) and not str(error).startswith("Caught")
    return at_the_pipe or "DataLoader worker (pid" in str(error)


def _report_once() -> None:
    """Take torch's handler of SIGCHLD away: it would raise the same loss again, wherever the main thread is then."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
