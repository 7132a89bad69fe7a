"""`longtake retry`: try failed videos again, and add the results to the corpus as its next version."""

import json
from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from longtake.jobs import terminal
from longtake.jobs.changes import Changes, with_changes
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, load_config
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest
from longtake.schemas.reasons import Reason


def retry(
    context: typer.Context,
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    config: Annotated[
        str,
        typer.Option(
            "--config", help="The configuration that the corpus was built with; you may have raised limits in it."
        ),
    ] = "corpus.yaml",
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", metavar="REASON,...", help="Try only what failed for these reasons; by default for any reason."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Decoder processes; 0: one for each core.")] = 0,
    changes: Changes = None,
) -> None:
    """Try failed videos again, and add the results as the next version of the corpus. Nothing else is read or decoded.

    The result is the same as from a build without the failures. An interruption leaves the corpus whole; run it again.
    """
    from longtake.jobs.lock import check_there, locked
    from longtake.jobs.versions.revise import (
        Revision,
        finished,
        next_manifest,
        print_change,
        reason_rows,
        replace,
    )
    from longtake.pipeline.revise.change import VersionChange
    from longtake.pipeline.revise.install import next_version
    from longtake.pipeline.revise.select import failed_videos
    from longtake.schemas.wording import plural

    wanted, settings, console = parse_reasons(reason), load_config(config, changes or ()), terminal.console()
    check_there(corpus)
    with locked(corpus):
        old = finished(corpus)
        check_settings(old.manifest, settings, config, corpus)
        failed = failed_videos(old.layout, wanted)
        if not failed.rows:
            more = f" Failures for other reasons: {reason_rows(failed.other)}." if failed.other else ""
            console.print(
                f"Nothing in {corpus} failed for these reasons: nothing to do.{more}", markup=False, highlight=False
            )
            return
        unplanned = failed.unplanned
        again = (
            f"Plan again with: longtake build {with_changes(config, changes)} --overwrite (videos already decoded are not "
            "decoded again)"
        )
        same = settings.duplicates
        if unplanned and (same.paragraphs, same.videos) != ("keep", "keep"):
            raise CorpusError(
                f"{plural(len(unplanned), 'video')} failed before planning, and duplicates.paragraphs is "
                f"{same.paragraphs}, duplicates.videos {same.videos}: duplicates are decided for all videos at once. {again}"
            )
        if unplanned and settings.split_by == "quota":
            raise CorpusError(
                f"{plural(len(unplanned), 'video')} failed before planning, and split_by is quota: quotas are decided for all "
                f"videos at once. {again}"
            )
        change = VersionChange(
            (old.layout,),
            next_version(old.layout),
            settings.seed,
            settings.shards.samples,
            keep_places=not unplanned,
            retried=failed.planned - unplanned,
            replanned=unplanned,
        )
        planning, decoding = _work(settings, old, unplanned, workers, context.obj)
        done = {"reasons": sorted({name for _, name in failed.rows}), "videos": len(failed.planned | unplanned)}
        revision = Revision(change, (old,), next_manifest(old, "retry", done), planning, decoding)
        made = replace(revision, context.obj, console)
        _remember_limits(settings, old.layout.staging)
        after = failed_videos(old.layout, wanted).rows if made else failed.rows
    _print_tried(failed.rows, after, console)
    if made is None:
        console.print("Everything failed again: the corpus is unchanged.", highlight=False)
    else:
        print_change(f"{made.name}: retried", old.manifest, made, corpus, console)


def parse_reasons(text: str | None) -> frozenset[Reason]:
    """Return the reasons of `--reason`; if it is None, all reasons that another attempt can remove. Raises ConfigError."""
    from longtake.pipeline.revise.select import RETRIABLE

    if text is None:
        return RETRIABLE
    names = {name.strip() for name in text.split(",")} - {""}
    known = {reason.value for reason in Reason}
    listed = ", ".join(sorted(RETRIABLE))
    for name in sorted(names):
        if name not in known:
            raise ConfigError(f"--reason {name}: no such reason. Reasons that can be retried: {listed}")
        if Reason(name) not in RETRIABLE:
            raise ConfigError(
                f"--reason {name}: not a failure, so trying again changes nothing. Reasons that can be retried: {listed}"
            )
    if not names:
        raise ConfigError(f"--reason: names no reason. Reasons that can be retried: {listed}")
    return frozenset(map(Reason, names))


def check_settings(manifest: CorpusManifest, config: CorpusConfig, path: str, corpus: str) -> None:
    """Raise CorpusError if the corpus was made with other settings or versions than the retry would use."""
    from longtake.jobs.build.inputs import other_models
    from longtake.pipeline.plan.fingerprint import fingerprint, made_with

    mine, theirs = config.published(), manifest.config
    names = sorted(name for name in mine | theirs if mine.get(name) != theirs.get(name))
    if names:
        raise CorpusError(
            f"{corpus} was made with other settings than those in {path}: {', '.join(names)}. Set them back."
        )
    now = made_with(config)
    names = sorted(name for name in now | manifest.versions if now.get(name) != manifest.versions.get(name))
    if names:
        what = ", ".join(
            f"{name} {manifest.versions.get(name, 'none')} (here {now.get(name, 'none')})" for name in names
        )
        raise CorpusError(
            f"{corpus} was made with {what}. Install these versions, so that all of it is made by the same ones."
        )
    # A merged or resharded corpus has another kind of fingerprint.
    derived = any(entry["command"] in ("merge", "reshard") for entry in manifest.history)
    if not derived and fingerprint(config) != manifest.fingerprint:
        raise CorpusError(
            f"{corpus} was made with other versions of the libraries that its filters and models use. Install those versions, "
            "so that all of it is made by the same ones."
        )
    if models := other_models(config, Layout(corpus)):
        raise CorpusError(
            f"{corpus} was made with other files of these models: {', '.join(models)}. Name the earlier ones in {path}."
        )


def _work(
    config: CorpusConfig, old: Any, unplanned: frozenset[str], workers: int, beam_args: list[str]
) -> tuple[Any, Any]:
    """Return the graph that plans the retried videos, and the settings that decode them. Rejected samples stay dropped."""
    from longtake.jobs.build.plan import captioning, embedding
    from longtake.pipeline.embeddings.clip_model import CLIP_MODEL
    from longtake.pipeline.filters.rejects import rejects_file
    from longtake.pipeline.plan.graph import PlanSteps, plan_videos
    from longtake.pipeline.read.speech import prepare_hearing
    from longtake.pipeline.revise.shards_graph import DecodeSettings
    from longtake.pipeline.run.runner import check_reachable, is_local, pipeline_options, slots_per_process

    options = pipeline_options(beam_args, workers)
    check_reachable(config, options)
    slots = slots_per_process(options, workers)
    layout, decided = old.layout, old.plan.decisions
    decoding = DecodeSettings(config, layout, slots)
    if CLIP_MODEL.asked(config):
        CLIP_MODEL.get(config)  # a model that does not load is an error before any work
    if not unplanned:
        return None, decoding
    if config.source.text.hears and is_local(options):
        prepare_hearing(config, slots)
    rejects = None
    if decided:
        rejects = rejects_file(layout, decided["sha256"], decided["rejects"])
        rejects.read()  # a missing file is an error before any work
    steps = PlanSteps(embedding(config, layout, False), captioning(config), rejects)
    return lambda root: plan_videos(root, config, old.plan.probe, slots, steps, unplanned), decoding


def _remember_limits(config: CorpusConfig, staging: str) -> None:
    """Save the limits, so that `longtake build` does not take raised limits for changed inputs."""
    path = storage.join(staging, "inputs.json")
    try:
        known = json.loads(storage.read_bytes(path))
    except (OSError, ValueError):
        return
    storage.write_bytes(path, json.dumps(known | {"limits": config.limits.model_dump(mode="json")}).encode())


def _print_tried(before: Counter[tuple[str, str]], after: Counter[tuple[str, str]], console: Console) -> None:
    table = Table(title="Tried again", title_justify="left")
    for heading in ("what", "reason"):
        table.add_column(heading)
    for heading in ("failed before", "failed again"):
        table.add_column(heading, justify="right")
    for subject, name in sorted(before | after):
        table.add_row(
            "long clip" if subject == "clip" else subject,
            name,
            f"{before[subject, name]:,}",
            f"{after[subject, name]:,}",
        )
    console.print(table)
