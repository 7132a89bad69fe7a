"""What decays and what is trained at all; the learning rate of every step."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import small
from small_training import ALONE, configured, trained, weights, write_corpora

from longtake.model.training.optimizer import learning_rate, make_optimizer, parameter_groups
from longtake.model.training.trainer import Trainer
from longtake.schemas.train_config import Optimizer


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("contrast", ["info_nce", "sigmoid"])
def test_every_trained_parameter_is_in_one_group_and_nothing_frozen_in_any(stage: int, contrast: str) -> None:
    model = small(stage, contrast=contrast)
    settings = Optimizer(weight_decay=0.1)
    decayed, free = ({id(p) for p in group["params"]} for group in parameter_groups(model, settings))
    assert [group["weight_decay"] for group in parameter_groups(model, settings)] == [0.1, 0.0]
    assert not decayed & free
    assert decayed | free == {id(p) for p in model.parameters() if p.requires_grad}
    names = {id(p): name for name, p in model.named_parameters()}
    for name in (names[found] for found in decayed):
        assert name.endswith(".weight") and "norm" not in name.lower(), name
        assert not any(
            part in name for part in ("bias_table", "position", "segment", "token_type", "video_token_pos")
        ), name
    for name in (names[found] for found in free):
        free_kinds = ("bias", "norm", "position", "segment", "token_type", "video_token_pos", "contrast.")
        assert any(part in name.lower() for part in free_kinds), name
    if stage == 1:
        assert any("word_embeddings" in names[found] for found in decayed)
        assert any("relative_position_bias_table" in names[found] for found in free)
    else:
        assert any("pooler.dense.weight" in names[found] for found in decayed)
        assert not any(names[found].startswith(("video_encoder", "sent_embedding")) for found in decayed | free)


def test_stage_2_trains_pooler_and_heads_and_nothing_of_stage_1(tmp_path: Path) -> None:
    write_corpora(tmp_path)
    first = str(tmp_path / "first")
    trained(configured(tmp_path, output=first, steps=1))
    config = configured(tmp_path, model={"stage": 2}, init={"weights": first}, steps=3, optimizer={"lr": 1e-2})
    trainer = Trainer(config, ALONE)
    trainer.start()
    before = weights(trainer)
    after = weights(trained(config))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"text_encoder.bert.pooler.dense.weight", "text_encoder.seq_relationship.weight"} <= moved
    assert any(name.startswith("video_token_pos") for name in moved)
    frozen = (
        "video_",
        "text_local",
        "text_global",
        "sent_",
        "text_encoder.bert.emb",
        "text_encoder.bert.encoder.layer.0",
    )
    assert not [name for name in moved if name.startswith(frozen) and not name.startswith("video_token_pos")]


def test_decay_shrinks_what_gets_no_gradient_elsewhere_than_in_free_parameters() -> None:
    model = small(1)
    optimizer = make_optimizer(model, Optimizer(lr=0.1, weight_decay=0.5))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    after = dict(model.named_parameters())
    name = "text_encoder.bert.embeddings.word_embeddings.weight"
    torch.testing.assert_close(after[name], 0.95 * before[name])
    for name in ("sent_embedding.position_embeddings.weight", "video_encoder.norm.weight", "text_global_proj.bias"):
        assert torch.equal(after[name], before[name])


def test_learning_rate_at_the_corners() -> None:
    settings = Optimizer(lr=1.0, warmup=0.1, final=0.01)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01 + 0.99 / 90) and learning_rate(100, 100, settings) == pytest.approx(0.01)
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    falls = [a - b for a, b in pairwise(rates[10:])]
    assert max(falls) == pytest.approx(min(falls))


@pytest.mark.parametrize(
    ("warmup", "final", "steps", "expected"),
    [
        (0.0, 0.01, 1, [1.0]),
        (1.0, 0.01, 1, [1.0]),
        (0.0, 0.0, 4, [1.0, 0.75, 0.5, 0.25]),
        (1.0, 0.0, 4, [0.25, 0.5, 0.75, 1.0]),
        (0.5, 1.0, 4, [0.5, 1.0, 1.0, 1.0]),
    ],
)
def test_learning_rate_without_warm_up_or_fall(warmup: float, final: float, steps: int, expected: list[float]) -> None:
    settings = Optimizer(lr=1.0, warmup=warmup, final=final)
    assert [learning_rate(step, steps, settings) for step in range(steps)] == pytest.approx(expected)


def test_the_rate_that_is_recorded_is_the_one_that_was_used(tmp_path: Path) -> None:
    write_corpora(tmp_path)
    config = configured(tmp_path, steps=4, optimizer={"lr": 0.01, "warmup": 0.5})
    trainer = trained(config, stop_after=3)
    assert trainer.stepper.optimizer.param_groups[0]["lr"] == learning_rate(2, 4, config.optimizer)


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine_is_that_of_torch(final: float) -> None:
    settings = Optimizer(lr=1.0, warmup=0.2, final=final, schedule="cosine")
    oracle = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(oracle, T_max=80, eta_min=final)
    for step in range(20, 100):
        assert learning_rate(step, 100, settings) == pytest.approx(oracle.param_groups[0]["lr"], abs=1e-9)
        oracle.step()
        fall.step()
    assert learning_rate(9, 100, settings) == pytest.approx(0.5)


def test_steps_are_those_of_torch() -> None:
    settings = Optimizer(lr=1.0, warmup=0.05, schedule="step", step_epochs=2, step_factor=0.25)
    oracle = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    fall = torch.optim.lr_scheduler.StepLR(oracle, step_size=20, gamma=0.25)
    for step in range(100):
        if step >= 5:
            assert learning_rate(step, 100, settings, epoch_steps=10) == pytest.approx(oracle.param_groups[0]["lr"])
        oracle.step()
        fall.step()


@pytest.mark.parametrize("stage", [1, 2])
def test_released_groups_go_by_names(stage: int) -> None:
    model = small(stage)
    names = {id(p): name for name, p in model.named_parameters()}
    decayed, free = (
        {names[id(p)] for p in group["params"]} for group in parameter_groups(model, Optimizer(groups="released"))
    )
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    left_out = trained - decayed - free
    assert all("pooler" in name for name in left_out) and bool(left_out) == (stage == 2)
    wrong = {"video_encoder.norm.weight", "sent_embedding.norm.weight", "sent_embedding.position_embeddings.weight"}
    if stage == 1:
        assert wrong <= decayed and "text_encoder.bert.embeddings.LayerNorm.weight" in free
        assert any(name.endswith("norm1.weight") for name in decayed)
        assert any(name.endswith("relative_position_bias_table") for name in free)
    else:
        assert "video_token_pos.norm.weight" in decayed and "video_token_pos.s_pos_embed" in free
    assert not any(name.endswith(".bias") for name in decayed)


@pytest.mark.parametrize("groups", ["corrected", "released"])
def test_the_token_of_hidden_patches_does_not_decay(groups: Any) -> None:
    model = small(1, pixels_weight=1.0)
    names = {id(p): name for name, p in model.named_parameters()}
    decayed, free = (
        {names[id(p)] for p in group["params"]} for group in parameter_groups(model, Optimizer(groups=groups))
    )
    assert "masked_pixels.head.weight" in decayed and {"masked_pixels.token", "masked_pixels.head.bias"} <= free


def test_lower_layers_learn_slower() -> None:
    model = small(1, pixels_weight=1.0)
    names = {id(p): name for name, p in model.named_parameters()}
    groups = parameter_groups(model, Optimizer(layer_decay=0.5))
    scale = {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}
    assert scale.keys() == {name for name, p in model.named_parameters() if p.requires_grad}
    # Nine video blocks (2, 2, 2, 1, 1, 1) and two text layers in stage 1.
    expected = {
        "text_global_proj.weight": 0,
        "video_encoder.norm.weight": 0,
        "video_encoder.layers.5.blocks.0.mlp.fc1.weight": 1,
        "video_encoder.layers.4.downsample.reduction.weight": 2,
        "video_encoder.layers.0.blocks.1.norm1.weight": 8,
        "video_encoder.layers.0.downsample.norm.weight": 8,
        "video_encoder.layers.0.blocks.0.norm1.weight": 9,
        "video_encoder.patch_embed.proj.weight": 10,
        "masked_pixels.token": 10,
        "masked_pixels.head.weight": 0,
        "text_encoder.bert.encoder.layer.1.output.dense.weight": 1,
        "sent_embedding.segment_embeddings.weight": 2,
        "text_encoder.bert.encoder.layer.0.output.dense.weight": 2,
        "text_encoder.bert.embeddings.word_embeddings.weight": 3,
    }
    assert {name: scale[name] for name in expected} == {name: 0.5**below for name, below in expected.items()}
    assert groups[0]["lr_scale"] == 1.0
