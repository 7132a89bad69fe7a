"""`longtake verify`: check that everything in a finished corpus agrees."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from longtake.schemas.config import load_config
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.printable import printable

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
) -> None:
    """Check that plan, index, shards, ledger and corpus.json agree. Print a line for each fault; exit code 1 if there is any."""
    if config is not None and not sources:
        raise ConfigError("--config is for --sources: give both, or neither")
    settings = load_config(config) if config is not None else None
    try:
        from longtake.pipeline.verify import verify as check

        if sources:
            from longtake.pipeline.verify.sources import verify_sources as compare
    except ImportError as error:
        raise CorpusError(f"verify needs {error.name}. Install it with: pip install 'longtake[build]'") from None

    console = Console()
    try:
        with _bar() as bar:
            task = bar.add_task("checking", total=None)
            report = check(
                corpus, sample, seed, workers, lambda done, total: bar.update(task, completed=done, total=total)
            )
    except CorpusError as error:
        _line(console, str(error))
        raise typer.Exit(1) from None
    for fault in report.faults:
        _line(console, str(fault))
    _line(console, summary(report, seed))
    if not sources:
        raise typer.Exit(1 if report.number else 0)
    if not report.compared:
        _line(console, "The sources were not compared, since not all of the corpus could be read")
        raise typer.Exit(1)
    with _bar() as bar:
        task = bar.add_task("decoding the sources", total=None)
        found = compare(
            corpus, settings, sample, seed, workers, lambda done, total: bar.update(task, completed=done, total=total)
        )
    for fault in found.faults:
        _line(console, str(fault))
    for line in found.unjudged:
        _line(console, f"not judged: {line}")
    _line(console, source_summary(found))
    if report.number or found.faults:
        raise typer.Exit(1)


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
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _line(console: Console, text: str) -> None:
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
