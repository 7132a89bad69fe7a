"""Make everything that the report shows from the tables of a corpus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from longtake.pipeline.audit.agreement import agreement, agreement_tables
from longtake.pipeline.audit.checks import content, integrity, pictures, repeats, sources
from longtake.pipeline.audit.checks.verdicts import worst
from longtake.pipeline.audit.counts import flows, numbers
from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.decided import decision_tables, pending
from longtake.pipeline.audit.distributions import distributions
from longtake.pipeline.audit.drops import Sheets, dropped
from longtake.pipeline.audit.estimates import estimate, strata_table
from longtake.pipeline.audit.policy import judge
from longtake.pipeline.audit.provenance import beside_published, provenance
from longtake.pipeline.audit.queues import NO_QUEUES, QueueTable, queue_tables
from longtake.pipeline.audit.result import Audit, AuditCheck, CheckStatus, Number
from longtake.pipeline.audit.sampling import ReviewSample
from longtake.pipeline.audit.sheets import kept
from longtake.pipeline.filters.evaluation_sets import EvaluationSets
from longtake.pipeline.plan.summary import PlanSummary
from longtake.pipeline.verify.corpus import Report
from longtake.schemas.config import CorpusConfig
from longtake.schemas.decisions import Decision
from longtake.schemas.manifest import CorpusManifest, Count
from longtake.schemas.policy import PolicyFile
from longtake.schemas.wording import plural


@dataclass(frozen=True, slots=True)
class Question:
    """The inputs of an audit. `looked` counts the samples in audit/frames. `sources` is the configuration with the sources, if
    available. `verified` is the result of `longtake verify`, None if it did not run."""

    manifest: CorpusManifest
    plan: PlanSummary | None
    seed: int = 0
    looked: int = 0
    verified: Report | None = None
    sources: CorpusConfig | None = None
    evaluation: EvaluationSets | None = None
    evaluation_names: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    drawn: tuple[ReviewSample, ...] = ()
    made: str = ""
    licences: tuple[str, ...] = ()
    queues: QueueTable = NO_QUEUES
    policy: PolicyFile | None = None


def audit(database: Database, question: Question, sheets: Sheets) -> Audit:
    """Audit a corpus. `sheets` makes contact sheets of dropped long clips. Raises CorpusError if a table is damaged."""
    manifest = question.manifest
    found = checks(database, question)
    counted = numbers(database)
    tables = provenance(database, manifest)
    planned = integrity.plan_estimate(question.plan, manifest)
    estimates = tuple(estimate(question.drawn, question.decisions)) if question.drawn else ()
    measured = agreement(question.decisions) if question.decisions else None
    return Audit(
        name=manifest.name,
        version=manifest.version,
        fingerprint=manifest.fingerprint,
        verdict=worst(found),
        summary=summary(manifest, counted, found),
        numbers=counted,
        flows=flows(database),
        distributions=distributions(database, manifest.config, question.looked > 0),
        checks=found,
        kept=tuple(kept(database, question.seed, question.looked > 0)),
        dropped=tuple(dropped(database, question.seed, sheets)),
        tables=(*tables, planned) if planned is not None else tables,
        decisions=(
            *decision_tables(database, question.decisions),
            *(agreement_tables(measured) if measured else ()),
            *queue_tables(question.queues, question.decisions),
        ),
        agreement=measured,
        policy=judge(database, question.policy, found, estimates, measured) if question.policy else None,
        estimates=estimates,
        strata=strata_table(question.drawn, question.decisions) if question.drawn else None,
        published=beside_published(database, manifest.name),
        made=question.made,
    )


def checks(database: Database, question: Question) -> tuple[AuditCheck, ...]:
    """All checks, in the order of the report's sections."""
    manifest, config = question.manifest, question.manifest.config
    sets = tuple(str(one.get("name")) for one in config.get("duplicates", {}).get("evaluation", ()))
    asked = None
    if question.evaluation is not None:
        asked = sources.contaminated(database, question.evaluation, question.evaluation_names)
    return (
        integrity.integrity(question.verified, f" (seed {question.seed})" if _drew(question.verified) else ""),
        integrity.accounting(database),
        integrity.left_out(database, manifest),
        *integrity.drift(database, manifest),
        *repeats.leakage(database),
        *repeats.duplicates(database),
        *repeats.copies(database, manifest.history),
        *repeats.contamination(database, sets, asked),
        *content.licences(database, question.licences),
        *content.belonging(database),
        *pictures.pictures(database, config, question.looked),
        *content.balance(database),
        sources.stale(database, question.sources, question.seed),
        pending(database, question.decisions),
    )


def _drew(report: Report | None) -> bool:
    return report is not None and report.drawn is not None


def _share(counts: Mapping[str, Count]) -> str:
    """A sentence on how much of the input is in the corpus. Long clips alone would not show what was dropped before they were
    made."""
    told = []
    for subject, noun in (("videos", "videos"), ("sentences", "sentences"), ("clips", "long clips that were made")):
        count = counts[subject]
        told.append(f"{count.kept:,} of {count.total:,} {noun} ({count.kept / max(count.total, 1):.1%})")
    rest = any(count.dropped for count in counts.values())
    return f"In it are {told[0]}, {told[1]} and {told[2]}{'; the ledger has a reason for each other' if rest else ''}."


def summary(manifest: CorpusManifest, found: Sequence[Number], checked: Sequence[AuditCheck]) -> tuple[str, ...]:
    """A few sentences for the person who decides about the corpus and reads nothing else."""
    text = {number.name: number.text for number in found}
    sentences = [
        f"{manifest.name} holds {text['samples']} long clips of {text['videos']} videos: {text['hours']} hours with "
        f"{text['sentences']} sentences and {text['words']} words, in {plural(len(manifest.shards), 'shard')}.",
        _share(manifest.counts),
    ]
    by_status = {status: [check for check in checked if check.status is status] for status in CheckStatus}
    failed, warned, skipped = by_status[CheckStatus.FAIL], by_status[CheckStatus.WARN], by_status[CheckStatus.SKIP]
    verdict = f"{len(by_status[CheckStatus.PASS])} of {len(checked)} checks passed"
    for these, word in ((failed, "failed"), (warned, "warn"), (skipped, "could not be made")):
        verdict += f", {len(these)} {word}" if these else ""
    sentences.append(f"{verdict}.")
    if failed:
        sentences.append(
            "Do not sign it off before this is settled: " + "; ".join(check.title for check in failed) + "."
        )
    elif warned:
        sentences.append("Look at these before signing it off: " + "; ".join(check.title for check in warned) + ".")
    else:
        sentences.append("Nothing that was checked speaks against signing it off.")
    return tuple(sentences)
