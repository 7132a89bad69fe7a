"""`longtake queues`: deal out samples to curators, and show how far each of them is."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from longtake.jobs import terminal
from longtake.schemas import scratch, storage
from longtake.schemas.decision import Decision, current
from longtake.schemas.decisions import read_decisions
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest
from longtake.schemas.printable import printable
from longtake.schemas.wording import plural

if TYPE_CHECKING:
    from longtake.pipeline.audit.queues import QueueTable
    from longtake.pipeline.audit.sampling import ReviewSample

RANDOM, LEAST_AGREED = "random", "least-agreed"
_SIZE = 200


def queues(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="NAME", help="A curator who gets a queue; several times for several.")
    ] = None,
    size: Annotated[int, typer.Option(min=1, metavar="N", help="The number of samples that are dealt out.")] = _SIZE,
    by: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="random; columns to stratify by, as in score_black,language (reason: what plan and ledger noted); "
            "or least-agreed: what was judged, with the least agreement first.",
        ),
    ] = RANDOM,
    double: Annotated[
        float, typer.Option(min=0, max=1, metavar="SHARE", help="The share that a second curator judges too, as 0.1.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Decides which samples are drawn; the same seed draws the same ones.")] = 0,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The name of the queues; those of this name are replaced.")
    ] = "review",
    decisions: Annotated[
        list[str] | None,
        typer.Option("--decisions", metavar="FILE", help="A file of decisions; CORPUS/decisions.csv by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/commands.md).")] = False,
) -> None:  # fmt: skip
    """Deal out samples to curators; without --to, show how far they are. Curators find their queues in longtake browse.

    Verdicts stay in the file of decisions: dealing out again loses none.
    """
    from longtake.pipeline.audit.queues import QueueTable, checked_queue, deal, queues_path, read_queues, write_queue

    layout = Layout(corpus.rstrip("/") or corpus)
    finished_manifest(layout)
    decided = _decisions(layout, decisions)
    if to:
        checked_queue(name)
        found = _least_agreed(layout, decided, size) if by == LEAST_AGREED else _drawn(layout, size, by, seed)
        dealt = deal(found, name, to, double, seed)
        if by == LEAST_AGREED:
            judged = {(one.curator, *one.about) for one in decided}
            dealt = [one for one in dealt if (one.curator, "sample", one.key) not in judged]
        if not dealt:
            raise ConfigError(f"{corpus}: no sample was judged yet that is not settled: there is nothing to deal out")
        write_queue(layout, name, dealt)
    elif (by, double, size) != (RANDOM, 0, _SIZE):
        raise ConfigError("queues: --size, --by and --double are for dealing out; name curators with --to")
    table: QueueTable = read_queues(queues_path(layout))
    if as_json:
        terminal.print_json(_as_json(corpus, table, decided))
        return
    _print(table, decided)


def _decisions(layout: Layout, files: list[str] | None) -> list[Decision]:
    if not files and not storage.exists(layout.decisions):
        return []
    return [one for path in files or (layout.decisions,) for one in read_decisions(path)]


def _drawn(layout: Layout, size: int, by: str, seed: int) -> "list[ReviewSample]":
    from longtake.pipeline.audit.database import Database
    from longtake.pipeline.audit.sampling import draw

    strata = () if by == RANDOM else tuple(one for name in by.split(",") if (one := name.strip()))
    database = Database(layout, None, scratch.folder())
    try:
        return draw(database, size, seed, strata)
    finally:
        database.close()


def _least_agreed(layout: Layout, decided: list[Decision], size: int) -> "list[ReviewSample]":
    """The judged samples that are still in the corpus, least agreed first."""
    from longtake.pipeline.audit.database import Database
    from longtake.pipeline.audit.queues import least_agreed
    from longtake.pipeline.audit.sampling import INDEX, ReviewSample

    order = least_agreed(decided)
    database = Database(layout, None, scratch.folder())
    try:
        query = f"SELECT key, video_id, split FROM {INDEX} WHERE key IN (SELECT unnest(?::VARCHAR[]))"  # noqa: S608
        there = {key: (video_id, split) for key, video_id, split in database.rows(query, [[key for key, _ in order]])}
    finally:
        database.close()
    judged = [(key, share) for key, share in order if key in there][:size]
    return [ReviewSample(key, *there[key], f"{share:.0%} agree", len(judged), 1.0, 0) for key, share in judged]


def _as_json(corpus: str, table: "QueueTable", decided: list[Decision]) -> dict[str, Any]:
    return {
        "corpus": corpus,
        "queues": [
            {"queue": one.queue, "curator": one.curator, "samples": one.total, "decided": one.done, "twice": one.shared}
            for one in table.progress(current(decided))
        ],
    }


def _print(table: "QueueTable", decided: list[Decision]) -> None:
    console = terminal.console(is_answer=True)
    progress = table.progress(current(decided))
    if not progress:
        terminal.print_line(console, "No queue was dealt out yet. Name curators with --to.")
        return
    shown = Table(title="Queues", title_justify="left")
    for heading in ("queue", "curator"):
        shown.add_column(heading, overflow="fold")
    for heading in ("samples", "decided", "judged twice"):
        shown.add_column(heading, justify="right")
    for one in progress:
        numbers = (f"{number:,}" for number in (one.total, one.done, one.shared))
        shown.add_row(one.queue, Text(printable(one.curator)), *numbers)
    console.print(shown)
    left = sum(one.total - one.done for one in progress)
    terminal.print_line(console, f"{plural(left, 'verdict')} to give. Curators find their queues in: longtake browse")
