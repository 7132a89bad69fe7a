"""Files of curators' decisions in commands: the options, and the rejections in the files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from longtake.jobs import terminal
from longtake.schemas.decisions import Decision, OnConflict, read_log, settle
from longtake.schemas.errors import ConfigError

if TYPE_CHECKING:
    from longtake.pipeline.filters.rejects import Rejects

DecisionFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--decisions", metavar="FILE", help="A file of decisions: drop what it rejects. Can be given several times."
    ),
]
ConflictPolicy = Annotated[
    OnConflict,
    typer.Option("--on-conflict", help="Which decision counts if curators differ; refuse: stop with an error."),
]


def read_files(files: Sequence[str]) -> list[list[Decision]]:
    """Read the rows of each file. Raises ConfigError."""
    logs = []
    for file in files:
        try:
            rows, unfinished = read_log(file)
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read: {error}") from None
        if unfinished:
            terminal.warn(f"{file}: its last line is not finished ({unfinished} bytes), and was ignored.")
        logs.append(rows)
    return logs


def rejects_of(files: Sequence[str] | None, policy: OnConflict) -> "Rejects | None":
    """Read what curators rejected; None if no file is named. Raises ConfigError, also if curators differ and no policy says
    which decision counts."""
    from longtake.pipeline.filters.rejects import Rejects

    if not files:
        return None
    return Rejects.of(settle((row for log in read_files(files) for row in log), policy))
