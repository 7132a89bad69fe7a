import random
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.ledger.merge_tallies import MergeTallies
from longtake.pipeline.ledger.tally import distribution, histogram


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200))
@settings(derandomize=True)
def test_distribution_is_that_of_the_values(values: list[int]) -> None:
    found = distribution(dict(Counter(values)))
    ordered = sorted(values)
    assert (found["number"], found["sum"]) == (len(values), sum(values))
    assert found["mean"] == round(sum(values) / len(values), 2)
    for percent in (5, 25, 50, 75, 95):
        at_or_below = sum(v <= found[f"p{percent}"] for v in ordered)
        below = sum(v < found[f"p{percent}"] for v in ordered)
        assert below < len(values) * percent / 100 <= at_or_below or found[f"p{percent}"] == ordered[0]


def test_distribution_of_nothing() -> None:
    assert distribution({}) == {"number": 0, "sum": 0, "mean": None} | dict.fromkeys(("p5", "p25", "p50", "p75", "p95"))


def test_histogram_takes_one_name() -> None:
    tally = Counter({("words", "3"): 2, ("words", "10"): 1, ("clips",): 9, ("other", "3"): 7})
    assert histogram(tally, "words") == {3: 2, 10: 1}


@pytest.mark.parametrize("bundles", [1, 3, 20])
def test_merging_does_not_depend_on_bundles(bundles: int) -> None:
    rng = random.Random(2)
    tallies = [Counter({("a",): rng.randrange(5), ("b", str(rng.randrange(3))): 1}) for _ in range(40)]
    combine, accumulators = MergeTallies(), []
    for i in range(bundles):
        accumulator = combine.create_accumulator()
        for tally in tallies[i::bundles]:
            accumulator = combine.add_input(accumulator, tally)
        accumulators.append(accumulator)
    expected: Counter[tuple[str, ...]] = Counter()
    for tally in tallies:
        expected.update(tally)
    assert combine.extract_output(combine.merge_accumulators(accumulators)) == expected
