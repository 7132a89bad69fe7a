"""`longtake plan`, `build` and `clean`: their options, and their checks before any work starts."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from longtake.jobs import terminal
from longtake.jobs.changes import Changes, with_changes
from longtake.jobs.decision_files import ConflictPolicy, DecisionFiles, rejects_of
from longtake.pipeline.run.events import log_as_asked
from longtake.schemas import storage
from longtake.schemas.decision import OnConflict
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import read_manifest, unfinished

if TYPE_CHECKING:
    from longtake.jobs.build.request import BuildRequest

ConfigPath = Annotated[
    str, typer.Argument(metavar="CONFIG|FOLDER", help="The configuration of the corpus, or a folder of videos.")
]
Output = Annotated[
    str | None,
    typer.Argument(
        metavar="OUTPUT",
        help="With FOLDER: the folder or URI of the corpus. The configuration that is used is written beside it.",
    ),
]
Workers = Annotated[
    int,
    typer.Option(min=0, help="Decoder processes, on a cluster for each worker process; 0: one for each core."),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Make, check and print the request for a Dataflow job; send nothing."),
]
NoWait = Annotated[
    bool,
    typer.Option("--no-wait", help="Start the job and do not wait for its end, as the launcher of a template must."),
]
LogJson = Annotated[
    bool,
    typer.Option("--log-json", help="Log to standard error, one line of JSON for each event (docs/operations.md)."),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document; text for people goes to standard error (docs/commands.md)."),
]
Price = Annotated[
    float | None,
    typer.Option(
        "--price-per-core-hour", min=0, metavar="PRICE", help="Also print the cost of the CPU-hours at this price."
    ),
]
Probe = Annotated[
    str,
    typer.Option(
        metavar="none|header|packets",
        help="How to probe the source videos before planning: not at all, their headers, or every packet (exact cost).",
    ),
]


def plan(
    context: typer.Context,
    config: ConfigPath = "corpus.yaml",
    output: Output = None,
    workers: Workers = 0,
    probe: Probe = "header",
    save_embeddings: Annotated[
        bool,
        typer.Option("--save-embeddings", help="Save the embeddings of sentences in embeddings/, for the next plan."),
    ] = False,
    decided: DecisionFiles = None,
    on_conflict: ConflictPolicy = OnConflict.REFUSE,
    price: Price = None,
    changes: Changes = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    log_json: LogJson = False,
) -> None:
    """Decide what the corpus will be: write plan/ and ledger/, print counts and cost. No video is decoded.

    Options for Apache Beam go after `--`, as in: longtake plan gs://b/corpus.yaml -- --runner=DataflowRunner (docs/cloud.md)
    """
    from longtake.jobs.build.folder import named_config
    from longtake.jobs.build.plan import launch_plan, make_plan
    from longtake.jobs.build.report import plan_as_json, print_plan, print_warnings
    from longtake.jobs.build.request import BuildRequest
    from longtake.jobs.lock import locked
    from longtake.pipeline.plan.summary import check_plan
    from longtake.pipeline.run.note import noted

    log_as_asked(log_json, at_least=terminal.LOUDNESS.log_level)
    console = terminal.console(stderr=as_json)
    _check_json(as_json, dry_run or no_wait)
    config, settings, is_whole = named_config(config, output, changes or (), console)
    request = BuildRequest(
        settings,
        _probe_mode(probe),
        workers,
        context.obj,
        rejects_of(decided, on_conflict),
        save_embeddings=save_embeddings,
        wait=not no_wait,
    )
    layout = request.layout
    if probe != "none":
        _warn_without_ffmpeg(request)
    if dry_run:
        from longtake.jobs.build.dry_run import print_request, request_plan

        print_request(request_plan(request), console)
        return
    with locked(layout.root):
        _refuse_finished(layout)
        with noted(layout, "plan", left_to_runner=no_wait):
            if no_wait:
                launch_plan(request, console)
                console.print(
                    f"Launched. The plan is complete once this file exists: {layout.plan}/_plan.json",
                    markup=False, highlight=False, soft_wrap=True,
                )  # fmt: skip
                return
            summary = make_plan(request, console)
    print_plan(summary, layout, console, price)
    print_warnings(layout, settings.publication, console)
    try:
        check_plan(summary, settings, layout.ledger)
    except CorpusError as error:
        raise CorpusError(
            f"{error}\nThe plan stays in {layout.plan} for you to look at; the next plan replaces it."
        ) from None
    if as_json:
        terminal.print_json(plan_as_json(summary, layout, price))
    terminal.print_line(console, f"Build it with: longtake build {with_changes(config, None if is_whole else changes)}")


def build(
    context: typer.Context,
    config: ConfigPath = "corpus.yaml",
    output: Output = None,
    plan: Annotated[str | None, typer.Option(metavar="DIR", help="Build this edited plan.")] = None,
    workers: Workers = 0,
    probe: Probe = "header",
    decided: DecisionFiles = None,
    on_conflict: ConflictPolicy = OnConflict.REFUSE,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished corpus.")] = False,
    changes: Changes = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    log_json: LogJson = False,
) -> None:
    """Build the corpus; plan it first if it has no plan. Run it again after an interruption: it goes on.

    Options for Apache Beam go after `--`, as in: longtake build corpus.yaml -- --runner=FlinkRunner
    """
    from longtake.jobs.build.build import build_corpus, launch_build
    from longtake.jobs.build.folder import named_config
    from longtake.jobs.build.report import corpus_as_json
    from longtake.jobs.build.request import BuildRequest

    log_as_asked(log_json, at_least=terminal.LOUDNESS.log_level)
    mode, console = _probe_mode(probe), terminal.console(stderr=as_json)
    _check_json(as_json, dry_run or no_wait)
    if (dry_run or no_wait) and (overwrite or plan is not None):
        raise ConfigError("--dry-run and --no-wait build the plan in the output; remove --plan and --overwrite")
    if decided and plan is not None:
        raise ConfigError(
            "--decisions and --plan exclude each other; give only --plan, and remove the rejected rows from that plan"
        )
    rejects = rejects_of(decided, on_conflict)
    _, settings, _ = named_config(config, output, changes or (), console)
    request = BuildRequest(settings, mode, workers, context.obj, rejects, plan, overwrite, wait=not no_wait)
    _warn_without_ffmpeg(request)
    if dry_run:
        from longtake.jobs.build.dry_run import print_request, request_build

        print_request(request_build(request), console)
    elif no_wait:
        launch_build(request, console)
        console.print(
            f"Launched. The corpus is complete once this file exists: {request.layout.manifest}", highlight=False
        )
    else:
        manifest = build_corpus(request, console)
        if as_json:
            terminal.print_json(corpus_as_json(manifest, request.layout))


def clean(corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder of a finished corpus.")]) -> None:
    """Delete the staging files of a finished corpus. They only speed up a rebuild."""
    from longtake.jobs.lock import locked

    layout = Layout(corpus)
    if read_manifest(layout) is None:
        if not storage.exists(corpus):
            raise unfinished(corpus)
        raise CorpusError(
            f"{corpus} is not finished: its staging files hold the work done so far. Finish it first with: longtake build"
        )
    with locked(layout.root):
        for folder in storage.list_folders(layout.staging):  # files beside them tell whether the inputs have changed
            storage.delete_folder(folder)


def _warn_without_ffmpeg(request: "BuildRequest") -> None:
    """Print a warning if source videos are read on this machine and it cannot repair any."""
    from longtake.pipeline.decode.ffmpeg_command import INSTALL_FFMPEG, ffmpeg_command
    from longtake.pipeline.run.runner import is_local

    if is_local(request.options()) and ffmpeg_command() is None:
        terminal.warn(
            f"there is no ffmpeg, so videos with broken containers are dropped, not repaired. {INSTALL_FFMPEG}"
        )


def _check_json(as_json: bool, is_left: bool) -> None:
    if as_json and is_left:
        raise ConfigError("--json prints what the job found; remove --dry-run and --no-wait, or --json")


def _probe_mode(name: str) -> Any:
    from longtake.jobs.build.request import ProbeMode

    try:
        return ProbeMode(name)
    except ValueError:
        raise ConfigError(f"--probe {name}: must be one of none, header, packets") from None


def _refuse_finished(layout: Layout) -> None:
    if read_manifest(layout) is not None:
        raise CorpusError(
            f"{layout.root} holds a finished corpus, and a new plan would break it. Choose another output, "
            "or replace the corpus with: longtake build --overwrite"
        )
