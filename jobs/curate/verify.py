"""`longtake verify`: check that everything in a finished corpus agrees."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from longtake.jobs import terminal
from longtake.jobs.changes import Changes, check_changes
from longtake.schemas.config import load_config
from longtake.schemas.errors import ConfigError, CorpusError, NoCorpusError
from longtake.schemas.extras import check_extras

if TYPE_CHECKING:
    from longtake.pipeline.verify import Report
    from longtake.pipeline.verify.sources import SourceReport


def verify(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    sample: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Read the contents of only N samples; tables and counts are checked in full."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which samples are drawn; the same seed draws the same ones.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core.")] = 0,
    sources: Annotated[
        bool,
        typer.Option(
            "--sources",
            help="Also compare with the sources: decode them again with the ffmpeg command, and read their transcripts again; "
            "with --sample N, for N samples. Needs --config unless all sources have absolute paths.",
        ),
    ] = False,
    config: Annotated[
        str | None,
        typer.Option(metavar="CONFIG", help="For --sources: the configuration that the corpus was built with."),
    ] = None,
    changes: Changes = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/commands.md).")] = False,
) -> None:
    """Check that plan, index, shards, ledger and corpus.json agree. Print a line for each fault; exit code 1 if there is any."""
    if config is not None and not sources:
        raise ConfigError("--config is for --sources: give both, or neither")
    check_changes(config, changes)
    settings = load_config(config, changes or ()) if config is not None else None
    from longtake.pipeline.verify import verify as check

    if sources:
        check_extras("longtake verify --sources", "build")
        from longtake.pipeline.verify.sources import verify_sources as compare

    def say(text: str) -> None:
        if not as_json:
            terminal.print_line(console, text)

    console = terminal.console(is_answer=True)
    document: dict[str, Any] = {"corpus": corpus, "passed": False}
    try:
        with _bar() as bar:
            task = bar.add_task("checking", total=None)
            report = check(
                corpus, sample, seed, workers, lambda done, total: bar.update(task, completed=done, total=total)
            )
    except NoCorpusError:
        raise
    except CorpusError as error:
        say(str(error))
        if as_json:
            terminal.print_json(document | {"error": str(error)})
        raise typer.Exit(1) from None
    for fault in report.faults:
        say(str(fault))
    if report.number or not terminal.LOUDNESS.quiet:
        say(summary(report, seed))
    document |= _as_json(report)
    passed = not report.number
    if sources and report.compared:
        with _bar() as bar:
            task = bar.add_task("decoding the sources", total=None)
            found = compare(
                corpus,
                settings,
                sample,
                seed,
                workers,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        for fault in found.faults:
            say(str(fault))
        for line in found.unjudged:
            say(f"not judged: {line}")
        say(source_summary(found))
        document["sources"] = _as_json(found) | {"unjudged": list(found.unjudged)}
        passed = passed and not found.faults
    elif sources:
        say("The sources were not compared, since not all of the corpus could be read")
    if as_json:
        terminal.print_json(document | {"passed": passed})
    raise typer.Exit(0 if passed else 1)


def _as_json(report: "Report | SourceReport") -> dict[str, Any]:
    """Return the fields of a report for programs; docs/commands.md explains them."""
    return {name: getattr(report, name) for name in report.__slots__} | {
        "faults": [{"where": fault.where, "what": fault.what} for fault in report.faults]
    }


def source_summary(report: "SourceReport") -> str:
    """Return the last line of --sources."""
    size = f"{_count(report.samples, 'sample')}, {_count(report.videos, 'source')}, {_count(report.frames, 'frame')}"
    verdict = _count(len(report.faults), "fault") if report.faults else "everything compared matches the sources"
    left = f"; {len(report.unjudged):,} not judged" if report.unjudged else ""
    return f"Against the sources: {size}; {verdict}{left}"


def summary(report: "Report", seed: int) -> str:
    """Return the last line: size of the corpus, result, what was checked, and what was not."""
    if not report.name:
        return "1 fault; nothing else was checked, since corpus.json could not be used"
    size = f"{report.name}: {_count(report.shards, 'shard')}, {_count(report.samples, 'sample')}, "
    size += _count(report.frames, "frame")
    verdict = "every check passed" if not report.number else _count(report.number, "fault")
    if not report.compared:
        verdict += "; plan, index and ledger were not compared, since not all of them could be read"
    if report.drawn is None:
        return f"{size}; {verdict}"
    return (
        f"{size}; {verdict}. Checked: corpus.json, plan, ledger, index, sizes of shards, and the contents of "
        f"{_count(report.drawn, 'sample')} (seed {seed}). Not checked: the sha256 of shards and the contents of other samples"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _bar() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = terminal.console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal or console.quiet)
