"""Common parts of the commands that use a trained model: their options, the model, how they report."""

import importlib.util
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from longtake.schemas import storage
from longtake.schemas.errors import ConfigError
from longtake.schemas.printable import printable

if TYPE_CHECKING:
    import torch

    from longtake.model.retrieval.embedding import Embedder

_SHOWN = 30  # faults in a printed table
_FILE_WIDTH = 160
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run of longtake train, a checkpoint, or a model.safetensors.")
]
Device = Annotated[
    str | None, typer.Option(metavar="cpu|cuda", help="Where the model runs; by default on CUDA if there is a GPU.")
]
Precision = Annotated[
    str | None,
    typer.Option(metavar="float32|bfloat16", help="bfloat16 is the default on CUDA, float32 on the CPU."),
]
Workers = Annotated[int, typer.Option(min=0, help="Decoder processes; 0: one for each core.")]
Report = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write the inputs that could not be used, and why, as JSON lines.")
]


def load_embedder(run: str, device: str | None, precision: str | None) -> "Embedder":
    """Load the model of a run as the options say. Raises ConfigError for bad options, CheckpointError for a bad run."""
    import torch

    from longtake.model.retrieval.embedding import Embedder

    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Embedder.load(run, _device(chosen), autocast_dtype(chosen, precision))


def _device(name: str) -> "torch.device":
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"--device {name}: must be cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"--device {name}: must be cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"--device {name}: this machine has {torch.cuda.device_count()} GPUs; choose another device")
    return device


def autocast_dtype(device: str, precision: str | None) -> "torch.dtype | None":
    """Return the dtype of mixed precision; None: full precision."""
    import torch

    name = precision or ("bfloat16" if device.startswith("cuda") else "float32")
    if name not in ("float32", "bfloat16"):
        raise ConfigError(f"--precision {name}: must be float32 or bfloat16")
    return torch.bfloat16 if name == "bfloat16" else None


def short_side(embedder: "Embedder") -> int:
    """Return the short side of decoded frames: as in corpora, or the start size of the evaluation transform if larger."""
    from longtake.jobs.retrieve.video_frames import SHORT_SIDE

    return max(SHORT_SIDE, round(1.25 * min(embedder.size.height, embedder.size.width)))


def needs_extras(command: str, *more: str) -> None:
    """Raise ConfigError with what to install, if a library for inference, or one of `more`, is missing."""
    for name in ("torch", "transformers", "safetensors", "simplejpeg", *more):
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"{command} needs {name}. Install it with: pip install 'longtake[build,train]'")


def report_console() -> Console:
    """Return a console for standard output; wide if that is a file, so that each row of a table stays on one line."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, _FILE_WIDTH))


def print_table(console: Console, title: str, rows: list[tuple[str, str, str, str]]) -> None:
    """Print the first rows of a table of faults, and how many more there are. Nothing in it acts on the terminal."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(title=f"{title}: {len(rows):,}", title_justify="left")
    for heading in ("source", "what", "reason", "detail"):
        table.add_column(heading, overflow="fold")
    for row in rows[:_SHOWN]:
        table.add_row(*(Text(printable(cell, 200)) for cell in row))
    console.print(table)
    if len(rows) > _SHOWN:
        print_line(console, f"and {len(rows) - _SHOWN:,} more; --report FILE writes all of them")


def write_report(path: str, rows: list[dict[str, Any]]) -> None:
    """Write JSON lines, whole or not at all."""
    storage.write_bytes(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def print_line(console: Console, text: str) -> None:
    """Print one line; nothing in it acts on the terminal."""
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
