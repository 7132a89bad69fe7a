"""The verdict of a policy on a corpus, line by line, and what each threshold costs as it moves."""

from collections.abc import Iterator, Sequence

import numpy as np

from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.estimates import Verdict, acceptance
from longtake.pipeline.audit.policy_choice import Choice, Rule, choose
from longtake.pipeline.audit.result import (
    Agreement,
    AuditCheck,
    CheckStatus,
    Estimate,
    PolicyCurve,
    PolicyLine,
    PolicyVerdict,
)
from longtake.schemas.policy import Policy, PolicyFile
from longtake.schemas.wording import plural

_POINTS = 61  # of a curve


def judge(
    database: Database,
    file: PolicyFile,
    checks: Sequence[AuditCheck],
    estimates: Sequence[Estimate],
    agreement: Agreement | None,
) -> PolicyVerdict:
    """Judge a corpus by a policy.

    Args:
        database: the tables of the corpus.
        file: the policy.
        checks: the checks of the audit.
        estimates: of the sample for review; the first is on rejects. Empty if none was drawn.
        agreement: of the curators; None if nobody decided.

    Returns:
        The verdict. The same corpus and policy give the same samples that `longtake curate` keeps.

    Raises:
        ConfigError: the policy names a column or check that does not exist.
    """
    choice = choose(database, file)
    hours = float(choice.hours.sum())
    return PolicyVerdict(
        name=file.policy.name,
        sha256=file.sha256,
        lines=(
            *(_line(rule, choice) for rule in choice.rules),
            *_check_lines(file.policy, checks),
            *_review_lines(file.policy, estimates),
            *_agreement_lines(file.policy, agreement),
        ),
        curves=tuple(_curve(rule, choice) for rule in choice.rules if rule.values is not None),
        samples=len(choice.keys),
        hours=hours,
        kept_samples=int(choice.kept.sum()),
        kept_hours=float(choice.hours[choice.kept].sum()),
    )


def _line(rule: Rule, choice: Choice) -> PolicyLine:
    n, hours = int(rule.breaks.sum()), float(choice.hours[rule.breaks].sum())
    parts = [rule.found] if rule.found else []
    if n:
        share = n / max(len(choice.keys), 1)
        parts.append(f"{plural(n, 'sample')} ({share:.1%}, {hours:,.2f} hours) to drop")
    if rule.lacks:
        parts.append(f"{plural(rule.lacks, 'sample')} without a value: say missing: drop or keep")
    found = "; ".join(parts) or "all samples keep to it"
    return PolicyLine(rule.name, rule.limit, not n and not rule.lacks and not rule.found, found, n, hours)


def _check_lines(policy: Policy, checks: Sequence[AuditCheck]) -> Iterator[PolicyLine]:
    by_name = {check.name: check for check in checks}
    for name in policy.checks.required:
        check = by_name.get(name)
        if check is None:
            yield PolicyLine("checks.required", name, False, "was not made: this corpus has nothing for it")
        else:
            yield PolicyLine(
                "checks.required", name, check.status is CheckStatus.PASS, f"{check.status}: {check.found}"
            )
    failed = [check.title for check in checks if check.status is CheckStatus.FAIL]
    yield PolicyLine("checks", "no check fails", not failed, "; ".join(failed) or "none fails")
    if policy.checks.warnings == "forbid":
        warned = [check.title for check in checks if check.status is CheckStatus.WARN]
        yield PolicyLine("checks.warnings", "no check warns", not warned, "; ".join(warned) or "none warns")


def _review_lines(policy: Policy, estimates: Sequence[Estimate]) -> Iterator[PolicyLine]:
    if policy.review is None:
        return
    if not estimates:
        nothing = "no sample was drawn: longtake audit --sample"
        yield PolicyLine("review.samples", f"at least {policy.review.samples:,} reviewed", False, nothing)
        return
    rejected, wanted = estimates[0], policy.review.samples
    reviewed = f"{rejected.reviewed:,} of {rejected.drawn:,} drawn samples are reviewed"
    yield PolicyLine("review.samples", f"at least {wanted:,} reviewed", rejected.reviewed >= wanted, reviewed)
    outcome = acceptance(rejected, policy.review.accept)
    asks = f"at most {policy.review.accept:.4g} rejected"
    yield PolicyLine("review.accept", asks, outcome.verdict is Verdict.ACCEPT, f"{outcome.text}. {rejected.text}")


def _agreement_lines(policy: Policy, agreement: Agreement | None) -> Iterator[PolicyLine]:
    if policy.agreement is None:
        return
    units = agreement.alpha.units if agreement else 0
    wanted, least = policy.agreement.subjects, policy.agreement.alpha
    twice = f"{plural(units, 'subject')} judged by two curators or more"
    yield PolicyLine("agreement.subjects", f"at least {wanted:,} judged twice", units >= wanted, twice)
    alpha = agreement.alpha if agreement else None
    low = alpha.low if alpha else None
    text = f"alpha {alpha.text}" if alpha else "nobody has decided anything yet"
    yield PolicyLine("agreement.alpha", f"lower limit at least {least:.4g}", low is not None and low >= least, text)


def _curve(rule: Rule, choice: Choice) -> PolicyCurve:
    """What the threshold keeps as it moves over the values of the corpus."""
    values = rule.values if rule.values is not None else np.empty(0)
    known = values[np.isfinite(values)]
    if not len(known):
        return PolicyCurve(rule.name, _title(rule), rule.bound, ())
    levels = np.unique(np.append(np.quantile(known, np.linspace(0, 1, _POINTS), method="nearest"), rule.bound))
    others = np.ones(len(values), bool)
    for other in choice.rules:
        if other is not rule and not other.name.startswith("quotas."):
            others &= ~other.breaks
    missing_goes = bool((rule.breaks & np.isnan(values)).any())
    columns = []
    for among in (np.ones(len(values), bool), others):
        for weight in (np.ones(len(values)), choice.hours):
            columns.append(
                _kept(values, weight * among, levels, rule.is_least, missing_goes) / max(weight.sum(), 1e-12)
            )
    points = zip(levels, *columns, strict=True)
    return PolicyCurve(rule.name, _title(rule), rule.bound, tuple(tuple(map(float, one)) for one in points))  # type: ignore[misc]


def _kept(
    values: np.ndarray, weights: np.ndarray, levels: np.ndarray, is_least: bool, missing_goes: bool
) -> np.ndarray:
    """The weight of the values that are kept at each level."""
    known = np.isfinite(values)
    order = np.argsort(values[known])
    sums = np.concatenate([[0.0], np.cumsum(weights[known][order])])
    at = np.searchsorted(values[known][order], levels, side="left" if is_least else "right")
    kept: np.ndarray = sums[-1] - sums[at] if is_least else sums[at]
    return kept if missing_goes else kept + weights[~known].sum()


def _title(rule: Rule) -> str:
    name = rule.name.split(".")[1].replace("_", " ").capitalize()
    return f"{name}: {'least' if rule.is_least else 'largest'} value allowed"


def policy_json(found: PolicyVerdict) -> dict[str, object]:
    """The verdict for programs."""
    return {
        "name": found.name,
        "sha256": found.sha256,
        "passed": found.passes,
        "samples": found.samples,
        "hours": found.hours,
        "kept_samples": found.kept_samples,
        "kept_hours": found.kept_hours,
        "lines": [
            {
                "rule": line.rule,
                "asks": line.asks,
                "passed": line.passes,
                "found": line.found,
                "samples": line.samples,
                "hours": line.hours,
            }
            for line in found.lines
        ],
    }
