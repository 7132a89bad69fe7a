"""The list of commands: complete, in the order of work, one line each, and made without importing any of them."""

import subprocess
import sys

import click
import pytest
import typer
from sources import LAST_MAN, SourceSet, Video, build, source_set, spoken
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.jobs.commands import GROUPS

GROUP = typer.main.get_command(app)
SUMMARIES = {name: summary for commands in GROUPS.values() for name, summary in commands.items()}


def test_help_lists_the_commands_in_the_order_of_work_one_line_each() -> None:
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["--help"]).output
    lines = [line.strip("│ ") for line in shown.splitlines()]
    at = [lines.index(f"{name:<11}{summary}") for name, summary in SUMMARIES.items()]
    assert at == sorted(at)
    panels = [next(i for i, line in enumerate(lines) if line.startswith(f"╭─ {panel} ─")) for panel in GROUPS]
    assert panels == sorted(panels)


@pytest.mark.parametrize("name", SUMMARIES)
def test_each_is_there_and_bears_its_name(name: str) -> None:
    command = GROUP.get_command(click.Context(GROUP), name)  # type: ignore[attr-defined]
    assert command.name == name
    assert command.callback.__name__ == name


def test_an_unknown_one_is_refused_with_the_one_that_may_be_meant() -> None:
    shown = CliRunner().invoke(app, ["buidl", "x"])
    assert shown.exit_code == 2
    assert "No such command 'buidl'" in shown.output


@pytest.mark.parametrize(("option", "most"), [("--help", 400), ("--version", 330)])
def test_help_and_version_import_little(option: str, most: int) -> None:
    """Modules, not seconds: 577 when each command was imported to be listed."""
    code = (
        f"import sys; sys.argv = ['longtake', {option!r}]\n"
        "from longtake.jobs.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(len(sys.modules), *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    number, *names = done.stderr.split()
    assert not {"apache_beam", "av", "torch", "pyarrow", "pandas", "pydantic", "numpy", "fsspec"} & set(names)
    assert int(number) <= most, number


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("finished"), [Video("v", spoken(4), LAST_MAN)])
    build(sources)
    return sources


@pytest.mark.parametrize("command", ["status {o}", "verify {o}", "show {o}", "diff {o}/plan {o}/plan", "clean {o}"])
def test_commands_that_run_no_pipeline_do_not_import_beam(finished: SourceSet, command: str) -> None:
    code = (
        f"import sys; sys.argv = ['longtake', *{command.format(o=finished.output).split()!r}]\n"
        "from longtake.jobs.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'apache_beam', 'grpc', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
