"""Estimate shares of the whole corpus from curators' decisions on a drawn sample, with confidence intervals, and give a
verdict."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from longtake.pipeline.audit.interval import share_limits
from longtake.pipeline.audit.result import Estimate, Table
from longtake.pipeline.audit.sampling import ReviewSample
from longtake.schemas.decisions import Decision, OnConflict, conflicts, settle

REJECT, FLAG, UNLABELLED = "reject", "flag", "unlabelled"


def estimate(drawn: Sequence[ReviewSample], decisions: Iterable[Decision], confidence: float = 0.95) -> list[Estimate]:
    """Estimate the share of the corpus that would be rejected: in all, then by label, most frequent first; then the flagged
    share.

    The share is a stratified estimate: the sum of N_h/N times the share among the reviewed samples of stratum h. Only drawn
    samples with a decision count: a decision on the sample, else on its video; if curators differ, the strictest. A stratum
    without a reviewed sample is counted with the stratum of the most similar name. The first text says so, and also says how
    many differ and how many are still to review.

    The interval is the exact one for draws without replacement (`share_limits`) at an effective number of reviewed samples, as
    Korn and Graubard propose for surveys ("Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24, 1998). If no stratum were worse than another, the variance of the
    estimate would equal the variance of 1 / sum((N_h/N)^2 / n_h) draws without stratification, finite population included. The
    effective number is this one, or the number that matches the variance within the strata if that is smaller. The gain from
    stratification is not credited, so that the interval claims no more than it covers when few are rejected. With no findings
    there is an upper limit; with all reviewed, one point. Each interval holds alone, not all of them together.
    """
    drawn, review = list(drawn), _Review.of(drawn, decisions)
    counts: dict[str, int] = {}
    for decision in review.reviewed.values():
        if decision.decision == REJECT:
            label = decision.label or UNLABELLED
            counts[label] = counts.get(label, 0) + 1
    labels = sorted(counts, key=lambda label: (-counts[label], label))
    several = labels if labels != [UNLABELLED] else []
    out = [_estimated(review, REJECT, "rejected", lambda one: one.decision == REJECT, confidence, review.remarks())]
    out += [_estimated(review, label, _rejected_as(label), _has_label(label), confidence) for label in several]
    out.append(_estimated(review, FLAG, "flagged", lambda one: one.decision == FLAG, confidence))
    return out


def _rejected_as(label: str) -> str:
    return "rejected without a label" if label == UNLABELLED else f"rejected as {label.replace('_', ' ')}"


def _has_label(label: str) -> Callable[[Decision], bool]:
    wanted = "" if label == UNLABELLED else label
    return lambda one: one.decision == REJECT and one.label in (wanted, label)


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Strata that are estimated together. `reviewed` are the keys of drawn samples with a decision."""

    names: tuple[str, ...]
    size: int
    reviewed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Review:
    drawn: int
    population: int
    reviewed: Mapping[str, Decision]  # by key
    strata: tuple[_Stratum, ...]
    differing: int

    @classmethod
    def of(cls, drawn: Sequence[ReviewSample], decisions: Iterable[Decision]) -> "_Review":
        decisions = list(decisions)
        by_subject = {one.about: one for one in settle(decisions, OnConflict.STRICTEST)}
        reviewed, subjects = {}, set()
        for one in drawn:
            own, of_video = ("sample", one.key), ("video", one.video_id)
            subject = own if own in by_subject else of_video
            if subject in by_subject:
                reviewed[one.key] = by_subject[subject]
                subjects.add(subject)
        sizes = {one.stratum: one.stratum_size for one in drawn}
        keys: dict[str, list[str]] = {name: [] for name in sizes}
        for one in drawn:
            if one.key in reviewed:
                keys[one.stratum].append(one.key)
        differing = sum((one.subject, one.subject_id) in subjects for one in conflicts(decisions))
        return cls(len(drawn), sum(sizes.values()), reviewed, _collapsed(sizes, keys), differing)

    def remarks(self) -> str:
        """Remarks on how the samples were counted; "" if there are none."""
        remarks = []
        if self.drawn > len(self.reviewed):
            remarks.append(f"{self.drawn - len(self.reviewed):,} still to review, which count for nothing so far")
        if self.differing:
            remarks.append(f"curators differ on {self.differing:,}, and the strictest counts")
        remarks += [
            f"nothing reviewed in {' and '.join(stratum.names[1:])}, counted with {stratum.names[0]}"
            for stratum in self.strata
            if len(stratum.names) > 1
        ]
        return "; ".join(remarks)


def _collapsed(sizes: Mapping[str, int], keys: Mapping[str, Sequence[str]]) -> tuple[_Stratum, ...]:
    """The strata. Each stratum without a reviewed sample joins the one with the longest common start of the name."""
    with_reviewed = sorted(name for name in sizes if keys[name])
    joined: dict[str, list[str]] = {name: [name] for name in with_reviewed}
    for name in sorted(sizes) if with_reviewed else ():
        if not keys[name]:
            joined[max(with_reviewed, key=lambda other: (_alike(name, other), sizes[other]))].append(name)
    return tuple(
        _Stratum(tuple(names), sum(sizes[name] for name in names), tuple(keys[first]))
        for first, names in joined.items()
    )


def _alike(one: str, other: str) -> int:
    """The length of the common start of two names."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _estimated(
    review: _Review, label: str, what: str, is_meant: Callable[[Decision], bool], confidence: float, remarks: str = ""
) -> Estimate:
    number = len(review.reviewed)
    if not number:
        text = f"nothing reviewed yet: 0 of {review.drawn:,} reviewed"
        return Estimate(label, 0.0, 0.0, 1.0, confidence, 0, review.drawn, text)
    found = [sum(is_meant(review.reviewed[key]) for key in stratum.reviewed) for stratum in review.strata]
    share = sum(s.size / review.population * n / len(s.reviewed) for s, n in zip(review.strata, found, strict=True))
    share = min(share, 1.0)
    effective = _effective(review, found, share)
    low, high = share_limits(share * effective, effective, review.population, confidence)
    low = max(low, sum(found) / review.population)  # the findings exist
    high = min(high, 1 - (number - sum(found)) / review.population)
    low, high = min(low, share), max(high, share)
    between = f"{percent(share)} ({percent(low)} to {percent(high)})"
    text = f"{between} {what} at {percent(confidence)}, {number:,} of {review.drawn:,} reviewed"
    return Estimate(
        label, share, low, high, confidence, number, review.drawn, f"{text}; {remarks}" if remarks else text
    )


def _effective(review: _Review, found: Sequence[int], share: float) -> float:
    """The number of unstratified draws with the same information: see `estimate`."""
    weights = [stratum.size / review.population for stratum in review.strata]
    numbers = [len(stratum.reviewed) for stratum in review.strata]
    by_design = 1 / sum(weight**2 / n for weight, n in zip(weights, numbers, strict=True))
    if not 0 < share < 1:
        return by_design
    variance = 0.0
    for weight, n, positive, stratum in zip(weights, numbers, found, review.strata, strict=True):
        left = 1 - n / stratum.size  # share of the stratum that is not reviewed
        own = positive / n * (1 - positive / n) / (n - 1) if n > 1 else share * (1 - share)
        variance += weight**2 * left * own
    by_variance = 1 / (variance / (share * (1 - share)) + 1 / review.population)
    return min(by_design, by_variance)


def percent(share: float) -> str:
    """A share for people, with two significant digits: "12.3 %", "0.042 %"."""
    value = 100 * share
    digits = 1 if value >= 1 or value <= 0 else min(2 - math.floor(math.log10(value)) - 1, 6)
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


class Verdict(StrEnum):
    """The verdict on a delivery under a limit."""

    ACCEPT = "accept"
    REJECT = "reject"
    REVIEW_MORE = "review more"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The verdict on a share under a limit, and the reason."""

    verdict: Verdict
    text: str


def acceptance(estimated: Estimate, limit: float) -> Acceptance:
    """Compare a share with the largest acceptable one (0 to 1). Accept it if its whole interval is within the limit, reject it
    if the whole interval is beyond; otherwise more review is needed."""
    at = f"at {percent(estimated.confidence)}"
    if estimated.high <= limit:
        text = f"accept: at most {percent(estimated.high)} {at}, and {percent(limit)} is allowed"
        return Acceptance(Verdict.ACCEPT, text)
    if estimated.low > limit:
        text = f"reject: at least {percent(estimated.low)} {at}, and only {percent(limit)} is allowed"
        return Acceptance(Verdict.REJECT, text)
    left = estimated.drawn - estimated.reviewed
    how = f"review the {left:,} that are left" if left else "draw a larger sample"
    between = f"it may be {percent(estimated.low)} or {percent(estimated.high)} {at}, and {percent(limit)} is allowed"
    return Acceptance(Verdict.REVIEW_MORE, f"undecided: {between}; {how}")


def strata_table(drawn: Sequence[ReviewSample], decisions: Iterable[Decision]) -> Table:
    """The strata of a sample for review: their sizes, and the numbers drawn, reviewed, rejected and flagged."""
    review = _Review.of(drawn, decisions)
    rows: dict[str, list[int]] = {}
    for one in drawn:
        row = rows.setdefault(one.stratum, [one.stratum_size, 0, 0, 0, 0])
        decision = review.reviewed.get(one.key)
        row[1] += 1
        row[2] += decision is not None
        row[3] += decision is not None and decision.decision == REJECT
        row[4] += decision is not None and decision.decision == FLAG
    columns = ("stratum", "samples", "drawn", "reviewed", "rejected", "flagged")
    note = "From audit/sample.csv and the decisions of curators."
    return Table("Strata of the sample for review", columns, tuple((n, *rows[n]) for n in sorted(rows)), note=note)
