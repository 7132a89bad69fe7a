"""`longtake fetch`: videos and captions from the web, to the places that the configuration names."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from longtake.jobs import terminal
from longtake.jobs.changes import Changes, with_changes
from longtake.pipeline.run.events import log_as_asked
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, load_config
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.printable import printable
from longtake.schemas.reasons import Reason
from longtake.schemas.wording import duration, human_bytes, plural

if TYPE_CHECKING:
    from longtake.pipeline.fetch.summary import FetchSummary

_SHOWN = 12  # licences, and the like
_ALL = "all"


def fetch(
    context: typer.Context,
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="The configuration; it has source.fetch.")
    ] = "corpus.yaml",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Ask for metadata only; print hours, bytes, captions, licences and what is gone."
        ),
    ] = False,
    retry: Annotated[
        str | None,
        typer.Option(
            "--retry", metavar="REASON,...", help="Try again what failed for these reasons; all: whatever failed."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that open files; 0: one for each core.")] = 0,
    price: Annotated[
        float | None,
        typer.Option("--price-per-gb-month", min=0, metavar="PRICE", help="Also print what storing the files costs."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--megabytes-per-second", min=0.001, metavar="RATE", help="Also print how long it takes at this rate."
        ),
    ] = None,
    changes: Changes = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document; text for people goes to standard error.")
    ] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log one line of JSON for each event.")] = False,
) -> None:
    """Fetch the videos and captions of a list of URLs or records. Run it again: it goes on where it was.

    Longtake gives you no right to what it fetches: the terms of the site and the licence of the video hold (docs/sources.md).
    """
    from longtake.jobs.lock import locked
    from longtake.pipeline.fetch.places import fetch_layout
    from longtake.pipeline.run.note import noted

    log_as_asked(log_json, at_least=terminal.LOUDNESS.log_level)
    settings, console = load_config(config, changes or ()), terminal.console(stderr=as_json)
    if settings.source.fetch is None:
        raise ConfigError(
            f"{config}: source.fetch: not there. It names the URLs to fetch; docs/sources.md has an example."
        )
    reasons, layout = parse_retry(retry), fetch_layout(settings)
    with locked(layout.root):
        if not dry_run:
            _check_manifest(settings, layout)
        with noted(layout, "fetch --dry-run" if dry_run else "fetch"):
            summary = _run(settings, layout, reasons, dry_run, workers, context.obj, console)
    print_summary(summary, layout, dry_run, price, rate, console)
    if as_json:
        cost = {} if price is None else {"price_per_month": round(_price(summary, price), 2)}
        terminal.print_json({"folder": layout.root, "ledger": layout.ledger, **summary.to_json(), **cost})
    if not dry_run:
        if not summary.fetched + summary.handed_on:
            raise CorpusError(f"Nothing could be fetched. The reasons are in {layout.ledger}.")
        terminal.print_line(console, f"Plan with: longtake plan {with_changes(config, changes)}")


def parse_retry(text: str | None) -> frozenset[Reason]:
    """Return the reasons of `--retry`. Raises ConfigError."""
    from longtake.pipeline.fetch.failure import FETCH_REASONS

    if text is None:
        return frozenset()
    names = {name.strip() for name in text.split(",")} - {""}
    known = {reason.value for reason in FETCH_REASONS}
    if unknown := sorted(names - known - {_ALL}):
        raise ConfigError(f"--retry {unknown[0]}: not a reason of fetch. They are: {', '.join(sorted(known))}, {_ALL}")
    if not names:
        raise ConfigError(f"--retry: names no reason. They are: {', '.join(sorted(known))}, {_ALL}")
    return FETCH_REASONS if _ALL in names else frozenset(Reason(name) for name in names)


def _run(
    config: CorpusConfig,
    layout: Layout,
    retry: frozenset[Reason],
    dry_run: bool,
    workers: int,
    beam_args: list[str],
    console: Console,
) -> "FetchSummary":
    from longtake.jobs.build.report import planning_line
    from longtake.jobs.job import run_pipeline, written
    from longtake.pipeline.fetch.graph import DRY_RUN_PREFIX, LEDGER_PREFIX, add_fetching
    from longtake.pipeline.fetch.places import settings_of
    from longtake.pipeline.fetch.summary import read_summary, summary_path
    from longtake.pipeline.read.line_source import files_like, files_of
    from longtake.pipeline.recipes.metadata import check_file
    from longtake.pipeline.recipes.registry import named_recipe
    from longtake.pipeline.run.progress import PROGRESS
    from longtake.pipeline.run.runner import check_reachable, pipeline_options, slots_per_process

    options = pipeline_options(beam_args, workers)
    settings = settings_of(config)
    paths = {f"source.fetch.{name}": getattr(settings, name) for name in ("urls", "folder", "cookies")}
    check_reachable(config, options, paths)
    if named_recipe(config) is not None:
        for file in files_of(config.resolve(settings.urls)):
            check_file(file)
    if settings.cookies is not None and not storage.is_file(config.resolve(settings.cookies)):
        raise ConfigError(f"source.fetch.cookies: {config.resolve(settings.cookies)}: no such file")
    slots = slots_per_process(options, workers)
    for part in storage.list_files(layout.ledger, ".parquet"):
        name = part.rpartition("/")[2]
        if name.startswith(DRY_RUN_PREFIX) or (name.startswith(LEDGER_PREFIX) and not dry_run):
            storage.delete(part)
    if dry_run:
        storage.delete(summary_path(layout, dry_run))
    elif "*" in config.source.videos:  # this run may write fewer files
        for part in files_like(config.resolve(config.source.videos)):
            storage.delete(part)

    def line(counts: Any, _: float) -> str:
        size = f", {human_bytes(counts['fetched_bytes'])}" if counts["fetched_bytes"] else ""
        return planning_line(PROGRESS.phase()) + size

    run_pipeline(lambda root: add_fetching(root, config, slots, retry, dry_run), options, console, line)
    return written(read_summary(layout, dry_run), layout.root, "writing the figures of the run")


def _check_manifest(config: CorpusConfig, layout: Layout) -> None:
    """Raise ConfigError if the file of records that fetch would write is another's."""
    from longtake.pipeline.fetch.summary import summary_path
    from longtake.pipeline.read.line_source import files_like

    path = config.resolve(config.source.videos)
    ours = storage.exists(summary_path(layout, False)) or storage.exists(layout.path("records"))
    if not ours and files_like(path):
        raise ConfigError(
            f"source.videos: {path} is there already, and longtake fetch would replace it. Name another file, or, if it is the "
            "list, name it as source.fetch.urls."
        )


def print_summary(
    summary: "FetchSummary", layout: Layout, dry_run: bool, price: float | None, rate: float | None, console: Console
) -> None:
    """Print the figures of a run or a dry run."""
    table = Table(title="On the web" if dry_run else "Fetched", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("videos asked for", f"{summary.videos:,}")
    table.add_row("can be fetched, or are here" if dry_run else "here", f"{summary.fetched:,}")
    if summary.handed_on:
        table.add_row("with a file of their own", f"{summary.handed_on:,}")
    table.add_row("not" if dry_run else "not fetched", f"{sum(summary.failed.values()):,}")
    table.add_row("hours", _known(f"{summary.hours:,.2f}", summary.hours_of, summary.fetched))
    table.add_row("bytes", _known(human_bytes(summary.bytes), summary.bytes_of, summary.fetched))
    console.print(table)
    details = Table(show_header=False)
    for _ in range(2):
        details.add_column()
    details.add_column(justify="right")
    for title, counts in (
        ("captions", summary.captions),
        ("licences", summary.licences),
        ("short side of the pictures", summary.short_sides),
        ("not there" if dry_run else "not fetched", summary.failed),
        ("lines that could not be used", summary.unusable),
    ):
        _add_counts(details, title, counts)
    if details.row_count:
        console.print(details)
    part = "" if summary.bytes_of == summary.fetched else f", for the {summary.bytes_of:,} that say their size"
    if price is not None:
        cost = f"Storage at {price:g} for a GB and month: {_price(summary, price):,.2f} a month{part}."
        terminal.print_line(console, cost)
    if rate is not None:
        terminal.print_line(console, f"At {rate:g} MB a second: {duration(summary.bytes / 1e6 / rate)}{part}.")
    terminal.print_line(console, f"Reasons: {layout.ledger}   Records: {layout.path('records')}")


def _add_counts(table: Table, title: str, counts: dict[str, int]) -> None:
    rows = [(printable(name), number) for name, number in list(counts.items())[:_SHOWN]]
    if len(counts) > _SHOWN:
        rows.append((plural(len(counts) - _SHOWN, "other"), sum(list(counts.values())[_SHOWN:])))
    for place, (name, number) in enumerate(rows):
        table.add_row(title if not place else "", escape(name), f"{number:,}", end_section=place == len(rows) - 1)


def _known(sum_: str, known: int, all_: int) -> str:
    """A sum over the videos of which it is known, and how many those are, unless they are all."""
    return sum_ if known == all_ else f"{sum_} in {known:,}; {all_ - known:,} do not say" if known else "unknown"


def _price(summary: "FetchSummary", price: float) -> float:
    return summary.bytes / 1e9 * price
