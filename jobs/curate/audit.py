"""`longtake audit`: see a finished corpus, question it, sign it off."""

from enum import StrEnum
from typing import Annotated

import typer

from longtake.jobs import terminal
from longtake.jobs.changes import Changes, check_changes
from longtake.schemas.config import load_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.policy import read_policy


class Verify(StrEnum):
    """How much of `longtake verify` an audit runs."""

    NONE = "none"
    SAMPLE = "sample"
    FULL = "full"


_VERIFIED = 100  # samples that are read with --verify sample


def audit(
    context: typer.Context,
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    compare: Annotated[
        str | None, typer.Option("--compare", metavar="OTHER", help="Another corpus or version to compare with.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, metavar="N", help="Draw N samples for people to review.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which samples are drawn; the same seed draws the same ones.")] = 0,
    strata: Annotated[
        str | None, typer.Option(metavar="COLUMNS", help="Columns to stratify --sample by; split,seconds by default.")
    ] = None,
    accept: Annotated[
        float | None,
        typer.Option("--accept", min=0, max=1, metavar="SHARE", help="The largest acceptable share of rejected samples."),
    ] = None,
    frames: Annotated[
        str, typer.Option(metavar="N|all", help="Look at the frames of N samples, drawn by the seed, or of all.")
    ] = "2000",
    verify: Annotated[
        Verify, typer.Option(help="How much of longtake verify to run: nothing, the contents of 100 samples, or all.")
    ] = Verify.SAMPLE,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="CONFIG", help="The configuration that the corpus was built with: shows frames of what "
                     "was dropped, and whether source videos have changed."),
    ] = None,
    decisions: Annotated[
        list[str] | None,
        typer.Option("--decisions", metavar="FILE", help="A file of decisions; CORPUS/decisions.csv by default."),
    ] = None,
    evaluation: Annotated[
        list[str] | None,
        typer.Option("--evaluation", metavar="NAME=FILE", help="Video ids of an evaluation set; NAME:texts=FILE: its texts."),
    ] = None,
    licences: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="The allowed licences, as in cc-by-4.0,cc0-1.0; any other fails."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Judge the corpus by a policy, line by line; exit code 1 if a line fails."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write report and tables here, so that the corpus does not change."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core.")] = 0,
    changes: Changes = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print audit/audit.json; text for people goes to standard error (docs/commands.md).")
    ] = False,
) -> None:  # fmt: skip
    """Write audit/report.html (contents, drops with reasons, checks, examples), the dataset card and Croissant metadata.

    Exit code 1 if a check or a line of the policy fails. A job of Apache Beam looks at frames; its options go after `--`.
    """
    from longtake.jobs.curate.audit_run import AuditOptions, run, to_json
    from longtake.pipeline.audit.result import CheckStatus

    if output is not None and sample is not None:
        raise ConfigError(
            "--sample and --output exclude each other: the sample is kept in the corpus, for longtake browse"
        )
    check_changes(config, changes)
    asked = AuditOptions(
        corpus=corpus.rstrip("/") or corpus,
        compare=compare,
        sample=sample,
        seed=seed,
        strata=tuple(name.strip() for name in strata.split(",")) if strata else None,
        accept=accept,
        frames=_number(frames),
        verified={Verify.NONE: 0, Verify.SAMPLE: _VERIFIED, Verify.FULL: None}[verify],
        config=load_config(config, changes or ()) if config is not None else None,
        decisions=tuple(decisions or ()),
        evaluation=tuple(evaluation or ()),
        licences=_listed(licences),
        policy=read_policy(policy) if policy is not None else None,
        output=output,
        workers=workers,
        beam_args=tuple(context.obj or ()),
    )
    found, folder = run(asked, terminal.console(stderr=as_json))
    if as_json:
        terminal.print_json(to_json(found) | {"corpus": asked.corpus, "folder": folder})
    if found.verdict is CheckStatus.FAIL or (found.policy is not None and not found.policy.passes):
        raise typer.Exit(1)


def _listed(licences: str | None) -> tuple[str, ...]:
    names = tuple(name for one in (licences or "").split(",") if (name := one.strip()))
    if licences is not None and not names:
        raise ConfigError("--licences: names no licence; write them as in cc-by-4.0,cc0-1.0")
    return names


def _number(frames: str) -> int | None:
    if frames == "all":
        return None
    if not frames.isascii() or not frames.isdigit():
        raise ConfigError(f"--frames {frames}: must be a number of samples, or all")
    return int(frames)
