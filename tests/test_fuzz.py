"""The bounded run of the fuzzing: always the same cases. `python tests/fuzz.py --minutes 30` tries new ones."""

from pathlib import Path

import pytest
from fuzz_corpus import fuzz_corpus
from fuzz_targets import TARGETS, timed
from fuzz_video import fuzz_video
from hypothesis import HealthCheck, given, settings

CALM = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input(name: str) -> None:
    target = TARGETS[name]
    run = settings(
        max_examples=target.cases, derandomize=True, deadline=None, database=None, suppress_health_check=CALM
    )
    run(given(target.make)(timed(target)))()


@pytest.mark.slow
def test_mutated_videos_cost_nothing_but_themselves(tmp_path: Path) -> None:
    found = fuzz_video(tmp_path / "found", number=150)
    assert found.bad == [], f"inputs are kept in {found.folder}"
    assert found.outcomes["decoded"] >= 20, "the changes are not so coarse that nothing is decoded"
    assert sum(found.outcomes.values()) - found.outcomes["decoded"] >= 20, "nor so fine that nothing is broken"


@pytest.mark.slow
@pytest.mark.parametrize("number", [16, pytest.param(40, marks=pytest.mark.exhaustive)])  # 100 CPU seconds
def test_changed_corpora_are_told_and_break_no_command(number: int, tmp_path: Path) -> None:
    found = fuzz_corpus(tmp_path / "found", number=number)
    assert found.bad == [], f"inputs are kept in {found.folder}"
    assert found.outcomes["faults"] >= number / 2
