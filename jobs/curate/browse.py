"""`longtake browse`: look through a finished corpus in a web browser."""

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from longtake.jobs import terminal
from longtake.jobs.stop_signals import stop_signals
from longtake.schemas.config import load_config
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import read_manifest
from longtake.schemas.wording import plural


def browse(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0: any free port.")] = 8400,
    host: Annotated[
        str,
        typer.Option(help="The address to listen on. On any but a loopback address, visitors need a token."),
    ] = "127.0.0.1",
    decisions: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Where decisions are kept, .csv or .parquet; CORPUS/decisions.csv by default."
        ),
    ] = None,
    embeddings: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A table of `longtake embed`, to find similar samples."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="CONFIG",
            help="The configuration that the corpus was built with, to play its source videos.",
        ),
    ] = None,
    curator: Annotated[
        str, typer.Option(metavar="NAME", help="The name of the curator; by default the page asks once.")
    ] = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="Show decisions, but accept no new ones.")] = False,
    token_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Ask for the token in this file, instead of a new one."),
    ] = None,
    curators: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Ask each curator for a token of their own (longtake curators); where others can reach the server, "
            "CORPUS/curators.json by default, if it exists.",
        ),
    ] = None,
    show_verdicts: Annotated[
        bool,
        typer.Option(
            "--show-verdicts", help="Show verdicts of others before one's own; without it, curators judge blind."
        ),
    ] = False,
) -> None:
    """Search, play and decide on the samples of a corpus in a web browser. Ctrl-C ends it.

    The first time, it copies the index into a cache (audit/browse/ in the corpus, or a temporary folder).
    """
    from longtake.pipeline.browse.server import Options, Server

    console = terminal.console()
    manifest = read_manifest(Layout(corpus))
    total = sum(shard.samples for shard in manifest.shards) if manifest else None
    options = Options(
        host,
        port,
        decisions,
        embeddings,
        curator,
        read_only,
        token_file,
        curators,
        show_verdicts,
        load_config(config) if config is not None else None,
    )
    with _bar() as bar:
        task = bar.add_task("reading the index", total=total)
        server = Server(corpus, options, lambda done: bar.update(task, completed=done))
    console.print(
        f"{server.site.manifest.name}: {plural(server.site.store.rows, 'sample')}", markup=False, highlight=False
    )
    console.print(f"Open {server.address}", markup=False, highlight=False, soft_wrap=True)
    if server.asks_curators:
        console.print("Each curator adds ?token=... with the token of `longtake curators --add`.", highlight=False)
    console.print("Ctrl-C ends it.", highlight=False)
    with stop_signals() as stopping:
        server.run(stopping)


def _bar() -> Progress:
    console = terminal.console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal or console.quiet)
