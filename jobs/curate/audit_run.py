"""The steps of `longtake audit`: draw, look at frames, verify, ask the tables, write the report and the card."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from longtake.jobs.job import run_pipeline
from longtake.jobs.lock import check_there, locked
from longtake.pipeline.audit.agreement import agreement_json
from longtake.pipeline.audit.audit import Question, audit
from longtake.pipeline.audit.card_limits import limits_of
from longtake.pipeline.audit.checks.sources import evaluation_sets
from longtake.pipeline.audit.checks.verdicts import worst
from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.estimates import Verdict, acceptance
from longtake.pipeline.audit.frames import pieces
from longtake.pipeline.audit.frames_graph import add_looking
from longtake.pipeline.audit.policy import policy_json
from longtake.pipeline.audit.policy_choice import choose
from longtake.pipeline.audit.queues import queues_path, read_queues
from longtake.pipeline.audit.replay import Replay
from longtake.pipeline.audit.report.page import render
from longtake.pipeline.audit.result import Audit, AuditCheck, CheckStatus, PolicyVerdict
from longtake.pipeline.audit.sampling import DEFAULT_STRATA, ReviewSample, draw, is_of, read_sample, write_sample
from longtake.pipeline.plan.summary import read_summary
from longtake.pipeline.publish.audited import agreement_sentence, manifest_digest, with_people, write_card
from longtake.pipeline.publish.index_figures import card_figures
from longtake.pipeline.run.runner import pipeline_options
from longtake.pipeline.run.slots import Slots, close_shared_slots, shared_slots
from longtake.pipeline.verify import Report, verify
from longtake.schemas import scratch, storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.decisions import Decision, read_decisions
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, finished_manifest
from longtake.schemas.policy import PolicyFile
from longtake.schemas.printable import printable
from longtake.schemas.versions import versions
from longtake.schemas.wording import human_bytes, plural

_COLOURS = {CheckStatus.WARN: "yellow", CheckStatus.FAIL: "bold red", CheckStatus.SKIP: "dim"}


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """The options of the command. `frames` and `verified` count samples to look at; None: all; 0: none."""

    corpus: str
    compare: str | None = None
    sample: int | None = None
    seed: int = 0
    strata: tuple[str, ...] | None = None
    accept: float | None = None
    frames: int | None = 0
    verified: int | None = 0
    config: CorpusConfig | None = None
    decisions: tuple[str, ...] = ()
    evaluation: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    policy: PolicyFile | None = None
    output: str | None = None
    workers: int = 0
    beam_args: tuple[str, ...] = ()


def run(asked: AuditOptions, console: Console) -> tuple[Audit, str]:
    """Audit a corpus, and return the audit and its folder. Raises CorpusError and ConfigError."""
    for corpus in filter(None, (asked.corpus, asked.compare)):
        check_there(corpus)
    layout = Layout(asked.corpus)
    sets = evaluation_sets(asked.evaluation)
    decisions = _decisions(layout, asked.decisions)
    folder = asked.output or layout.path("audit")
    with locked(asked.corpus) if asked.output is None else nullcontext(), _database(layout, asked.output) as database:
        manifest, queues = finished_manifest(layout), read_queues(queues_path(layout))
        if asked.policy is not None:
            choose(database, asked.policy)  # its quotas may not go with this corpus: before any work
        drawn = _drawn(database, asked, console)
        looked = _look(database, asked, folder, console)
        report = _verified(asked, console)
        question = Question(
            manifest, read_summary(layout.plan), asked.seed, looked, report, asked.config, sets, asked.evaluation,
            decisions, tuple(drawn), _made(), asked.licences, queues, asked.policy,
        )  # fmt: skip
        with _replay(database, asked.config, question) as replay:
            found = replace(audit(database, question, replay.sheet), corpus_sha256=manifest_digest(layout))
        if asked.accept is not None:
            found = with_acceptance(found, asked.accept)
        _write(database, found, manifest, folder, asked.output is None)
        if asked.compare is not None:
            _compare(found, asked, folder, console)
    print_audit(found, folder, console)
    return found, folder


@contextmanager
def _database(layout: Layout, audit_folder: str | None) -> Iterator[Database]:
    database = Database(layout, audit_folder, scratch.folder())
    try:
        yield database
    finally:
        database.close()


def _decisions(layout: Layout, paths: tuple[str, ...]) -> tuple[Decision, ...]:
    """Read what curators decided from the named files, else from the file of the corpus, if it exists."""
    if not paths and not storage.exists(layout.decisions):
        return ()
    return tuple(one for path in paths or (layout.decisions,) for one in read_decisions(path))


def _drawn(database: Database, asked: AuditOptions, console: Console) -> list[ReviewSample]:
    """Return the sample for review, drawn now or earlier."""
    layout = database.layout
    if asked.sample is not None:
        drawn = draw(database, asked.sample, asked.seed, asked.strata or DEFAULT_STRATA)
        write_sample(layout, drawn)
        return drawn
    known = read_sample(layout) if asked.output is None else None
    if known and not is_of(database, known):
        console.print(
            "The sample for review was drawn from another version of the corpus. Draw it again with --sample.",
            style="yellow",
        )
        return []
    return known or []


def _look(database: Database, asked: AuditOptions, folder: str, console: Console) -> int:
    """Look at the frames of samples, and return how many samples."""
    tables = storage.join(folder, "frames")
    storage.delete_folder(tables)
    limit = "" if asked.frames is None else f" LIMIT {asked.frames}"
    chosen = database.rows(
        f"SELECT shard, key FROM 'index/*.parquet' ORDER BY md5('{asked.seed}:' || key), key{limit}"  # noqa: S608
    )
    if not chosen:
        return 0
    work = pieces(chosen)
    run_pipeline(
        lambda root: add_looking(root, database.layout, work, tables, asked.workers),
        pipeline_options(list(asked.beam_args), asked.workers),
        console,
        lambda counts, _: f"checking the frames of {counts['looked']:,} of {plural(len(chosen), 'sample')}",
    )
    return len(chosen)


def _verified(asked: AuditOptions, console: Console) -> Report | None:
    if asked.verified == 0:
        return None
    with console.status("verifying") if console.is_terminal else nullcontext():
        return verify(asked.corpus, asked.verified, asked.seed, asked.workers)


@contextmanager
def _replay(database: Database, config: CorpusConfig | None, question: Question) -> Iterator[Replay]:
    slots: Slots | None = shared_slots(1) if config is not None else None
    try:
        yield Replay(database, config, slots, question.plan.probe if question.plan else "header")
    finally:
        if slots is not None:
            close_shared_slots()


def with_acceptance(found: Audit, limit: float) -> Audit:
    """Return the audit with a further check: whether few enough samples would be rejected."""
    title = "Few enough samples would be rejected"
    if not found.estimates:
        check = AuditCheck(
            "acceptance", title, CheckStatus.SKIP, "No sample was drawn.", "Draw one: longtake audit --sample 200."
        )
    else:
        outcome = acceptance(found.estimates[0], limit)
        status = {
            Verdict.ACCEPT: CheckStatus.PASS,
            Verdict.REJECT: CheckStatus.FAIL,
            Verdict.REVIEW_MORE: CheckStatus.WARN,
        }
        todo = (
            "" if outcome.verdict is Verdict.ACCEPT else "Go on reviewing in longtake browse, or mend what was found."
        )
        check = AuditCheck("acceptance", title, status[outcome.verdict], outcome.text, todo)
    checks = (*found.checks, check)
    return replace(found, checks=checks, verdict=worst(checks))


def _compare(found: Audit, asked: AuditOptions, folder: str, console: Console) -> None:
    """Write the page that shows another corpus beside this one."""
    layout = Layout(str(asked.compare).rstrip("/"))
    with _database(layout, None) as database:
        manifest = finished_manifest(layout)
        looked = 0
        if storage.list_files(layout.path("audit", "frames"), ".parquet"):  # from its own audit
            looked = int(database.value("SELECT count(*) FROM 'audit/frames/*.parquet'"))
        question = Question(
            manifest, read_summary(layout.plan), asked.seed, looked, decisions=_decisions(layout, ()), made=_made()
        )
        with _replay(database, None, question) as replay:
            other = audit(database, question, replay.sheet)
    path = storage.join(folder, "compare.html")
    storage.write_bytes(path, render(found, other).encode())
    console.print(f"Compared: {path}", markup=False, highlight=False, soft_wrap=True)


def _write(database: Database, found: Audit, manifest: CorpusManifest, folder: str, in_corpus: bool) -> None:
    storage.write_bytes(storage.join(folder, "report.html"), render(found).encode())
    text = json.dumps(to_json(found), indent=2, ensure_ascii=False, sort_keys=True, default=str)
    storage.write_bytes(storage.join(folder, "audit.json"), (text + "\n").encode())
    if in_corpus:
        layout = database.layout
        figures = replace(
            with_people(layout, card_figures(layout, manifest)),
            agreement=agreement_sentence(agreement_json(found.agreement) if found.agreement else None),
            limits=limits_of(found.checks),
            reviews=tuple(one.text for one in found.estimates),
            audited=found.made,
        )
        write_card(layout, manifest, figures)


def to_json(found: Audit) -> dict[str, Any]:
    """Return an audit for programs: verdict, numbers, checks, counts of drops, estimates."""
    return {
        "name": found.name,
        "version": found.version,
        "fingerprint": found.fingerprint,
        "corpus_sha256": found.corpus_sha256,
        "verdict": found.verdict,
        "made": found.made,
        "numbers": {number.name: number.value for number in found.numbers},
        "checks": [
            {"name": c.name, "title": c.title, "status": c.status, "found": c.found, "todo": c.todo, "keys": _keys(c)}
            for c in found.checks
        ],
        "left_out": [
            {"subject": d.subject, "stage": d.stage, "reason": d.reason, "count": d.count} for d in found.dropped
        ],
        "policy": policy_json(found.policy) if found.policy else None,
        "agreement": agreement_json(found.agreement) if found.agreement else None,
        "estimates": [
            {"label": e.label, "share": e.share, "low": e.low, "high": e.high, "confidence": e.confidence,
             "reviewed": e.reviewed, "drawn": e.drawn, "text": e.text}
            for e in found.estimates
        ],
    }  # fmt: skip


def _keys(check: AuditCheck) -> list[str]:
    """Return the keys of the samples that a check names as examples: `longtake browse` lists them."""
    shown = check.examples
    columns = [n for n, name in enumerate(shown.columns) if name in ("key", "other")] if shown else []
    return list(dict.fromkeys(str(row[n]) for row in shown.rows for n in columns)) if shown else []


def _made() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, longtake {versions()['longtake']}"


def print_policy(found: PolicyVerdict, console: Console) -> None:
    """Print the verdict of a policy, line by line."""
    table = Table(title=f"Policy {found.name} ({found.sha256[:12]})", title_justify="left")
    for heading in ("", "rule", "asks", "found"):
        table.add_column(heading, overflow="fold")
    for line in found.lines:
        word, style = ("pass", "green") if line.passes else ("fail", "bold red")
        table.add_row(Text(word, style), *(Text(printable(text)) for text in (line.rule, line.asks, line.found)))
    console.print(table)
    kept = f"{found.kept_samples:,} of {plural(found.samples, 'sample')}, {found.kept_hours:,.2f} of {found.hours:,.2f} hours"
    console.print(f"longtake curate would keep {kept}.", markup=False, highlight=False)


def print_audit(found: Audit, folder: str, console: Console) -> None:
    """Print the summary, and the checks that did not pass."""
    for sentence in found.summary:
        console.print(printable(sentence), markup=False, highlight=False)
    table = Table(title="Checks that did not pass", title_justify="left")
    for heading in ("", "check", "found"):
        table.add_column(heading, overflow="fold")
    order = (CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.SKIP)
    asking = [check for check in found.checks if check.status in order]
    for check in sorted(asking, key=lambda check: order.index(check.status)):
        style = _COLOURS[check.status]
        table.add_row(Text(check.status.value, style), Text(printable(check.title)), Text(printable(check.found)))
    if asking:
        console.print(table)
    for estimated in found.estimates:
        console.print(printable(estimated.text), markup=False, highlight=False)
    if found.policy is not None:
        print_policy(found.policy, console)
    report = storage.join(folder, "report.html")
    size = human_bytes(storage.size_and_tag(report)[0])
    console.print(f"Report: {report} ({size})", markup=False, highlight=False, soft_wrap=True)
    if found.strata is not None:
        left = sum(int(row[2]) - int(row[3]) for row in found.strata.rows)
        console.print(
            f"Sample for review: {plural(left, 'sample')} left. Review it with: longtake browse", highlight=False
        )
