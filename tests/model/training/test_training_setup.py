"""From configurations to models: what fits, starting weights, and what is refused before any work."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from data_corpora import make
from safetensors.torch import load_file
from small_training import ALONE, TEXT, VIDEO, configured, told, trained, weights, write_corpora
from transformers import BertConfig, BertForPreTraining, SwinConfig, SwinModel

from longtake.model.network.clip_pooling import frame_tokens
from longtake.model.network.compat import CORRECTED
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import SIZES
from longtake.model.training.setup import check_kernels, load_start, loader_workers, model_card
from longtake.model.training.trainer import Trainer
from longtake.model.weights.official import save_official
from longtake.schemas.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora, a run of stage 1, and small random models of Hugging Face."""
    folder = tmp_path_factory.mktemp("setup")
    write_corpora(folder)
    trained(configured(folder, steps=2, output=str(folder / "first")))
    torch.manual_seed(1)
    bert = BertConfig(
        vocab_size=TEXT["vocabulary"], hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=64,
    )  # fmt: skip
    BertForPreTraining(bert).save_pretrained(folder / "bert")
    swin = SwinConfig(
        image_size=32, patch_size=4, embed_dim=4, depths=[1, 1, 3, 1], num_heads=[1, 1, 1, 1], window_size=2
    )
    SwinModel(swin).save_pretrained(folder / "swin")
    (folder / "empty").mkdir()
    (folder / "junk.bin").write_bytes(b"junk")
    (folder / "junk.safetensors").write_bytes(b"junk")
    torch.save([1, 2], folder / "list.bin")
    torch.save({"a": torch.ones(2)}, folder / "dict.bin")
    return folder


def started(folder: Path, **changes: Any) -> Trainer:
    trainer = Trainer(configured(folder, **changes), ALONE, lambda _: None)
    trainer.start()
    return trainer


@pytest.mark.parametrize("size", ["tiny", "compact", "base"])
def test_sizes_make_models_whose_clips_are_the_corpus(folder: Path, size: str) -> None:
    config = configured(
        folder, model={"size": size, "video": {}, "text": {}}, data={"height": None, "width": None, "sentences": 3}
    )
    with torch.device("meta"):
        model = model_card(config, 2).make()
    assert (model.size.clips, model.size.frames_per_clip) == (3, 2)
    assert (model.size.height, model.size.width) == (SIZES[size].height, SIZES[size].width)


@pytest.mark.parametrize(
    ("height", "width"), [(192, 320), (96, 160), (32, 64), (64, 64), (100, 200), (65, 129), (16, 16)]
)
def test_the_pooled_grid_is_that_of_the_encoder(folder: Path, height: int, width: int) -> None:
    config = configured(folder, data={"height": height, "width": width})
    card = model_card(config, 2)
    model = card.make().eval()
    with torch.inference_mode():
        tokens = frame_tokens(model.video_encoder(torch.zeros(1, 3, 4, height, width), 2).video, CORRECTED)
    assert tuple(tokens.shape[2:4]) == card.size.pooled_grid()


def test_a_run_of_stage_1_starts_stage_2_which_leaves_it_as_it_is(folder: Path, tmp_path: Path) -> None:
    first = trained(configured(folder, output=str(folder / "first"), steps=2), resume=True)
    config = configured(
        folder, output=str(tmp_path / "second"), model={"stage": 2},
        init={"weights": str(folder / "first"), "bert": str(folder / "bert")},
        optimizer={"lr": 1e-2}, steps=3,
    )  # fmt: skip
    before = weights(first)
    second = weights(trained(config))
    dual = [
        name
        for name in before
        if not name.startswith(("text_encoder.cls", "text_encoder.seq", "text_encoder.bert.pooler"))
    ]
    assert len(dual) > 80 and all(torch.equal(before[name], second[name]) for name in dual)
    layer = "text_encoder.bert.encoder.layer.2.attention.self.query.weight"
    assert layer in second and layer not in before
    assert len(told(tmp_path / "second")) == 3


def test_bert_and_swin_folders_are_where_a_training_starts(folder: Path) -> None:
    video = {**VIDEO, "depths": [1] * 6, "patch": [1, 8, 8]}
    trainer = started(folder, model={"video": video}, init={"bert": str(folder / "bert"), "swin": str(folder / "swin")})
    bert = BertForPreTraining.from_pretrained(folder / "bert").state_dict()
    found = weights(trainer)
    for name in (
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.1.output.dense.weight",
        "bert.pooler.dense.bias",
    ):
        assert torch.equal(found[f"text_encoder.{name}"], bert[name])
    swin = load_file(folder / "swin" / "model.safetensors")
    assert torch.equal(found["video_encoder.norm.weight"], swin["layernorm.weight"])
    kernel = "encoder.layers.2.blocks.1.output.dense.weight"
    assert torch.equal(found["video_encoder.layers.3.blocks.0.mlp.fc2.weight"], swin[kernel])
    trained(configured(folder, output=str(folder / "first"), steps=2), resume=True)
    init = {"weights": str(folder / "first"), "bert": str(folder / "bert" / "model.safetensors")}
    layer = "bert.encoder.layer.2.output.dense.weight"
    assert torch.equal(weights(started(folder, model={"stage": 2}, init=init))[f"text_encoder.{layer}"], bert[layer])


@pytest.mark.parametrize("name", ["first", "first/checkpoints/step-00000002", "official.bin", "official.safetensors"])
def test_weights_may_be_a_run_a_checkpoint_or_released_files(folder: Path, name: str) -> None:
    source = trained(configured(folder, steps=2, output=str(folder / "first")), resume=True)
    if name.startswith("official"):
        save_official(source.model, folder / name)
    found = weights(started(folder, output=str(folder / "fresh"), seed=5, init={"weights": str(folder / name)}))
    assert all(torch.equal(value, found[key]) for key, value in weights(source).items())


def test_remote_weights_are_fetched(folder: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(folder / "bert"), "/bert-here", recursive=True)
    try:
        trainer = started(folder, output=str(folder / "fresh"), init={"bert": "memory://bert-here"})
        bert = BertForPreTraining.from_pretrained(folder / "bert").state_dict()
        assert torch.equal(weights(trainer)["text_encoder.bert.pooler.dense.bias"], bert["bert.pooler.dense.bias"])
    finally:
        memory.rm("/bert-here", recursive=True)


@pytest.mark.parametrize("kind", ["weights", "bert", "swin"])
@pytest.mark.parametrize(
    "name",
    ["junk.bin", "junk.safetensors", "list.bin", "dict.bin", "empty", "missing.bin", "first/missing", "../no", "/no/such",
     "a/b/c", "C:\\run", "bad name", "ftp://x/y"],
)  # fmt: skip
def test_weights_that_cannot_be_used_are_one_line_at_once(folder: Path, kind: str, name: str) -> None:
    config = configured(folder, init={kind: name}).model_copy(update={"base": str(folder)})
    model = LFVila(model_card(config, 2).size)
    start = time.monotonic()
    with pytest.raises(ConfigError) as raised:
        load_start(config, model)
    assert time.monotonic() - start < 5
    assert str(raised.value).startswith(f"init.{kind} {name!r}: ")
    assert "weights_only" not in str(raised.value)  # torch's advice to read the file the unsafe way


@pytest.mark.parametrize(("kind", "name"), [("bert", "swin"), ("swin", "bert"), ("weights", "bert/model.safetensors")])
def test_weights_of_another_model_are_refused(folder: Path, kind: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"init\.{kind} .*(fit|blocks)"):
        started(folder, output=str(folder / "fresh"), init={kind: str(folder / name)})
    wider = {**TEXT, "intermediate": 64}
    with pytest.raises(ConfigError, match=r"init\.weights .*shapes differ"):
        started(folder, output=str(folder / "fresh"), model={"text": wider}, init={"weights": str(folder / "first")})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"video": {"layers": 3}}}, r"model\.video\.layers: no such setting; use one of embed_dim"),
        ({"model": {"text": {"hiden": 3}}}, r"model\.text\.hiden: no such setting"),
        ({"model": {"losses": {"mtc": 3}}}, r"model\.losses\.mtc: no such setting"),
        ({"model": {"compat": {"foo": True}}}, r"model\.compat\.foo: no such setting"),
        ({"model": {"video": {**VIDEO, "depths": "deep"}}}, r"model\.video\.depths: "),
        ({"model": {"video": {**VIDEO, "depths": [1, 1]}}}, "one entry per layer"),
        ({"model": {"video": {**VIDEO, "heads": [3] * 6}}}, "width of layer 0, 4, is not a multiple of its 3 heads"),
        ({"model": {"video": {**VIDEO, "patch": [0, 8, 8]}}}, r"model\.video\.patch\.0: "),
        ({"model": {"video": {**VIDEO, "channels": 1}}}, r"model\.video\.channels is 1, but frames have 3"),
        ({"model": {"video": {**VIDEO, "local_window": 2}}}, "model: the local tap before layer 1 .* choose another"),
        ({"model": {"video": {**VIDEO, "embed_dim": 8}}}, "video width 64 and text width 32 must be equal"),
        ({"model": {"text": {**TEXT, "heads": 0}}}, r"model\.text\.heads: "),
        ({"model": {"text": {**TEXT, "heads": 5}}}, "hidden size 32 is not a multiple of 5 heads"),
        ({"model": {"text": {**TEXT, "dropout": 2}}}, r"model\.text\.dropout: "),
        ({"model": {"text": {**TEXT, "vocabulary": 18}}}, r"has 19 tokens, but the model 18: set model\.text"),
        ({"model": {"losses": {"temperature": 0}}}, r"model\.losses\.temperature: "),
        ({"model": {"losses": {"mtc_weight": float("nan")}}}, r"model\.losses\.mtc_weight: "),
        ({"model": {"losses": {"mtc_values": 0}}}, r"model\.losses\.mtc_values: "),
        ({"data": {"sentences": 9}}, r"data\.sentences is 9, but the model has segments for 8"),
        ({"data": {"tokens": 20}}, r"data\.sentences x data\.tokens is 80, but the model has 64 positions"),
        ({"data": {"tokenizer": "no/such/folder"}}, r"data\.tokenizer 'no/such/folder': .* does not exist"),
        ({"data": {"tokenizer": "empty"}}, r"data\.tokenizer 'empty': "),
        ({"data": {"frames_per_sentence": 3}}, "frames_per_sentence is 3, but the corpus has 2"),
        ({"data": {"split": "test"}}, "has no split 'test'; it has .*train"),
        ({"evaluate": {"every": 1}}, "has no split 'val'"),
        ({"batch_size": 13}, "12 usable samples are too few .*Lower batch_size"),
        ({"data": {"sentences": 8, "tokens": 8}}, "0 usable samples are too few"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_any_work(folder: Path, changes: dict[str, Any], said: str) -> None:
    config = configured(folder, output=str(folder / "fresh"), **changes).model_copy(update={"base": str(folder)})
    with pytest.raises(ConfigError, match=said) as raised:
        Trainer(config, ALONE)
    assert "\n" not in str(raised.value)
    assert not (folder / "fresh").exists()


def test_a_split_without_usable_samples_cannot_be_evaluated(folder: Path, tmp_path: Path) -> None:
    make(tmp_path / "corpus", [[4] * 3 + [5] * 3])
    config = configured(
        folder,
        corpus=str(tmp_path / "corpus"),
        evaluate={"every": 1, "split": "train"},
        data={"sentences": 6},
        batch_size=2,
    )
    with pytest.raises(ConfigError, match="too few"):
        Trainer(config, ALONE)


def test_a_tokenizer_is_found_from_the_configurations_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    config = configured(folder, data={"tokenizer": "words"}).model_copy(update={"base": str(folder)})
    assert model_card(config, 2).tokenizer == str(folder / "words")
    assert (
        model_card(
            configured(folder, data={"tokenizer": "uncased"}, model={"text": {**TEXT, "vocabulary": 30522}}), 2
        ).tokenizer
        == "uncased"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, "kernels: fused needs CUDA and Triton"), ({"compile": True}, "kernels: fused stands beside compile")],
)
def test_fused_kernels_that_would_not_be_used_are_refused(folder: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Trainer(configured(folder, output=str(folder / "fresh"), kernels="fused", **changes), ALONE)
    assert not (folder / "fresh").exists()


def test_cuda_graphs_without_cuda_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="compile: max-autotune needs CUDA"):
        Trainer(configured(folder, output=str(folder / "fresh"), compile="max-autotune"), ALONE)
    assert not (folder / "fresh").exists()
    check_kernels(configured(folder, compile="max-autotune"), torch.device("cuda"))


@pytest.mark.parametrize(("processes", "workers"), [("1", 16), ("4", 7), ("16", 2)])
def test_a_gpu_gets_its_share_of_the_cores(
    folder: Path, monkeypatch: pytest.MonkeyPatch, processes: str, workers: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(32)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    config = configured(folder, data={"workers": "auto"})
    assert loader_workers(config, torch.device("cuda")) == workers
    assert loader_workers(config, torch.device("cpu")) == 2
    assert loader_workers(configured(folder, data={"workers": 5}), torch.device("cuda")) == 5


def test_a_gpu_that_waits_is_told_of_once(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    trainer = Trainer(configured(folder, output=str(tmp_path / "run")), ALONE, said.append)
    trainer._tell_of_waiting(0.9)
    assert not said  # on a CPU the loader and the model share the cores
    trainer.process = replace(ALONE, device=torch.device("cuda"))
    for share in (0.9, 0.1, 0.5, 0.9):
        trainer._tell_of_waiting(share)
    assert len(said) == 1 and said[0].startswith(
        "The model waits 50% of the time for its data: raise data.workers (now "
    )
