"""How far curators agree beyond chance, from the verdicts that they gave blind: Cohen's kappa and Krippendorff's alpha.

Own code of three formulas, because statsmodels, scikit-learn and krippendorff need SciPy or Numba (over 100 MB). Tests compare it
with them and with the examples that Krippendorff published.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import NormalDist

import numpy as np

from longtake.pipeline.audit.result import Agreement, Coefficient, PairAgreement, Table
from longtake.schemas.decision import NOBODY, WITHDRAWN, Decision

_DRAWS = 2000  # of the bootstrap


def blind_verdicts(decisions: Iterable[Decision]) -> dict[tuple[str, str], dict[str, str]]:
    """The verdict of each curator on each subject, as given before the curator could see one of another: the last one before any
    other curator had decided on the subject, or else the first one. Adjudications and withdrawn verdicts do not count, nor does a
    verdict that a curator gave after adjudicating the subject: that curator had seen all."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    settled_by: dict[tuple[str, str], set[str]] = {}
    for one in sorted(decisions, key=lambda decision: decision.decided_at):
        adjudicators = settled_by.setdefault(one.about, set())
        if one.basis:
            adjudicators.add(one.curator)
        if one.curator in adjudicators:
            continue
        verdicts = found.setdefault(one.about, {})
        may_change = not ((verdicts.keys() | adjudicators) - {one.curator})
        if one.decision == WITHDRAWN:
            if may_change:
                verdicts.pop(one.curator, None)
        elif may_change or one.curator not in verdicts:
            verdicts[one.curator] = one.decision
    return {about: verdicts for about, verdicts in found.items() if verdicts}


def agreement(decisions: Iterable[Decision], confidence: float = 0.95, seed: int = 0) -> Agreement:
    """Measure the agreement of curators on the subjects that two or more judged blind."""
    units = blind_verdicts(decisions)
    names = sorted({name for verdicts in units.values() for name in verdicts})
    pairs = []
    for one, other in combinations(names, 2):
        both = [(v[one], v[other]) for v in units.values() if one in v and other in v]
        if both:
            same = sum(a == b for a, b in both) / len(both)
            pairs.append(PairAgreement((one, other), same, cohen_kappa(both, confidence)))
    alpha = krippendorff_alpha([list(v.values()) for v in units.values()], confidence, seed)
    return Agreement(len(units), alpha, tuple(pairs), confidence)


def cohen_kappa(pairs: Sequence[tuple[str, str]], confidence: float = 0.95) -> Coefficient:
    """Cohen's kappa of two raters on the same units (Educational and Psychological Measurement 20, 1960).

    The interval uses the asymptotic variance of Fleiss, Cohen and Everitt (Psychological Bulletin 72, 1969, equation 13), cut at
    -1 and 1. It is narrow of what it should be below about 30 units.
    """
    n = len(pairs)
    names = sorted({name for pair in pairs for name in pair})
    if not n or len(names) < 2:
        return Coefficient(None, None, None, n)
    at = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for one, other in pairs:
        table[at[one], at[other]] += 1 / n
    rows, columns = table.sum(1), table.sum(0)
    observed, expected = float(np.trace(table)), float(rows @ columns)
    if expected >= 1:
        return Coefficient(None, None, None, n)
    if max(rows.max(), columns.max()) > 1 - 1e-12:  # who never differs agrees by chance, and the variance says nothing
        return Coefficient(0.0, None, None, n)
    kappa = (observed - expected) / (1 - expected)
    diagonal = np.diag(table) @ ((1 - (rows + columns) * (1 - kappa)) ** 2)
    weights = (columns[:, None] + rows[None, :]) ** 2  # of row i, column j: (p.i + pj.)^2
    beside = table * weights
    spread = (1 - kappa) ** 2 * (beside.sum() - np.trace(beside))
    variance = (diagonal + spread - (kappa - expected * (1 - kappa)) ** 2) / (n * (1 - expected) ** 2)
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(max(float(variance), 0.0))
    return Coefficient(kappa, max(kappa - margin, -1.0), min(kappa + margin, 1.0), n)


def krippendorff_alpha(units: Iterable[Sequence[str]], confidence: float = 0.95, seed: int = 0) -> Coefficient:
    """Krippendorff's alpha for nominal verdicts of any number of raters, some of them missing (Content Analysis, chapter 12).

    `units` are the verdicts on each subject; subjects with fewer than two do not count. The interval is from a bootstrap over
    subjects, by percentiles of 2,000 draws from `seed`.
    """
    counted = [Counter(verdicts) for verdicts in units if len(verdicts) > 1]
    names = sorted({name for counts in counted for name in counts})
    if not counted or len(names) < 2:
        return Coefficient(None, None, None, len(counted))
    counts = np.array([[one[name] for name in names] for one in counted], float)
    sizes = counts.sum(1)
    differing = (sizes**2 - (counts**2).sum(1)) / (sizes - 1)  # ordered pairs of different verdicts in a unit
    value = float(_alpha(counts.sum(0)[None], differing.sum()[None])[0])
    # Units with equal counts are alike: a draw of all units is a draw of how often each kind comes.
    kinds, of_kind = np.unique(counts, axis=0, return_counts=True)
    own = (kinds.sum(1) ** 2 - (kinds**2).sum(1)) / (kinds.sum(1) - 1)
    drawn = np.random.default_rng(seed).multinomial(len(counts), of_kind / len(counts), size=_DRAWS)
    draws = _alpha(drawn @ kinds, drawn @ own)
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Coefficient(value, min(float(low), value), max(float(high), value), len(counted))


def _alpha(totals: np.ndarray, differing: np.ndarray) -> np.ndarray:
    """Alpha of several sets of units: `totals` (sets, verdicts) counts each verdict, `differing` (sets) is the sum over units of
    ordered pairs that differ, each over the unit's size less one. 1 where all verdicts are the same."""
    n = totals.sum(1)
    expected = (n**2 - (totals**2).sum(1)) / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = np.where(expected > 0, 1 - differing / expected, 1.0)
    return found


def agreement_tables(found: Agreement) -> tuple[Table, ...]:
    """The agreement as the report shows it; empty if nothing was judged twice."""
    if not found.alpha.units:
        return ()
    at = f"{found.confidence:.0%}"
    note = (
        f"{found.alpha.units:,} of {found.judged:,} judged subjects were judged by two curators or more. Each verdict is the one "
        "given before browse showed another's (--show-verdicts shows all). 1 is perfect agreement, 0 is chance; in brackets the "
        f"{at} interval. Alpha by bootstrap over subjects; kappa by its asymptotic variance."
    )
    rows: list[tuple[object, ...]] = [("all", "Krippendorff's alpha", found.alpha.text, found.alpha.units, "")]
    for pair in found.pairs:
        who = " and ".join(name or NOBODY for name in pair.curators)
        rows.append((who, "Cohen's kappa", pair.kappa.text, pair.kappa.units, f"{pair.same:.1%}"))
    columns = ("curators", "coefficient", f"value ({at} interval)", "judged by both", "same verdict")
    return (Table("Agreement of curators", columns, tuple(rows), note=note),)


def agreement_json(found: Agreement) -> dict[str, object]:
    """The agreement for programs."""

    def told(one: Coefficient) -> dict[str, object]:
        return {"value": one.value, "low": one.low, "high": one.high, "units": one.units}

    return {
        "judged": found.judged,
        "confidence": found.confidence,
        "alpha": told(found.alpha),
        "pairs": [
            {"curators": list(pair.curators), "same": pair.same, "kappa": told(pair.kappa)} for pair in found.pairs
        ],
    }
