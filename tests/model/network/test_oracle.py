"""The released code's numbers, with compat="official": every stored tensor, loss and gradient."""

import re
import shutil
from pathlib import Path

import oracle
import pytest
import torch
from sources import SHARED

from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import BASE

ORACLE = SHARED / "oracle"
FIXTURES = sorted(ORACLE.glob("p*/config.json"))
needs_oracle = pytest.mark.skipif(
    not FIXTURES, reason=f"{ORACLE} is not here: the oracle is not part of the repository"
)


@needs_oracle
@pytest.mark.parametrize("config", FIXTURES, ids=lambda path: path.parent.name)
def test_fixtures_are_reproduced(config: Path) -> None:
    report = oracle.check_fixture(config.parent)
    assert len(report.rows) > 300
    assert report.missed == []


@needs_oracle
def test_mtc_cases_are_reproduced() -> None:
    report = oracle.check_mtc(ORACLE / "mtc_cases.json")
    assert len(report.rows) > 100
    assert report.missed == []


@needs_oracle
def test_the_command_fails_on_a_miss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "cases.json"
    text = (ORACLE / "mtc_cases.json").read_text()
    wrong.write_text(re.sub(r'"expected_loss": (\d)', r'"expected_loss": 1\1', text, count=1))
    assert oracle.main(["--mtc", str(wrong)]) == 1
    assert "MISS" in capsys.readouterr().out
    shutil.copy(ORACLE / "mtc_cases.json", wrong)
    assert oracle.main(["--mtc", str(wrong)]) == 0


@needs_oracle
@pytest.mark.parametrize("stage", [1, 2])
def test_base_has_the_released_names_and_shapes(stage: int) -> None:
    released = {}
    section = (ORACLE / "STATE_DICT.md").read_text().split("## Stage ")[stage]
    for name, blocks, shape in re.findall(r"^\| `([^`]+)` \| ([^|]*) \| \[([\d, ]+)\] \| float32", section, re.M):
        first, _, last = blocks.strip().partition("..")
        for j in range(int(first or 0), int(last or first or 0) + 1):
            released[name.replace("{j}", str(j))] = tuple(map(int, shape.split(",")))
    del released["text_encoder.cls.predictions.decoder.bias"]  # another name of predictions.bias
    with torch.device("meta"):
        model = LFVila(BASE, stage)
    assert {name: tuple(value.shape) for name, value in model.named_parameters()} == released
    assert sum(p.numel() for p in model.parameters()) == {1: 310_288_324, 2: 461_483_972}[stage]
