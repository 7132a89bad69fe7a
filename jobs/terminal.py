"""What a command prints, and where: text for people, warnings, or one JSON document. In a pipe no line is wrapped."""

import json
import math
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console

from longtake.schemas.printable import printable

_ENDLESS = 1_000_000  # columns of a line in a pipe or a file


@dataclass
class Loudness:
    """How much the running command prints. `verbose` counts the -v."""

    quiet: bool = False
    verbose: int = 0

    @property
    def log_level(self) -> str:
        """The level to log at; empty: no log is asked for."""
        return ("", "info", "debug")[min(self.verbose, 2)]


LOUDNESS = Loudness()


def console(is_answer: bool = False, stderr: bool = False) -> Console:
    """Return a console for standard output or standard error. --quiet silences it, unless it prints the answer that the command
    is for."""
    found = Console(stderr=stderr, quiet=LOUDNESS.quiet and not is_answer)
    if not found.is_terminal:
        found.width = _ENDLESS
    return found


def print_line(to: Console, text: str, style: str = "") -> None:
    """Print one line; nothing in it acts on the terminal, and only a terminal wraps it."""
    to.print(printable(text), style=style, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning on standard error, also with --quiet."""
    print_line(console(is_answer=True, stderr=True), f"warning: {text}", "yellow")


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on standard output, in pure ASCII: nothing in it acts on a terminal."""
    sys.stdout.write(json.dumps(_finite(document), indent=2, allow_nan=False, default=str) + "\n")


def _finite(value: Any) -> Any:
    """Return `value` with null for numbers that JSON cannot say."""
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def loudness_options() -> list[Any]:
    """Return -q and -v, as options that any command can take."""
    only = typer.Typer(add_completion=False)
    only.command()(_loudness)
    return list(typer.main.get_command(only).params)


def _set_quiet(asked: bool) -> None:
    LOUDNESS.quiet = LOUDNESS.quiet or asked


def _set_verbose(times: int) -> None:
    LOUDNESS.verbose = max(LOUDNESS.verbose, times)
    if LOUDNESS.verbose:
        from longtake.pipeline.run.events import log_as_asked

        log_as_asked(at_least=LOUDNESS.log_level)


def _loudness(
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", expose_value=False, callback=_set_quiet, help="Print only warnings, errors and what was asked for."
        ),
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, expose_value=False, callback=_set_verbose, metavar="", show_default=False,
            help="Also print events and the trace of an error, on standard error; -vv: every event.",
        ),
    ] = 0,
) -> None:  # fmt: skip
    """Hold the options."""
