"""The `longtake` command."""

import logging
import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from longtake.jobs.commands import Commands
from longtake.pipeline.run.events import log_as_asked
from longtake.schemas import scratch, waiting
from longtake.schemas.errors import ConfigError, CorpusError
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


#: The extra that installs a missing package, if it is not `longtake[build]`.
_EXTRAS = {"torch": "train", "transformers": "train", "safetensors": "train"}


def main() -> None:
    """Run the command line; arguments after `--` are for Apache Beam. Errors print one message; exit code 1, 2 for bad usage."""
    arguments, beam_args = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, beam_args = arguments[:at], arguments[at + 1 :]
    errors = Console(stderr=True)
    logging.getLogger().setLevel(logging.ERROR)  # at import Beam warns of missing packages that are not needed
    waiting.tell = lambda word: errors.print(
        f"longtake: {printable(word)}", style="yellow", markup=False, highlight=False
    )
    try:
        log_as_asked()
        app(args=arguments, obj=beam_args)
    except (ConfigError, CorpusError, OSError) as error:
        told = "\n".join(printable(line) for line in f"longtake: {error}".split("\n"))  # it may quote a stranger's id
        errors.print(told, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "longtake"):
            raise
        told = (
            f"longtake: this needs {package}. Install it with: pip install 'longtake[{_EXTRAS.get(package, 'build')}]'"
        )
        errors.print(told, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except SystemExit as end:
        if end.code != 130:
            raise
        # typer turns Ctrl-C into exit code 130.
        errors.print("longtake: stopped. Run the same command again: it goes on where it was.", style="yellow")
        sys.stdout.flush()
        scratch.remove()
        os._exit(130)  # threads of the runner would go on with their work


if __name__ == "__main__":
    main()
