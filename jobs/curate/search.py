"""`longtake search`: what corpora hold of a person, a channel or a phrase."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from longtake.jobs import terminal
from longtake.pipeline.corpus.subject_search import Finding, matcher, search_corpus
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest
from longtake.schemas.printable import printable
from longtake.schemas.wording import plural

_SHOWN = 50


def search(
    subject: Annotated[str, typer.Argument(metavar="TEXT", help="A name, a channel, a phrase; whole words.")],
    corpora: Annotated[list[str], typer.Argument(metavar="CORPUS...", help="Finished corpora: versions, copies.")],
    in_words: Annotated[bool, typer.Option("--in-words", help="Also find it inside of words.")] = False,
    videos: Annotated[
        bool, typer.Option("--videos", help="Print only the ids of the videos, one per line, for takedown --videos.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/commands.md).")] = False,
) -> None:  # fmt: skip
    """Find a subject in the texts, speech, metadata, addresses and ids of corpora, and in their ledgers.

    Case, accents and white space do not matter. Exit code 1 if nothing is found. Faces and voices are not searched.
    """
    if videos and as_json:
        raise ConfigError("search: --videos and --json exclude each other")
    find = matcher(subject, in_words)
    layouts = [Layout(corpus.rstrip("/") or corpus) for corpus in corpora]
    for layout in layouts:
        finished_manifest(layout)
    found = {layout.root: list(search_corpus(layout, find)) for layout in layouts}
    if videos:
        ids = sorted(
            {one.video_id for those in found.values() for one in those if one.table != "ledger" and one.video_id}
        )
        for name in ids:
            if not name.isprintable():
                raise ConfigError(
                    f"search: the id {printable(name)} is not one line; name it to takedown in another way"
                )
            print(name)
    elif as_json:
        told = [{"corpus": root, "findings": [asdict(one) for one in those]} for root, those in found.items()]
        terminal.print_json({"subject": subject, "corpora": told})
    else:
        for root, those in found.items():
            _print(root, those)
    if not any(found.values()):
        raise typer.Exit(1)


def _print(root: str, found: list[Finding]) -> None:
    console = terminal.console(is_answer=True)
    if not found:
        terminal.print_line(console, f"{root}: nothing")
        return
    videos, samples = ({one.video_id for one in found}, {one.subject_id for one in found if one.table == "index"})
    counts = Counter(f"{one.table} {one.field}" for one in found)
    table = Table(title=f"{printable(root)}: {plural(len(found), 'place')}", title_justify="left")
    for heading in ("where", "video", "sample or row", "text around it"):
        table.add_column(heading, overflow="fold")
    for one in found[:_SHOWN]:
        cells = (f"{one.table} {one.field}", one.video_id, one.subject_id, one.excerpt)
        table.add_row(*(Text(printable(cell, 200)) for cell in cells))
    console.print(table)
    if found[_SHOWN:]:
        terminal.print_line(console, f"and {len(found) - _SHOWN:,} more; --json has them all")
    told = ", ".join(f"{name} {number:,}" for name, number in counts.most_common())
    terminal.print_line(console, f"{root}: {plural(len(videos), 'video')}, {plural(len(samples), 'sample')}: {told}")
