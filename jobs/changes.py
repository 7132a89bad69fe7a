"""`--set`, the option of every command that reads a configuration: it changes a setting of the file."""

import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from longtake.schemas.errors import ConfigError
from longtake.schemas.settings import SET

Changes = Annotated[
    list[str] | None,
    typer.Option(
        SET,
        metavar="NAME=VALUE",
        help="Change a setting of the configuration, as in merge.min_sentences=3. Can be given several times.",
    ),
]


def with_changes(config: str, changes: Sequence[str] | None, *others: str) -> str:
    """Return a configuration, `others` and its changes as words of a command line, for a hint on what to do next."""
    return shlex.join([config, *others, *(word for change in changes or () for word in (SET, change))])


def check_changes(config: str | None, changes: Sequence[str] | None) -> None:
    """Raise ConfigError for changes without a configuration."""
    if changes and config is None:
        raise ConfigError(f"{SET} changes a configuration: give --config too")
