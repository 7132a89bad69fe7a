"""`longtake map`: place the samples of a corpus on a plane, so that a curator sees its shape in `longtake browse`."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from longtake.jobs import terminal
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest
from longtake.schemas.printable import printable
from longtake.schemas.wording import plural


class Method(StrEnum):
    """How samples are placed."""

    AUTO = "auto"
    UMAP = "umap"
    PCA = "pca"


def map(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    by: Annotated[
        str,
        typer.Option(
            metavar="VECTORS",
            help="frames or text (of --embeddings), sentences (of the plan), or words; by default the first there is.",
        ),
    ] = "",
    embeddings: Annotated[
        str | None, typer.Option(metavar="FILE", help="A table of `longtake embed`, for the vectors frames and text.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="auto: umap where the extra [map] is installed, else pca.")
    ] = Method.AUTO,
    topics: Annotated[int, typer.Option(min=1, max=200, help="The number of topics to group the samples into.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same map.")] = 0,
) -> None:
    """Place the samples on a plane by what they show or say, and group them into topics with their words.

    It writes audit/maps/NAME.parquet in the corpus. `longtake browse` shows it under Pictures.
    """
    from longtake.jobs.lock import check_there, locked
    from longtake.pipeline.browse.cache import open_cache
    from longtake.pipeline.browse.map_job import MapOptions, make_map
    from longtake.pipeline.browse.store import Store
    from longtake.pipeline.browse.vectors import open_spaces

    console = terminal.console(stderr=True)
    layout = Layout(corpus.rstrip("/") or corpus)
    check_there(layout.root)
    # Without the lock, words of what a takedown removes meanwhile would be written afterwards.
    with locked(layout.root), console.status("reading the index") as status:
        finished_manifest(layout)
        store = Store(open_cache(layout))
        try:
            spaces = open_spaces(store, layout, embeddings)
            made = make_map(store, layout, spaces, MapOptions(by, method.value, topics, seed), status.update)
        finally:
            store.close()
    out = terminal.console(is_answer=True)
    table = Table(title=f"Topics by {made.by}", title_justify="left")
    table.add_column("topic", justify="right")
    table.add_column("samples", justify="right")
    table.add_column("words", overflow="fold")
    for number, (size, words) in enumerate(made.topics, 1):
        table.add_row(str(number), f"{size:,}", Text(printable(", ".join(words))))
    out.print(table)
    out.print(f"{plural(made.samples, 'sample')} placed by {made.method.upper()}.", markup=False, highlight=False)
    console.print(f"Map: {made.path}   See it with: longtake browse", markup=False, highlight=False, soft_wrap=True)
