"""Shares from a reviewed sample: limits against those of scipy, coverage by simulation, and what counts as reviewed."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import beta, hypergeom

from longtake.pipeline.audit.estimates import Verdict, acceptance, estimate, percent, strata_table
from longtake.pipeline.audit.interval import share_limits
from longtake.pipeline.audit.result import Estimate
from longtake.pipeline.audit.sampling import ReviewSample, allocate
from longtake.schemas.decisions import Decision


def key(stratum: int, number: int) -> str:
    return f"v{stratum}-{number:09d}-{number + 1:09d}"


def sample(sizes: Sequence[int], numbers: Sequence[int]) -> list[ReviewSample]:
    return [
        ReviewSample(key(h, n), f"v{h}-{n}", "train", f"split {h}", size, size / number, 0)
        for h, (size, number) in enumerate(zip(sizes, numbers, strict=True))
        for n in range(number)
    ]


def marks(found: Sequence[int], reviewed: Sequence[int], label: str = "") -> list[Decision]:
    """The first of each stratum are rejected, the others reviewed are fine."""
    return [
        Decision("sample", key(h, n), "reject" if n < bad else "ok", label if n < bad else "", "", "ada")
        for h, (bad, number) in enumerate(zip(found, reviewed, strict=True))
        for n in range(number)
    ]


def rejected(sizes: Sequence[int], reviewed: Sequence[int], found: Sequence[int]) -> Estimate:
    return estimate(sample(sizes, reviewed), marks(found, reviewed))[0]


# -- limits


@pytest.mark.parametrize("population", [1, 2, 7, 30, 61])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_limits_are_those_that_scipy_does_not_rule_out(population: int, confidence: float) -> None:
    tail = (1 - confidence) / 2
    numbers = np.arange(population + 1)
    for size in range(1, population + 1):
        for found in range(size + 1):
            at_most = hypergeom.cdf(found, population, numbers, size)
            at_least = hypergeom.sf(found - 1, population, numbers, size)
            held = numbers[(at_most > tail) & (at_least > tail)]
            low, high = share_limits(found, size, population, confidence)
            assert (round(low * population), round(high * population)) == (held.min(), held.max()), (size, found)


@pytest.mark.parametrize(("found", "size"), [(0, 200), (1, 200), (4, 200), (60, 200), (199, 200), (200, 200), (3, 30)])
def test_limits_in_a_large_population_are_those_of_clopper_and_pearson(found: int, size: int) -> None:
    low, high = share_limits(found, size, 10**8, 0.95)
    exact_low = 0.0 if found == 0 else beta.ppf(0.025, found, size - found + 1)
    exact_high = 1.0 if found == size else beta.ppf(0.975, found + 1, size - found)
    assert (low, high) == (pytest.approx(exact_low, abs=1e-6), pytest.approx(exact_high, abs=1e-6))


def test_limits_for_numbers_that_are_not_whole_lie_between_their_neighbours() -> None:
    below, between, above = (share_limits(found, 100, 10_000, 0.95) for found in (3, 3.5, 4))
    assert below[0] < between[0] < above[0] and below[1] < between[1] < above[1]
    assert share_limits(3, 100, 10_000, 0.95) == share_limits(3 * 100.7 / 100, 100.7, 10_000, 0.95)


# -- coverage

ENOUGH = 0.93  # of 95 %: some hundred tries are off by one to two points themselves; 3,000 and more give at least 0.953
POPULATIONS = {  # sizes of the strata, and how much worse than others each is
    "even": ((5000, 3000, 2000), (1.0, 1.0, 1.0)),
    "steep": ((5000, 3000, 2000), (0.2, 1.0, 3.0)),
    "one large": ((900, 60, 40), (0.5, 3.0, 5.0)),
    "small": ((150, 100, 50, 25, 10, 5), (1.0, 0.5, 2.0, 1.0, 2.0, 0.0)),
}


def coverage(sizes: Sequence[int], positive: Sequence[int], numbers: Sequence[int], tries: int) -> float:
    """How often the interval holds the true share when the strata have so many that are to be rejected."""
    generator, truth = np.random.default_rng(11), sum(positive) / sum(sizes)
    draws = np.stack(
        [generator.hypergeometric(k, n - k, m, tries) for k, n, m in zip(positive, sizes, numbers, strict=True)]
    )
    outcomes, counts = np.unique(draws, axis=1, return_counts=True)
    held = 0
    for found, count in zip(outcomes.T, counts, strict=True):
        one = rejected(sizes, numbers, [int(x) for x in found])
        held += int(count) * (one.low - 1e-12 <= truth <= one.high + 1e-12)
    return held / tries


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("size", [30, 200])
def test_an_interval_at_95_percent_holds_the_true_share_as_often(share: float, population: str, size: int) -> None:
    sizes, worse = POPULATIONS[population]
    mean = sum(n * w for n, w in zip(sizes, worse, strict=True)) / sum(sizes)
    positive = [min(round(n * w * share / mean), n) for n, w in zip(sizes, worse, strict=True)]
    assert coverage(sizes, positive, allocate(sizes, size), 300) >= ENOUGH


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_it_does_also_where_one_stratum_was_hardly_reviewed(share: float) -> None:
    sizes = (5000, 3000, 2000)
    positive = [round(n * w * share) for n, w in zip(sizes, (1.5, 0.5, 0.5), strict=True)]
    assert coverage(sizes, positive, (10, 60, 130), 600) >= ENOUGH


def test_exact_coverage_in_one_small_stratum() -> None:
    for population, size in itertools.product((8, 20, 50), (3, 7)):
        for positive in range(population + 1):
            truth, held = positive / population, 0.0
            for found in range(max(0, size - population + positive), min(size, positive) + 1):
                one = rejected([population], [size], [found])
                held += hypergeom.pmf(found, population, positive, size) * (one.low - 1e-9 <= truth <= one.high + 1e-9)
            assert held >= 0.95 - 1e-9, (population, size, positive)


# -- the share


def test_the_share_is_weighted_by_the_strata() -> None:
    one = rejected([9000, 1000], [90, 60], [9, 12])
    assert one.share == pytest.approx(0.9 * 9 / 90 + 0.1 * 12 / 60)
    assert one.low < one.share < one.high and (one.reviewed, one.drawn, one.confidence) == (150, 150, 0.95)


def test_none_found_gives_an_upper_limit() -> None:
    one = rejected([600_000, 400_000], [120, 80], [0, 0])
    assert (one.share, one.low) == (0, 0) and one.high == pytest.approx(1 - 0.025 ** (1 / 200), abs=1e-5)
    assert one.text == "0 % (0 % to 1.8 %) rejected at 95 %, 200 of 200 reviewed"
    all_bad = rejected([600_000, 400_000], [120, 80], [120, 80])
    assert (all_bad.share, all_bad.high) == (1, 1) and all_bad.low == pytest.approx(1 - one.high)


def test_all_reviewed_is_one_point() -> None:
    one = rejected([30, 7, 1], [30, 7, 1], [2, 3, 0])
    assert one.low == one.high == one.share == pytest.approx(5 / 38)
    almost = rejected([30, 7, 2], [30, 7, 1], [2, 3, 0])
    assert almost.low == pytest.approx(5 / 39) and almost.high == pytest.approx(6 / 39), "the last one is good or bad"


def test_a_bad_stratum_that_counts_for_much_makes_the_interval_wider() -> None:
    same = rejected([9000, 1000], [20, 180], [2, 18])
    other = rejected([9000, 1000], [20, 180], [2, 0])
    assert same.share == pytest.approx(0.1)
    assert same.high - same.low > 0.2, "20 reviewed stand for nine tenths"
    assert other.high - other.low > 0.2


def test_more_confidence_is_wider() -> None:
    drawn, decisions = sample([1000], [100]), marks([5], [100])
    narrow, wide = (estimate(drawn, decisions, confidence)[0] for confidence in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert "at 99 %" in wide.text


# -- what counts


def by_label(found: list[Estimate]) -> dict[str, tuple[float, int]]:
    return {one.label: (round(one.share, 6), one.reviewed) for one in found}


def test_labels_and_flags_have_shares_of_their_own() -> None:
    drawn = sample([1000], [100])
    bad = [("misaligned", 0), ("misaligned", 1), ("bad_text", 2), ("", 3)]
    decisions = [Decision("sample", key(0, n), "reject", label, "", "ada") for label, n in bad]
    decisions += [Decision("sample", key(0, n), "flag", "misaligned", "", "ada") for n in range(4, 7)]
    decisions += [Decision("sample", key(0, n), "ok", "", "", "ada") for n in range(7, 100)]
    found = estimate(drawn, decisions)
    assert [one.label for one in found] == ["reject", "misaligned", "bad_text", "unlabelled", "flag"]
    assert [round(one.share, 6) for one in found] == [0.04, 0.02, 0.01, 0.01, 0.03]
    assert found[1].text.startswith("2 % (") and found[1].text.endswith(
        " rejected as misaligned at 95 %, 100 of 100 reviewed"
    )
    assert " rejected as bad text at " in found[2].text and " rejected without a label at " in found[3].text
    assert " flagged at 95 %" in found[4].text


def test_a_decision_on_a_video_counts_for_its_samples_unless_they_have_their_own() -> None:
    drawn = [ReviewSample(key(0, n), "film", "train", "all", 40, 10.0, 0) for n in range(4)]
    of_video = Decision("video", "film", "reject", "privacy", "", "ada")
    assert by_label(estimate(drawn, [of_video])) == {"reject": (1, 4), "privacy": (1, 4), "flag": (0, 4)}
    own = Decision("sample", key(0, 1), "ok", "", "", "bob")
    assert by_label(estimate(drawn, [of_video, own]))["reject"] == (0.75, 4)
    assert by_label(estimate(drawn, [own]))["reject"] == (0, 1)


def test_of_curators_who_differ_the_strictest_counts_and_it_is_said() -> None:
    drawn = sample([100], [10])
    decisions = marks([0], [10])
    bob = [Decision("sample", key(0, n), "reject", "", "", "bob") for n in (3, 4)]
    one = estimate(drawn, [*decisions, *bob])[0]
    assert one.share == pytest.approx(0.2)
    assert one.text.endswith("10 of 10 reviewed; curators differ on 2, and the strictest counts")
    withdrawn = [Decision("sample", key(0, n), "none", "", "", "bob", "2026-11-25T18:20:05Z") for n in (3, 4)]
    assert estimate(drawn, [*decisions, *bob, *withdrawn])[0].text.endswith("10 of 10 reviewed")
    elsewhere = [Decision("video", "other", kind, "", "", who) for kind, who in (("ok", "ada"), ("reject", "bob"))]
    assert "differ" not in estimate(drawn, [*decisions, *elsewhere])[0].text, "of the sample only"


def test_what_is_not_reviewed_counts_for_nothing_and_is_said() -> None:
    drawn = sample([600, 400], [60, 40])
    decisions = marks([3, 2], [30, 20])
    part = estimate(drawn, decisions)
    assert part[0].share == pytest.approx(0.1) and (part[0].reviewed, part[0].drawn) == (50, 100)
    assert part[0].text.endswith("50 of 100 reviewed; 50 still to review, which count for nothing so far")
    assert part[1].text.endswith("50 of 100 reviewed"), "said once"
    assert part[0].high > estimate(drawn, marks([6, 4], [60, 40]))[0].high
    nothing = estimate(drawn, [Decision("sample", "else-000000000-000000001", "reject")])
    assert [(one.share, one.low, one.high, one.reviewed, one.text) for one in nothing] == [
        (0, 0, 1, 0, "nothing reviewed yet: 0 of 100 reviewed")
    ] * 2


def test_a_stratum_without_a_review_is_counted_with_the_one_most_like_it() -> None:
    strata = [("split a, seconds 1/3", 100, 4), ("split a, seconds 2/3", 300, 0), ("split b, seconds 1/3", 600, 6)]
    drawn = [
        ReviewSample(key(h, n), f"v{h}-{n}", "a", name, size, size / 10, 0)
        for h, (name, size, _) in enumerate(strata)
        for n in range(10)
    ]
    decisions = [
        Decision("sample", key(h, n), "reject" if n < bad else "ok")
        for h, (_, _, bad) in enumerate(strata)
        if bad
        for n in range(10)
    ]
    one = estimate(drawn, decisions)[0]
    assert one.share == pytest.approx(0.4 * 0.4 + 0.6 * 0.6)
    assert "; nothing reviewed in split a, seconds 2/3, counted with split a, seconds 1/3" in one.text


def test_the_table_of_strata() -> None:
    drawn = sample([600, 400], [6, 4])
    decisions = [*marks([1, 2], [5, 4]), Decision("sample", key(0, 5), "flag")]
    table = strata_table(drawn, decisions)
    assert table.columns == ("stratum", "samples", "drawn", "reviewed", "rejected", "flagged")
    assert table.rows == (("split 0", 600, 6, 6, 1, 1), ("split 1", 400, 4, 4, 2, 0))


# -- the verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict", "told"),
    [
        (0.0, 0.018, Verdict.ACCEPT, "accept: at most 1.8 % at 95 %, and 2 % is allowed"),
        (0.005, 0.02, Verdict.ACCEPT, "accept: at most 2 % at 95 %"),
        (0.021, 0.09, Verdict.REJECT, "reject: at least 2.1 % at 95 %, and only 2 % is allowed"),
        (0.02, 0.09, Verdict.REVIEW_MORE, "undecided: it may be 2 % or 9 % at 95 %"),
    ],
)
def test_the_interval_decides_against_the_limit(low: float, high: float, verdict: Verdict, told: str) -> None:
    one = acceptance(Estimate("reject", (low + high) / 2, low, high, 0.95, 150, 200, ""), 0.02)
    assert one.verdict is verdict and one.text.startswith(told)


def test_who_is_undecided_is_told_what_to_do() -> None:
    some, whole = (Estimate("reject", 0.02, 0.0, 0.05, 0.95, reviewed, 200, "") for reviewed in (150, 200))
    assert acceptance(some, 0.02).text.endswith("; review the 50 that are left")
    assert acceptance(whole, 0.02).text.endswith("; draw a larger sample")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.021, "2.1 %"),
        (0.5, "50 %"),
        (0.00042, "0.042 %"),
        (0.0061, "0.61 %"),
        (0.999, "99.9 %"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text
