"""`longtake curators`: tokens of curators for a shared server."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from longtake.jobs import terminal
from longtake.schemas.curators import add_curator, read_curators, revoke_curator
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest
from longtake.schemas.printable import printable


def curators(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    add: Annotated[
        str | None, typer.Option("--add", metavar="NAME", help="Make a token for this curator, and print it once.")
    ] = None,
    adjudicates: Annotated[
        bool, typer.Option("--adjudicates", help="With --add: this curator may settle conflicts.")
    ] = False,
    revoke: Annotated[
        str | None, typer.Option("--revoke", metavar="NAME", help="Revoke the token of this curator; it ends at once.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="The file of curators; CORPUS/curators.json by default.")
    ] = None,
) -> None:  # fmt: skip
    """Give curators tokens for a shared server, and revoke them; without an option, list the curators.

    The file keeps only hashes. `longtake browse --host ...` then asks each curator for a token, and writes down that name.
    """
    layout = Layout(corpus.rstrip("/") or corpus)
    if file is None:
        finished_manifest(layout)
    path, console = file or layout.curators, terminal.console(is_answer=True)
    if adjudicates and add is None:
        raise ConfigError("curators: --adjudicates goes with --add NAME")
    if revoke is not None:
        revoke_curator(path, revoke.strip())
        terminal.print_line(console, f"The token of {revoke.strip()} is revoked.")
    if add is not None:
        token = add_curator(path, add, adjudicates)
        terminal.print_line(console, f"The token of {add.strip()}, which is not shown again:")
        terminal.print_line(console, token)
        terminal.print_line(console, f"Sign in at the address of longtake browse with ?token={token}")
    if add is None and revoke is None:
        _list(path)


def _list(path: str) -> None:
    console, found = terminal.console(is_answer=True), read_curators(path)
    if not found:
        terminal.print_line(console, f"{path}: no curator has a token yet. Make one with --add NAME.")
        return
    table = Table(title="Curators", title_justify="left")
    for heading in ("curator", "token made", "revoked", "settles conflicts"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(Text(printable(one.name)), one.made, one.revoked or "-", "yes" if one.adjudicates else "no")
    console.print(table)
