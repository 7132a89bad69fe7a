"""Weights in and out: the released ones, Swin and BERT."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from small_models import SMALL, batch, small
from torch import Tensor

from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import TextSize, VideoSize
from longtake.model.weights.official import export_official, load_official, read_weights, save_official
from longtake.model.weights.pretrained import inflate_bias, load_bert, load_swin


@pytest.mark.parametrize("file", ["weights.safetensors", "lfvila_stage1.bin"])
@pytest.mark.parametrize("stage", [1, 2])
def test_weights_go_out_and_come_back(tmp_path: Path, file: str, stage: Any) -> None:
    model, other = small(stage), small(stage)
    save_official(model, tmp_path / file)
    assert load_official(other, tmp_path / file) == ((), ())
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_half_precision_files_load_into_full_precision(tmp_path: Path) -> None:
    model, other = small(), small()
    save_official(model, tmp_path / "weights.bin", torch.float16)
    load_official(other, tmp_path / "weights.bin")
    assert all(p.dtype == torch.float32 for p in other.parameters())
    torch.testing.assert_close(other.video_local_proj.weight, model.video_local_proj.weight, atol=1e-3, rtol=1e-3)


def test_stage_one_weights_start_stage_two() -> None:
    first, second = small(1), small(2)
    loaded = load_official(second, export_official(first))
    assert loaded.unused == () and loaded.missing
    assert all(n.startswith(("video_token_pos.", "text_encoder.bert.encoder.layer.2.")) for n in loaded.missing)
    video, ids, mask = batch(2)
    first.eval(), second.eval()
    torch.testing.assert_close(first.encode_video(video).video, second.encode_video(video).video)
    torch.testing.assert_close(first.encode_text(ids, mask).paragraph, second.encode_text(ids, mask).paragraph)
    assert load_official(first, export_official(second)).missing == ()


def test_more_segments_than_the_file_has() -> None:
    model = LFVila(replace(SMALL, text=replace(SMALL.text, segments=12)))
    before = model.sent_embedding.segment_embeddings.weight.detach().clone()
    source = small()
    load_official(model, export_official(source))
    after = model.sent_embedding.segment_embeddings.weight
    assert torch.equal(after[:8], source.sent_embedding.segment_embeddings.weight) and torch.equal(
        after[8:], before[8:]
    )


def test_weights_that_do_not_fit_raise() -> None:
    model = small()
    state = export_official(model)
    for change in (
        {k: v for k, v in state.items() if k != "video_encoder.norm.weight"},
        {k: v for k, v in state.items() if ".encoder.layer.1." not in k},
        state | {"video_encoder.norm.weight": torch.zeros(3)},
        state | {"surprise": torch.zeros(3)},
    ):
        with pytest.raises(ValueError, match="do not fit"):
            load_official(model, change)


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> Any:
            return print, ("executed",)

    (tmp_path / "weights.bin").write_bytes(pickle.dumps({"a": Attack()}, protocol=2))
    with pytest.raises(pickle.UnpicklingError):
        read_weights(tmp_path / "weights.bin")


VIDEO = VideoSize(embed_dim=8, depths=(2, 2, 2, 2, 2, 2), heads=(1, 2, 4, 4, 4, 8), drop_path=0.0)
MODEL = replace(SMALL, video=VIDEO, text=replace(SMALL.text, hidden=64))


@pytest.fixture
def swin(tmp_path: Path) -> dict[str, Tensor]:
    """A 2-D Swin of 12 blocks with the names that Hugging Face's files have."""
    config = transformers.SwinConfig(
        embed_dim=8, depths=[2, 2, 6, 2], num_heads=[1, 2, 4, 8], window_size=7, image_size=56, patch_size=4
    )
    transformers.SwinModel(config).save_pretrained(tmp_path)
    weights = read_weights(tmp_path / "model.safetensors")
    return {name: torch.randn_like(value) if value.is_floating_point() else value for name, value in weights.items()}


def microsoft(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same under the names of Microsoft's file, which holds more than weights."""
    from longtake.model.weights.pretrained import _swin_names

    extra = {"layers.0.blocks.1.attn_mask": torch.zeros(4, 49, 49), "head.weight": torch.zeros(3, 64)}
    return _swin_names(weights) | extra


@pytest.mark.parametrize("form", ["huggingface", "microsoft"])
def test_swin_becomes_the_video_encoder(tmp_path: Path, swin: dict[str, Tensor], form: str) -> None:
    source = swin
    torch.save({"model": microsoft(source)} if form == "microsoft" else source, tmp_path / "swin.pth")
    model = LFVila(MODEL)
    load_swin(model, tmp_path / "swin.pth")
    ours = model.video_encoder.state_dict()
    prefix = "encoder.layers.2.blocks.4."  # the fifth of stage 3, the ninth of all: ours is layer 4, block 0
    joined = torch.cat([source[f"{prefix}attention.self.{part}.weight"] for part in ("query", "key", "value")])
    assert torch.equal(ours["layers.4.blocks.0.attn.qkv.weight"], joined)
    assert torch.equal(ours["layers.4.blocks.0.mlp.fc2.bias"], source[f"{prefix}output.dense.bias"])
    assert torch.equal(ours["layers.4.blocks.0.attn.proj.bias"], source[f"{prefix}attention.output.dense.bias"])
    assert torch.equal(
        ours["layers.5.blocks.1.norm2.weight"], source["encoder.layers.3.blocks.1.layernorm_after.weight"]
    )
    for layer, stage in ((0, 0), (1, 1), (4, 2)):
        merge = source[f"encoder.layers.{stage}.downsample.reduction.weight"]
        assert torch.equal(ours[f"layers.{layer}.downsample.reduction.weight"], merge)
    assert torch.equal(ours["local_feat_proj.reduction.weight"], merge)
    assert torch.equal(ours["norm_local.weight"], source["layernorm.weight"])
    patch, kernel = ours["patch_embed.proj.weight"], source["embeddings.patch_embeddings.projection.weight"]
    assert torch.equal(patch[:, :, 0, 4:, :4], kernel / 4) and patch.shape[2:] == (1, 8, 8)
    table = ours["layers.3.blocks.0.attn.relative_position_bias_table"].view(31, 5 * 9, -1)
    assert torch.equal(table[0], table[30]) and table.std(1).min() > 0


def test_a_bias_table_is_resized_over_space_only() -> None:
    plane = torch.linspace(-1, 1, 23)[:, None] + 3 * torch.linspace(-1, 1, 23)[None, :]
    table = inflate_bias(plane.reshape(-1, 1), (2, 3, 5)).view(3, 5, 9)
    assert torch.equal(table[0], table[1]) and abs(float(table[0, 2, 4])) < 1e-5
    assert (table.diff(dim=1) > 0).all() and (table.diff(dim=2) > 0).all()


def test_weights_of_another_swin_raise(swin: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="blocks"):
        load_swin(small(), swin)
    for lost in ("encoder.layers.2.blocks.5.layernorm_before.weight", "layernorm.bias"):
        with pytest.raises(ValueError, match="video encoder"):
            load_swin(LFVila(MODEL), {name: value for name, value in swin.items() if name != lost})


def bert_model() -> Any:
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=64,
    )
    model = transformers.BertForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


TEXT = TextSize(
    hidden=64,
    layers=3,
    heads=4,
    intermediate=96,
    sentence_layers=1,
    paragraph_layers=3,
    vocabulary=50,
    positions=64,
    dropout=0.0,
)


@pytest.mark.parametrize("legacy", [False, True])
def test_bert_becomes_the_text_encoder(legacy: bool) -> None:
    theirs = bert_model()
    weights = theirs.state_dict()
    if legacy:
        weights = {k.replace("LayerNorm.weight", "LayerNorm.gamma"): v for k, v in weights.items()}
        weights = {k.replace("LayerNorm.bias", "LayerNorm.beta"): v for k, v in weights.items()}
    model = LFVila(replace(MODEL, text=TEXT)).eval()
    load_bert(model, weights)
    _, ids, mask = batch(2)
    ids, mask = ids.flatten(0, 1), mask.flatten(0, 1)
    text = model.text_encoder
    x = text.paragraph(text.sentences(ids, mask.bool()), mask.bool())
    real = mask.bool()
    torch.testing.assert_close(text.cls(x)[real], theirs(ids, mask).logits[real], atol=1e-4, rtol=1e-4)
    positions = theirs.bert.embeddings.position_embeddings.weight
    assert torch.equal(model.sent_embedding.position_embeddings.weight, positions)


def test_bert_without_heads_or_prefix_and_one_that_does_not_fit() -> None:
    model = LFVila(replace(MODEL, text=TEXT))
    weights = bert_model().bert.state_dict()
    load_bert(model, weights)
    words = model.text_encoder.bert.embeddings.word_embeddings.weight
    assert torch.equal(model.text_encoder.cls.predictions.decoder.weight, words)
    del weights["encoder.layer.2.output.LayerNorm.weight"]
    with pytest.raises(ValueError, match="text encoder"):
        load_bert(model, weights)
