"""The `longtake` command."""

import logging
import os
import sys
import traceback
from typing import Annotated

import typer
from rich.console import Console

from longtake.jobs.commands import Commands
from longtake.jobs.terminal import LOUDNESS
from longtake.pipeline.run.events import log_as_asked, redacted
from longtake.schemas import scratch, waiting
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.extras import missing_extra
from longtake.schemas.garbage import collect_seldom
from longtake.schemas.printable import printable
from longtake.schemas.versions import versions

app = typer.Typer(
    name="longtake",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda asked: _print_versions() if asked else None,
            help="Print the versions of longtake and of the libraries that decide a corpus's bytes.",
        ),
    ] = False,
) -> None:
    """Long clips with paragraph captions, from source videos and their timestamped speech."""


def _print_versions() -> None:
    for name, version in versions().items():
        typer.echo(f"{name} {version}")
    raise typer.Exit


def main() -> None:
    """Run the command line; arguments after `--` are for Apache Beam. Errors print one message; docs/commands.md has the exit
    codes."""
    collect_seldom()
    arguments, beam_args = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, beam_args = arguments[:at], arguments[at + 1 :]
    LOUDNESS.quiet, LOUDNESS.verbose = False, 0
    logging.getLogger().setLevel(logging.ERROR)  # at import Beam warns of missing packages that are not needed
    waiting.tell = lambda word: _tell(word, "yellow")
    try:
        log_as_asked()
        app(args=arguments, obj=beam_args, prog_name="longtake")
    except (ConfigError, CorpusError, OSError) as error:
        sys.exit(_end(error, error))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "longtake"):
            raise
        sys.exit(_end(missing_extra(f"longtake {' '.join(arguments[:1])}", package), error))
    except SystemExit as end:
        if end.code != 130:
            raise
        # typer turns Ctrl-C into exit code 130.
        _tell("stopped. Run the same command again: it goes on where it was.", "yellow")
        sys.stdout.flush()
        scratch.remove()
        os._exit(130)  # threads of the runner would go on with their work


def _end(error: ConfigError | CorpusError | OSError, cause: BaseException) -> int:
    """Print an error, with -v also its trace, and return the exit code."""
    if LOUDNESS.verbose:
        _tell(redacted("".join(traceback.format_exception(cause)).rstrip()), "dim")
    _tell(str(error), "red")
    return getattr(error, "exit_code", 1)


def _tell(text: str, style: str) -> None:
    told = "\n".join(printable(line) for line in f"longtake: {text}".split("\n"))  # it may quote a stranger's id
    Console(stderr=True).print(told, style=style, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
