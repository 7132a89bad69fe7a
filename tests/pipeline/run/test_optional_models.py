"""Models that settings ask for: found once, loaded once, and refused where nothing asks for them."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from longtake.pipeline.plan.models import MODELS
from longtake.pipeline.run.optional_models import OptionalModel
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.errors import ConfigError


class Loaded:
    def __init__(self, folder: str, *options: Any) -> None:
        self.folder, self.options = folder, options


MODEL = OptionalModel("coherence.model", Loaded, ("numpy",), ("coherence.device",), "coherence.enabled")


def config(folder: Path | None = None, **coherence: Any) -> CorpusConfig:
    asked = {"enabled": True, "model": str(folder)} if folder else {}
    return parse_config({"name": "a", "output": "o", "source": {"videos": "v"}, "coherence": asked | coherence})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_loaded_once_for_each_way_to_load_it(folder: Path) -> None:
    one = MODEL.get(config(folder))
    assert (one.folder, one.options) == (str(folder), (None,))
    assert MODEL.get(config(folder, cut_cost=9)) is one
    assert MODEL.get(config(folder, device="cuda")).options == ("cuda",)


def test_what_nobody_asks_for_decides_nothing(folder: Path) -> None:
    for name, model in MODELS.items():
        assert not model.asked(config()), name
        assert model.versions(config()) == {}
        with pytest.raises(ConfigError, match=r"\.(clip_)?model is not set"):
            model.get(config())
    assert set(MODEL.versions(config(folder))) == {"numpy"}


def test_a_step_of_the_graph_may_carry_it(folder: Path) -> None:
    for model in MODELS.values():
        assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301
