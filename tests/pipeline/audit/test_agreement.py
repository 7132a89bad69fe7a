"""Agreement of curators, against published worked examples and, where they are installed, against other libraries."""

import random
from importlib import import_module
from itertools import count
from typing import Any

import pytest

from longtake.pipeline.audit.agreement import (
    agreement,
    agreement_tables,
    blind_verdicts,
    cohen_kappa,
    krippendorff_alpha,
)
from longtake.schemas.decision import Decision

KEY = "mammals-000000000-000060000"
NAMES = ("flag", "ok", "reject")


def verdicts(*rows: str) -> list[Decision]:
    """Decisions of curators, a second apart, each as "Ann ok" or "Ann ok KEY"."""
    times = count()
    found = []
    for row in rows:
        curator, decision, *key = row.split()
        when = f"2026-11-25T12:{next(times):02d}:00Z"
        found.append(Decision("sample", key[0] if key else KEY, decision, curator=curator, decided_at=when))
    return found


def by_units(*coders: str) -> list[list[str]]:
    """The verdicts of each unit, from a row of digits for each coder; "." is missing."""
    return [[value for value in unit if value != "."] for unit in zip(*coders, strict=True)]


# The data of K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011): A, B and C of the paper.


@pytest.mark.parametrize(
    ("coders", "alpha"),
    [
        (("0100000000", "1110010100"), 0.095),
        (("aabbdcccedda", "babbbccceddd"), 0.692),
        (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743),
    ],
)
def test_alpha_is_as_published(coders: tuple[str, ...], alpha: float) -> None:
    assert krippendorff_alpha(by_units(*coders)).value == pytest.approx(alpha, abs=0.0005)


def test_kappa_is_as_published() -> None:
    """J. Cohen, A coefficient of agreement for nominal scales (1960), table 1: 200 units, kappa 0.492."""
    cells = {"AA": 88, "AB": 14, "AC": 18, "BA": 10, "BB": 40, "BC": 10, "CA": 2, "CB": 6, "CC": 12}
    found = cohen_kappa([(pair[0], pair[1]) for pair, n in cells.items() for _ in range(n)])
    assert found.units == 200
    assert found.value == pytest.approx(0.492, abs=0.0005)


def library(name: str) -> Any:
    pytest.importorskip(name.partition(".")[0])
    return import_module(name)


@pytest.mark.parametrize("units", [25, 300])
def test_other_libraries_find_the_same(units: int) -> None:
    inter_rater, krippendorff = library("statsmodels.stats.inter_rater"), library("krippendorff")
    dice = random.Random(units)
    pairs = [(one, one if dice.random() < 0.7 else dice.choice(NAMES)) for one in dice.choices(NAMES, k=units)]
    table = [[pairs.count((one, other)) for other in NAMES] for one in NAMES]
    theirs, ours = inter_rater.cohens_kappa(table), cohen_kappa(pairs)
    assert (ours.value, ours.low) == pytest.approx((theirs.kappa, theirs.kappa_low))
    assert ours.high == pytest.approx(min(theirs.kappa_upp, 1))
    ragged = [[*pair, dice.choice(NAMES)] if n % 3 else list(pair)[: 1 + n % 2] for n, pair in enumerate(pairs)]
    counts = [[unit.count(name) for name in NAMES] for unit in ragged]
    alpha = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert krippendorff_alpha(ragged).value == pytest.approx(alpha)


def test_the_interval_of_alpha_covers_the_truth() -> None:
    """Of samples from a population whose alpha is known, about 95 % of the intervals hold it."""
    dice = random.Random(5)
    truth, held = 0.6, 0
    for draw in range(40):  # two raters who agree by 0.6 beyond chance, each verdict equally frequent
        units = []
        for _ in range(120):
            one = dice.choice(NAMES)
            units.append((one, one if dice.random() < truth else dice.choice(NAMES)))
        found = krippendorff_alpha(units, seed=draw)
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert 34 <= held <= 40


def test_what_has_no_agreement() -> None:
    assert cohen_kappa([]).value is None
    assert cohen_kappa([("ok", "ok")] * 5).text == "not defined"
    assert krippendorff_alpha([["ok"], ["reject"]]).units == 0
    assert krippendorff_alpha([["ok", "ok"], ["ok", "ok"]]).value is None
    assert agreement_tables(agreement(verdicts("Ann ok"))) == ()


def test_only_what_was_judged_blind_counts() -> None:
    def found(*rows: str) -> dict[str, str]:
        return blind_verdicts(verdicts(*rows)).get(("sample", KEY), {})

    assert found("Ann ok", "Ann reject", "Bob ok") == {"Ann": "reject", "Bob": "ok"}
    assert found("Ann reject", "Bob ok", "Ann ok") == {"Ann": "reject", "Bob": "ok"}  # Ann gave in
    assert found("Ann reject", "Bob ok", "Bob reject") == {"Ann": "reject", "Bob": "ok"}
    assert found("Ann reject", "Ann none") == {}
    assert found("Ann reject", "Bob ok", "Ann none") == {"Ann": "reject", "Bob": "ok"}
    settled = Decision("sample", KEY, "flag", curator="Eve", decided_at="2026-11-26", basis="adjudication")
    after = Decision("sample", KEY, "flag", curator="Eve", decided_at="2026-11-27")  # Eve had seen both
    both = blind_verdicts([*verdicts("Ann reject", "Bob ok"), settled, after])
    assert both == {("sample", KEY): {"Ann": "reject", "Bob": "ok"}}


def test_the_report_has_a_row_for_each_pair() -> None:
    other = "mammals-000060000-000120000"
    [table] = agreement_tables(agreement(verdicts("Ann ok", "Bob ok", f"Ann reject {other}", f"Bob ok {other}")))
    assert [row[:2] for row in table.rows] == [("all", "Krippendorff's alpha"), ("Ann and Bob", "Cohen's kappa")]
    assert table.rows[1][3:] == (2, "50.0%")
    assert "2 of 2 judged" in table.note


def test_a_curator_who_gave_one_verdict_throughout_agrees_by_chance_and_there_is_no_interval() -> None:
    found = cohen_kappa([("ok", "ok")] * 19 + [("reject", "ok")] * 2)
    assert (found.value, found.low, found.high, found.units) == (0.0, None, None, 21)
    assert found.text == "0.00 (no interval)"
