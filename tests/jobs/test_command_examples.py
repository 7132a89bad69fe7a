"""The examples in the help of the commands: each command has some, and each is one that the command would take."""

import shlex

import click
import pytest
import typer.main
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.jobs.command_examples import EXAMPLES

GROUP = typer.main.get_command(app)
CONTEXT = click.Context(GROUP)


def test_every_command_has_examples() -> None:
    assert set(EXAMPLES) == set(GROUP.list_commands(CONTEXT))  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_help_shows_them(command: str) -> None:
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    for example in EXAMPLES[command]:
        assert example in shown.output


@pytest.mark.parametrize("example", [example for examples in EXAMPLES.values() for example in examples])
def test_an_example_is_one_that_the_command_takes(example: str) -> None:
    words = shlex.split(example.rsplit(" | ", 1)[-1])
    while words.pop(0) not in ("longtake", "longtake.jobs.cli"):
        pass
    if "--" in words:  # what follows is Beam's
        words = words[: words.index("--")]
    command = GROUP.get_command(CONTEXT, words[0])  # type: ignore[attr-defined]
    with command.make_context(words[0], words[1:], parent=click.Context(GROUP)) as context:
        assert context.params
