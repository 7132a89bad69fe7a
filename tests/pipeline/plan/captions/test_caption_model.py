"""The caption model: tiny random ones, which answer with rubbish, and ones that were taught two answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_caption_answers import GOOD, clip
from tiny_language_models import KINDS, tiny_model

from longtake.pipeline.plan.captions.model import CAPTION_MODEL, CaptionModel
from longtake.pipeline.plan.captions.prompt import render
from longtake.pipeline.run import optional_models as models
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.text_config import Captions

TEMPLATE = "Write {count} captions.\n{sentences}"
BEARS = ("hello there", "this is a bear", "it swims okay")
ANSWERS = {
    render(TEMPLATE, clip()): GOOD,
    render(TEMPLATE, clip(BEARS)): "[1] A man waves.\n[2] A bear stands.\n[3] The bear swims.",
}
OTHERS = [render(TEMPLATE, clip(("we fry them " * n, f"{n} bears swim"))) for n in range(1, 9)]


def captions(**settings: Any) -> Captions:
    return Captions(**{"model": "tiny", "device": "cpu", "max_new_tokens": 48} | settings)


def config(model: object, **settings: Any) -> CorpusConfig:
    raw = {"model": str(model), "device": "cpu", "max_new_tokens": 48} | settings
    return parse_config({"name": "t", "output": "out", "source": {"videos": "v.jsonl"}, "captions": raw})


@pytest.fixture(scope="module", params=KINDS)
def taught(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp(request.param), request.param, ANSWERS, steps=300)


@pytest.fixture(scope="module", params=KINDS)
def random(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp(request.param), request.param, ANSWERS)


def change(folder: str, name: str, **values: Any) -> None:
    path = Path(folder) / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_model_answers(taught: str) -> None:
    model = CaptionModel(taught, captions())
    answers = model.answer(list(ANSWERS))
    assert [answer.text for answer in answers] == list(ANSWERS.values())
    assert [answer.problem for answer in answers] == [None, None]
    assert model.is_seq2seq == ("llama" not in taught)
    assert model.special == {"<pad>", "</s>", "<turn>", "<answer>"}


def answers_beside_others(folder: str, size: int) -> list[str]:
    """What a model answers, which it must whatever shares a batch with a prompt."""
    model = CaptionModel(folder, captions(batch_size=size))
    prompts = [*ANSWERS, *OTHERS]
    alone = [model.answer([prompt])[0] for prompt in prompts]
    assert model.answer(prompts) == alone
    assert model.answer(prompts[::-1]) == alone[::-1]
    assert CaptionModel(folder, captions(batch_size=size)).answer(prompts) == alone
    return [answer.text for answer in alone]


@pytest.mark.parametrize("size", [1, 3])
def test_an_answer_is_the_same_whatever_is_beside_it(taught: str, size: int) -> None:
    assert len(set(answers_beside_others(taught, size))) > 1


@pytest.mark.parametrize("size", [1, 3])
def test_so_it_is_where_all_words_are_nearly_as_likely(tmp_path: Path, size: int) -> None:
    assert len(set(answers_beside_others(tiny_model(tmp_path, "llama", ANSWERS), size))) > 5


def test_padding_does_not_change_an_answer(taught: str) -> None:
    assert [a.text for a in CaptionModel(taught, captions(batch_size=4)).answer(list(ANSWERS))] == [*ANSWERS.values()]


def test_an_answer_that_is_cut_off_says_so(taught: str) -> None:
    (answer,) = CaptionModel(taught, captions(max_new_tokens=5)).answer([next(iter(ANSWERS))])
    assert answer.problem == "its answer does not end within 5 tokens"
    assert GOOD.startswith(answer.text) and answer.text


def test_the_models_own_ways_of_generating_are_not_used(taught: str, tmp_path: Path) -> None:
    folder = str(shutil.copytree(taught, tmp_path / "model"))
    change(
        folder, "generation_config.json", do_sample=True, temperature=5.0, num_beams=3, no_repeat_ngram_size=1,
        forced_eos_token_id=1, min_length=40, max_length=3,
    )  # fmt: skip
    prompts = [*ANSWERS, *OTHERS]
    for settings in (captions(), captions(max_new_tokens=5)):
        assert CaptionModel(folder, settings).answer(prompts) == CaptionModel(taught, settings).answer(prompts)


@pytest.mark.parametrize(("kind", "room"), [("bart", 200), ("llama", 152), ("t5", 300)])
def test_a_prompt_that_does_not_fit_is_not_answered(tmp_path: Path, kind: str, room: int) -> None:
    folder = tiny_model(tmp_path, kind, ANSWERS, positions=200)
    model = CaptionModel(folder, captions(max_prompt_tokens=300))
    prompts = [next(iter(ANSWERS)), render(TEMPLATE, clip(("we fry them " * 200, "x")))]
    short, long = model.answer(prompts)
    assert "prompt" not in (short.problem or "")
    assert long.text == ""
    assert long.problem is not None
    assert long.problem.endswith(f"there is room for {room}")
    if kind != "t5":
        with pytest.raises(ConfigError, match=r"max_new_tokens 201: .* has 200 positions"):
            CaptionModel(folder, captions(max_new_tokens=201))


def test_what_the_model_fails_on_costs_only_its_own_prompt(random: str) -> None:
    model = CaptionModel(random, captions(batch_size=3, max_new_tokens=8))
    plain = CaptionModel(random, captions(batch_size=3, max_new_tokens=8)).answer(OTHERS)
    generate, bad = model._model.generate, model._tokens(OTHERS[2])

    def failing(**options: Any) -> Any:
        if any(row[-len(bad) :] == bad or row[: len(bad)] == bad for row in options["input_ids"].tolist()):
            raise RuntimeError("out of memory\nlong story")
        return generate(**options)

    model._model.generate = failing
    found = model.answer(OTHERS)
    assert (found[2].text, found[2].problem) == ("", "RuntimeError: out of memory")
    assert found[:2] + found[3:] == plain[:2] + plain[3:]


def test_all_share_one_model(random: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_LOADED", {})
    assert CAPTION_MODEL.get(config(random)) is CAPTION_MODEL.get(config(random))
    assert CAPTION_MODEL.get(config(random)) is not CAPTION_MODEL.get(config(random, max_new_tokens=9))


def test_a_model_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(models, "_LOADED", {})

    def problem(name: object, **settings: Any) -> str:
        with pytest.raises(ConfigError, match=r"^captions\.model ") as raised:
            CAPTION_MODEL.get(config(name, **settings))
        return str(raised.value)

    assert "can be fetched" in problem("nobody/no-such-model")
    (tmp_path / "empty").mkdir()
    assert "it has no config.json" in problem(tmp_path / "empty")
    folder = tiny_model(tmp_path / "bart", "bart", ANSWERS)
    assert "cannot be loaded" in problem(folder, device="nosuch")
    change(folder, "config.json", decoder_layers=3)
    assert "of its weights are missing, such as model.decoder.layers.2" in problem(folder)
    change(folder, "config.json", decoder_layers=2, auto_map={"AutoConfig": "evil.Config"}, model_type="evil")
    (Path(folder) / "evil.py").write_text("raise SystemExit('code of the model was run')")
    assert "cannot be loaded" in problem(folder)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = Path(tiny_model(tmp_path, "t5", ANSWERS))
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(ConfigError, match=r"cannot be loaded.*safetensors"):
        CaptionModel(str(folder), captions())


def test_a_model_without_an_end_is_refused(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path, "t5", ANSWERS)
    change(folder, "generation_config.json", eos_token_id=None)
    change(folder, "config.json", eos_token_id=None)
    path = Path(folder) / "tokenizer_config.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "eos_token"}))
    with pytest.raises(ConfigError, match="no token that ends an answer"):
        CaptionModel(folder, captions())
