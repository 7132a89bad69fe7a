"""Models to a hub and back: a server on loopback that speaks the hub's API, and the files as they lie there."""

import json
from collections.abc import Iterator
from pathlib import Path

import fake_hub
import pytest
import torch
from small_models import small
from small_training import configured, trained, write_corpora

from longtake.model.network.lfvila import LFVila
from longtake.model.training import trainer as training
from longtake.model.weights.checkpoint import CheckpointError, load_model

METRICS = {"paragraph_to_video/r1": 0.353, "paragraph_to_video/median_rank": 3.0}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[fake_hub.Hub]:
    from huggingface_hub import constants

    with fake_hub.hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", fake_hub.TOKEN)
        yield server


def same(first: LFVila, second: LFVila) -> bool:
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_a_model_goes_to_the_hub_and_comes_back(
    hub: fake_hub.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "draw_losses", lambda run: run)
    write_corpora(tmp_path)
    trained(configured(tmp_path, steps=1, log_to=[]))
    model = LFVila.from_pretrained(str(tmp_path / "run"))
    assert "/commit/" in model.push_to_hub("me/lfvila", METRICS, licence="apache-2.0")
    there = hub.repositories["me/lfvila"]
    assert there.private and set(there.tree) == {".gitattributes", "README.md", "model.safetensors"}
    page = there.read("README.md").decode()
    assert page.startswith("---\nlibrary_name: longtake\n") and "\nlicense: apache-2.0\n---\n" in page
    fingerprint = json.loads((tmp_path / "corpus" / "corpus.json").read_text())["fingerprint"]
    assert f"| corpora | small, version 1, fingerprint {fingerprint} |" in page
    assert "| paragraph\\_to\\_video/r1 | 0.353 |" in page and "pre-training, stage 1" in page
    back = LFVila.from_pretrained("me/lfvila")
    assert same(model, back) and back.card == model.card and not back.training
    assert not any(path.endswith(("pytorch_model.bin", ".pt")) for path in hub.asked)


def test_a_model_made_in_code_is_saved_with_a_card(tmp_path: Path) -> None:
    model = small(2)
    model.save_pretrained(str(tmp_path / "out"))
    loaded, card = load_model(str(tmp_path / "out"))
    assert same(model, loaded) and card.stage == 2 and card.size == model.size
    assert same(LFVila.from_pretrained(str(tmp_path / "out")), model)


def test_names_of_corpora_are_only_text(tmp_path: Path) -> None:
    from dataclasses import replace

    model = small(1)
    model.save_pretrained(str(tmp_path / "out"))
    loaded = LFVila.from_pretrained(str(tmp_path / "out"))
    loaded.card = replace(loaded.card, corpora=("<script>|\n# x ![](http://a)",))
    loaded.save_pretrained(str(tmp_path / "again"))
    page = (tmp_path / "again" / "README.md").read_text()
    assert "\\<script\\>\\| \\# x \\!\\[\\](http://a)" in page and page.count("\n# ") == 1


@pytest.mark.parametrize("name", ["me/nothing", "no repository at all", "/no/such/folder"])
def test_what_is_nowhere_is_one_line(hub: fake_hub.Hub, name: str) -> None:
    with pytest.raises(CheckpointError, match="neither a local model nor one on the hub") as raised:
        LFVila.from_pretrained(name)
    assert "\n" not in str(raised.value)
