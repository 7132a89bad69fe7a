"""Common work of the commands that make a new version of a corpus: run the two graphs, install it, print the change."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from longtake.jobs.job import run_pipeline, written
from longtake.jobs.lock import locked
from longtake.pipeline.plan.summary import PlanSummary, read_summary
from longtake.pipeline.publish.audited import write_card
from longtake.pipeline.revise.change import VersionChange
from longtake.pipeline.revise.install import PARENT, digest, discard, install, next_version, stays_in_place
from longtake.pipeline.revise.shards_graph import DecodeSettings, SealFacts, add_shards
from longtake.pipeline.revise.tables_graph import Planning, add_tables, carried
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas import storage
from longtake.schemas.datasheet import NO_ANSWERS, read_datasheet
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, finished_manifest, read_manifest
from longtake.schemas.printable import printable
from longtake.schemas.wording import human_bytes, plural


@dataclass(frozen=True, slots=True)
class FinishedCorpus:
    """A finished corpus: where it lies, its corpus.json and the figures of its plan."""

    layout: Layout
    manifest: CorpusManifest
    plan: PlanSummary


def finished(root: str) -> FinishedCorpus:
    """Return the finished corpus at `root`. Raises CorpusError if there is none."""
    layout = Layout(root.rstrip("/") or root)
    manifest, plan = finished_manifest(layout), read_summary(layout.plan)
    if plan is None:
        raise CorpusError(f"{root}: its plan has no _plan.json. Check the corpus with: longtake verify {root}")
    return FinishedCorpus(layout, manifest, plan)


def next_manifest(old: FinishedCorpus, command: str, done: dict[str, Any], **changes: Any) -> CorpusManifest:
    """Make corpus.json of the version after `old`, except counts and shards. `done` says what was done. Changed settings give
    another fingerprint."""
    version = old.manifest.version + 1
    entry = {"version": version, "command": command} | done | {PARENT: digest(old.layout)}
    if changes:
        changes["fingerprint"] = derived_fingerprint([old.manifest], changes)
    return old.manifest.model_copy(update=changes | {"version": version, "history": (*old.manifest.history, entry)})


def next_change(old: FinishedCorpus, **more: Any) -> VersionChange:
    """Return the change from `old` to its next version, in the same order and with shards of the same size, but for `more`."""
    config = old.manifest.config
    same = {"seed": config["seed"], "samples": config["shards"]["samples"]}
    return VersionChange((old.layout,), next_version(old.layout), **same | more)


def derived_fingerprint(origins: list[CorpusManifest], changes: dict[str, Any]) -> str:
    """Return the digest of everything that decides a corpus made from other corpora."""
    decides = {"of": [origin.fingerprint for origin in origins], "changes": changes}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Revision:
    """A new version to make.

    Attributes:
        change: what becomes of the old samples.
        origins: the finished corpora that they are in.
        manifest: corpus.json of the new version, without counts and shards.
        planning: plans videos that have no plan yet.
        decoding: decodes long clips that have no frames yet.
    """

    change: VersionChange
    origins: tuple[FinishedCorpus, ...]
    manifest: CorpusManifest
    planning: Planning | None = None
    decoding: DecodeSettings | None = None


def make(revision: Revision, beam_args: list[str], console: Console, stay: bool = False) -> CorpusManifest:
    """Make the new version in the target folder. Only files of an interrupted attempt may be there before."""
    change, decoding, target = revision.change, revision.decoding, revision.change.target
    workers = decoding.workers if decoding else 0
    for folder in (target.plan, target.ledger, target.shards, target.index, carried(target)):
        storage.delete_folder(folder)
    run_pipeline(
        lambda root: add_tables(root, change, tuple(origin.plan for origin in revision.origins), revision.planning),
        pipeline_options(beam_args, workers),
        console,
        lambda counts, _: f"planning {plural(counts['planned'], 'long clip')}",
    )
    summary = written(read_summary(target.plan), target.plan, "writing a plan")
    total = sum(split["shards"] for split in summary.splits.values())
    run_pipeline(
        lambda root: add_shards(root, change, SealFacts(revision.manifest, summary), stay, decoding),
        pipeline_options(beam_args, workers),
        console,
        lambda counts, _: f"packing {counts['shards']:,} of {plural(total, 'shard')}, {human_bytes(counts['bytes'])}",
    )
    return written(read_manifest(target), target.root, "sealing the corpus")


def replace(
    revision: Revision, beam_args: list[str], console: Console, even_same: bool = False
) -> CorpusManifest | None:
    """Make the next version of the only origin and install it. The caller holds the lock of the corpus.

    If both versions have the same shards, counts and settings, keep the old one and return None, unless `even_same`."""
    (old,) = revision.origins
    target = revision.change.target
    answers = read_datasheet(old.layout)  # a faulty one must be known before any work
    discard(old.layout)
    with ExitStack() as stack:
        if not storage.is_remote(target.root):
            stack.enter_context(locked(target.root))  # this folder gets the name of the corpus
        stay = stays_in_place(old.layout)
        try:
            made = make(revision, beam_args, console, stay)
        except Exception:
            discard(old.layout)
            raise
        if not even_same and _same(old.manifest, made):
            discard(old.layout)
            return None
        install(old.layout)
    if answers != NO_ANSWERS:
        write_card(old.layout, made)
    return made


def _same(old: CorpusManifest, made: CorpusManifest) -> bool:
    return (old.shards, old.counts, old.config) == (made.shards, made.counts, made.config)


def print_change(
    title: str,
    before: CorpusManifest | None,
    after: CorpusManifest,
    root: str,
    console: Console,
    rows: Sequence[Any] = (),
) -> None:
    """Print what a command did, as a table of before and after. `rows` are further rows: (what, before, after)."""
    table = Table(title=printable(title), title_justify="left")
    table.add_column("")
    for heading in ("before", "after") if before else ("corpus",):
        table.add_column(heading, justify="right")
    for what in _FIGURES:
        table.add_row(what, *(_FIGURES[what](m) for m in (before, after) if m))
    for what, *cells in rows:
        table.add_row(what, *(str(cell) for cell in cells))
    console.print(table, markup=False)
    if before:
        old = {(shard.name, shard.sha256) for shard in before.shards}
        kept = sum((shard.name, shard.sha256) in old for shard in after.shards)
        written = len(after.shards) - kept
        console.print(f"{plural(written, 'shard')} written, {kept:,} unchanged.", highlight=False)
    console.print(f"Corpus: {root}   Check it with: longtake verify {root}", markup=False, highlight=False)


def _kept(subject: str) -> Any:
    return lambda manifest: f"{manifest.counts[subject].kept:,}"


_FIGURES: dict[str, Any] = {
    "version": lambda manifest: f"{manifest.version:,}",
    "videos kept": _kept("videos"),
    "sentences kept": _kept("sentences"),
    "long clips kept": _kept("clips"),
    "videos dropped": lambda manifest: f"{manifest.counts['videos'].dropped:,}",
    "shards": lambda manifest: ", ".join(f"{s['shards']:,} {name}" for name, s in sorted(manifest.splits().items())),
    "bytes": lambda manifest: human_bytes(sum(shard.bytes for shard in manifest.shards)),
}


def reason_rows(counts: Counter[str]) -> str:
    """Return counts by name, for a message."""
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items()))
