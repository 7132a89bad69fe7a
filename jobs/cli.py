"""The `longtake` command."""

import logging
import os
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from longtake.jobs import diff, embed, evaluate, explain, init, show, train, verify
from longtake.schemas import storage
from longtake.schemas.config import load_config
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusError, read_manifest
from longtake.schemas.settings import ConfigError

app = typer.Typer(
    name="longtake",
    help="Long clips with paragraph captions, from source videos and their timestamped speech.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration of the corpus.")]
Workers = Annotated[int, typer.Option(min=0, help="Decoder processes; 0: one for each core.")]
Probe = Annotated[
    str,
    typer.Option(
        metavar="none|header|packets",
        help="How closely to look at the sources before planning: not at all, at their headers, or at every packet (exact cost).",
    ),
]

app.command("init")(init.init)
app.command("diff")(diff.diff)
app.command("verify")(verify.verify)
app.command("show")(show.show)
app.command("explain")(explain.explain)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("embed")(embed.embed)


@app.command()
def plan(
    context: typer.Context,
    config: ConfigPath = "corpus.yaml",
    workers: Workers = 0,
    probe: Probe = "header",
    save_embeddings: Annotated[
        bool,
        typer.Option("--save-embeddings", help="Keep the embeddings of sentences in embeddings/, for the next plan."),
    ] = False,
) -> None:
    """Decide what the corpus will be: writes plan/ and ledger/, prints counts and cost. No video is decoded."""
    from longtake.jobs.job import locked
    from longtake.jobs.plan import make_plan, print_plan
    from longtake.pipeline.runner import cores

    settings, console = load_config(config), Console()
    layout = Layout(settings.root)
    mode = _probe_mode(probe)
    with locked(layout.root):
        _refuse_finished(layout)
        summary = make_plan(settings, mode, workers or cores(), context.obj, console, save_embeddings)
    print_plan(summary, layout, console)
    console.print(f"Build it with: longtake build {config}", markup=False, highlight=False)


@app.command()
def build(
    context: typer.Context,
    config: ConfigPath = "corpus.yaml",
    plan: Annotated[str | None, typer.Option(metavar="DIR", help="Build this edited plan.")] = None,
    workers: Workers = 0,
    probe: Probe = "header",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished corpus.")] = False,
) -> None:
    """Build the corpus, planning first where that is still to do. Run again, it goes on where it was stopped.

    Options for Apache Beam go after `--`, as in: longtake build corpus.yaml -- --runner=FlinkRunner
    """
    from longtake.jobs.build import build_corpus
    from longtake.pipeline.runner import cores

    settings = load_config(config)
    build_corpus(settings, _probe_mode(probe), workers or cores(), context.obj, Console(), plan, overwrite)


@app.command()
def clean(corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder of a finished corpus.")]) -> None:
    """Delete the staging files of a finished corpus. They only speed up a rebuild."""
    from longtake.jobs.job import locked

    layout = Layout(corpus)
    if read_manifest(layout) is None:
        raise CorpusError(f"{corpus} is not finished: its staging files are the work done so far")
    with locked(layout.root):
        for folder in storage.list_folders(layout.staging):  # what is beside them tells whether the inputs have changed
            storage.delete_folder(folder)


def _probe_mode(name: str) -> Any:
    from longtake.jobs.plan import ProbeMode

    try:
        return ProbeMode(name)
    except ValueError:
        raise ConfigError(f"--probe {name}: must be one of none, header, packets") from None


def _refuse_finished(layout: Layout) -> None:
    if read_manifest(layout) is not None:
        raise CorpusError(
            f"{layout.root} holds a finished corpus, and planning anew would break it. Choose another output, "
            "or replace the corpus with: longtake build --overwrite"
        )


def main() -> None:
    """Run the command line; what follows `--` is for Apache Beam. Failures are one message and exit code 1, 2 for bad usage."""
    arguments, beam_args = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, beam_args = arguments[:at], arguments[at + 1 :]
    errors = Console(stderr=True)
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns at import of what is not installed and not needed
    try:
        app(args=arguments, obj=beam_args)
    except ConfigError as error:
        errors.print(f"longtake: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except (CorpusError, OSError) as error:
        errors.print(f"longtake: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except SystemExit as end:
        if end.code != 130:
            raise
        # Ctrl-C, which typer turns into this.
        errors.print("longtake: stopped. Run the same command again: it goes on where it was.", style="yellow")
        sys.stdout.flush()
        os._exit(130)  # threads of the runner would go on with their work


if __name__ == "__main__":
    main()
