"""The ablation of the ideas: its settings are ones that a training takes, and its table says what the runs say."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import ablations

from longtake.schemas.train_config import parse_train_config


@pytest.mark.parametrize("name", [*ablations.STAGE_1, *ablations.STAGE_2])
def test_a_training_takes_the_settings_of_each_row(name: str) -> None:
    plain = parse_train_config(ablations.settings_of(ablations.PLAIN))
    config = parse_train_config(ablations.settings_of(name))
    assert config.steps == 800 and config.data.frames_per_sentence == ablations.FRAMES and config.data.tokens == 24
    assert (config != plain) == (name != ablations.PLAIN)


def test_the_table_has_mean_spread_and_the_difference_of_each_seed() -> None:
    plain = [0.10, 0.20, 0.30]
    found = [{"setting": "plain", "seed": seed, "r": value, "train_cpu_s": 9.0} for seed, value in enumerate(plain)]
    found += [
        {"setting": "new", "seed": seed, "r": value + 0.1, "train_cpu_s": 9.0} for seed, value in enumerate(plain)
    ]
    lines = ablations.table(found, ["plain", "new"], {"r": "R@1"}, "plain").splitlines()
    assert lines == [
        "| setting | R@1 | CPU s |",
        "|---|---|---|",
        "| plain | 20.0 ± 10.0 | 9 |",
        "| new | 30.0 ± 10.0 (+10.0, +10.0, +10.0) | 9 |",
    ]
