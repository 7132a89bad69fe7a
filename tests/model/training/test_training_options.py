"""What trainers expect beside the loop: averages, freezing, the best weights, an early end, a longer run, other GPUs, fp16."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from data_corpora import make, vocabulary
from safetensors.torch import load_file
from small_training import ALONE, TEXT, configured as fully_configured, told, trained, weights, write_corpora

from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.training import trainer as training
from longtake.model.training.averaging import MovingAverage
from longtake.model.training.best import Best
from longtake.model.training.trainer import Trainer, TrainingError
from longtake.model.weights.checkpoint import AVERAGE, checkpoints, load_model, load_state
from longtake.schemas.errors import ConfigError
from longtake.schemas.train_config import TrainConfig

EVALUATED = {"every": 2, "split": "train", "batch_size": 6}
R1 = "paragraph_to_video/r1"


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("options")
    write_corpora(folder)
    return folder


def configured(folder: Path, **changes: Any) -> TrainConfig:
    """A training that writes no boards, which take longer than its steps."""
    return fully_configured(folder, log_to=[], **changes)


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes as long as the training."""
    monkeypatch.setattr(training, "draw_losses", lambda run: run)


@pytest.mark.parametrize(
    "changes",
    [
        {"ema": 0.9, "optimizer": {"schedule": "cosine", "layer_decay": 0.7}, "evaluate": EVALUATED},
        {"data": {"resize": "device", "concatenate": 0.5}, "contrast_chunks": 3},
        {"precision": "fp16", "optimizer": {"schedule": "step", "step_epochs": 1.0}, "freeze": ["video_encoder"]},
    ],
)
def test_a_resumed_training_is_the_same_bit_for_bit(corpora: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    whole = trained(configured(corpora, output=str(tmp_path / "whole"), **changes))
    parts = configured(corpora, output=str(tmp_path / "parts"), **changes)
    trained(parts, stop_after=3)
    resumed = trained(parts, resume=True)
    assert told(whole.folder) == told(parts.output)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))
    if "ema" in changes:
        first, second = (load_file(f"{checkpoints(t.folder)[-1][1]}/{AVERAGE}") for t in (whole, resumed))
        assert all(torch.equal(first[name], second[name]) for name in first)
        own = weights(whole)
        assert any(not torch.equal(first[name], own[name]) for name in first)


def test_the_average_is_the_sum_that_it_says() -> None:
    layer = torch.nn.Linear(2, 2)
    average, expected = MovingAverage(layer, 0.3), layer.weight.detach().clone().double()
    for step in range(4):
        with torch.no_grad():
            layer.weight.add_(step + 1.0)
        average.update(step)
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.detach().double()
    before = layer.weight.detach().clone()
    with average.applied():
        torch.testing.assert_close(layer.weight.double(), expected, atol=1e-6, rtol=1e-6)
    assert torch.equal(layer.weight, before)


def test_averages_are_what_is_evaluated_and_loaded(corpora: Path, tmp_path: Path) -> None:
    config = configured(
        corpora, output=str(tmp_path / "run"), ema=0.5, evaluate=EVALUATED, save={"best": R1, "every": 100}
    )
    trainer = trained(config)
    loaded, _ = load_model(config.output)
    with trainer._averaged():
        assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in weights(trainer).items())
    assert not torch.equal(loaded.text_global_proj.weight, trainer.model.text_global_proj.weight)
    best, _ = load_model(f"{config.output}/best")
    values = [record[f"eval/{R1}"] for record in told(config.output) if f"eval/{R1}" in record]
    if values.index(max(values)) == len(values) - 1:
        assert torch.equal(best.text_global_proj.weight, loaded.text_global_proj.weight)


def test_frozen_parts_stay_and_do_not_drop_out(corpora: Path, tmp_path: Path) -> None:
    names = ["video_encoder.patch_embed", "text_encoder.bert.embeddings", "text_global_proj.bias"]
    config = configured(corpora, output=str(tmp_path / "run"), freeze=names, steps=2, optimizer={"lr": 1e-2})
    trainer = Trainer(config, ALONE)
    trainer.start()
    before = weights(trainer)
    after = weights(trained(config))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in moved if name.startswith(tuple(names))] and "text_global_proj.weight" in moved
    assert not trainer.model.text_encoder.bert.embeddings.dropout.training and trainer.model.sent_embedding.training
    for wrong, said in (
        (["video_encodr"], "freeze: no module 'video_encodr'. Did you mean video_encoder?"),
        (["video_encoder.patch"], "freeze: no module 'video_encoder.patch'."),
        (["video_encoder", "text_encoder", "video_local_proj", "text_local_proj", "video_global_proj", "text_global_proj",
          "sent_embedding"], "freeze: nothing is left to train"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=said[:40]):
            Trainer(configured(corpora, output=str(tmp_path / "no"), freeze=wrong), ALONE)


def scripted(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Evaluations that find these values, one after the other."""
    found = iter(values)
    monkeypatch.setattr(training, "evaluate_corpus", lambda *_: {R1: next(found)})


def test_the_best_weights_are_kept_and_patience_ends(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = {"every": 1, "split": "train", "patience": 2}
    changes = {"save": {"best": R1, "every": 1, "keep": 20}, "evaluate": evaluate, "steps": 20}
    lines: list[str] = []
    scripted(monkeypatch, [0.1, 0.4, 0.2, 0.4, 0.9])
    config = configured(corpora, output=str(tmp_path / "whole"), **changes)
    trainer = trained(config, say=lines.append)
    assert trainer.step == 4 and trainer.best == Best(R1, 0.4, 2, 2)  # an equal value is no better one
    assert lines[-1] == f"Ended at step 4: 2 evaluations without a better value than {R1} 0.4 at step 2"
    best, second = load_model(f"{config.output}/best")[0], load_model(dict(checkpoints(config.output))[2])[0]
    assert all(torch.equal(a, b) for a, b in zip(best.state_dict().values(), second.state_dict().values(), strict=True))
    again = trained(config, resume=True)  # nothing more to do, and nothing evaluated
    assert again.step == 4 and again.best == trainer.best
    Path(config.output, "best", "model.safetensors").unlink()
    again._remember_best()
    assert again.best == Best(R1)  # its weights are gone

    scripted(monkeypatch, [0.1, 0.4, 0.2])
    parts = configured(corpora, output=str(tmp_path / "parts"), **changes)
    trained(parts, stop_after=4)  # the stop arrives before the evaluation of step 4
    scripted(monkeypatch, [0.4, 0.9])
    resumed = trained(parts, resume=True)
    assert resumed.step == 4 and resumed.best == trainer.best and told(config.output) == told(parts.output)


def test_less_is_better_for_losses_and_ranks() -> None:
    assert Best("paragraph_to_video/median_rank", 3.0).improved_by(2.0) and Best("mlm", 3.0).improved_by(2.0)
    assert Best("mlm").after(1, math.nan) == Best("mlm", since=1)
    assert Best("mlm_accuracy", 0.3).improved_by(0.4) and not Best("mlm_accuracy", 0.3).improved_by(0.2)


def test_an_unknown_metric_is_refused_before_any_work(corpora: Path, tmp_path: Path) -> None:
    save = {"best": "paragraph_to_video/r2"}
    with pytest.raises(
        ConfigError, match=r"save\.best: no metric 'paragraph_to_video/r2'\. Did you mean paragraph_to_vid"
    ):
        Trainer(configured(corpora, output=str(tmp_path / "run"), save=save, evaluate=EVALUATED), ALONE)
    model = {"stage": 2}
    with pytest.raises(ConfigError, match="There are mlm, matching"):
        Trainer(configured(corpora, model=model, save={"best": R1}, evaluate=EVALUATED), ALONE)


def test_a_training_can_be_made_longer(corpora: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    trained(configured(corpora, output=run, steps=4))
    longer = configured(corpora, output=run, steps=8)
    with pytest.raises(ConfigError, match="steps was 4, is 8"):
        trained(longer, resume=True)
    stopped = f"{run}-stopped"
    trained(configured(corpora, output=stopped, steps=4), stop_after=1)
    with pytest.raises(ConfigError, match="steps was 4, is 3"):
        Trainer(configured(corpora, output=stopped, steps=3), ALONE).start(resume=True, extend=True)
    extended = Trainer(longer, ALONE, lambda _: None)
    extended.start(resume=True, extend=True)
    assert extended.run() and extended.step == 8
    straight = trained(configured(corpora, output=str(tmp_path / "straight"), steps=8))
    rates = [[record["lr"] for record in told(folder)] for folder in (run, straight.folder)]
    assert rates[0][4:] == rates[1][4:] and rates[0][:4] != rates[1][:4]
    with pytest.raises(ConfigError, match="seed was 0, is 1"):
        Trainer(configured(corpora, output=run, steps=9, seed=1), ALONE).start(resume=True, extend=True)
    with pytest.raises(ConfigError, match="steps was 8, is 5"):
        Trainer(configured(corpora, output=run, steps=5), ALONE).start(resume=True, extend=True)


def test_other_numbers_of_gpus_share_the_same_batches(tmp_path: Path) -> None:
    make(tmp_path / "corpus", [[4, 5, 4, 6, 4], [4, 4, 7, 4], [5, 4, 4, 4, 5], [4, 4, 4]])
    words = vocabulary(tmp_path / "words")

    def loaders(ranks: int, state: dict[str, Any] | None = None) -> list[ShardLoader]:
        settings = LoaderSettings(str(tmp_path / "corpus"), words, batch_size=4 // ranks, height=16, width=16, tokens=8)
        found = [ShardLoader(settings, rank, ranks) for rank in range(ranks)]
        for loader in found if state else ():
            loader.load_state_dict(state)
        return found

    def epoch(found: list[ShardLoader]) -> list[tuple[str, ...]]:
        """The keys of each batch of all ranks, in rank order."""
        return [tuple(key for batch in batches for key in batch.keys) for batches in zip(*found, strict=True)]

    first = loaders(2)
    streams = [iter(loader) for loader in first]
    for stream in streams:
        next(stream)
    state = first[0].state_dict()
    rest = [tuple(k for b in batches for k in b.keys) for batches in zip(*streams, strict=True)]
    assert len(rest) == 3
    for ranks in (1, 2, 4):
        other = loaders(ranks, state)
        assert epoch(other) == rest and epoch(other) == epoch(loaders(2, first[0].state_dict())), ranks
        again = loaders(2, other[0].state_dict())  # and back
        assert again[0].order.lanes == 2 and again[0].epoch == 2
    with pytest.raises(ValueError, match="ranks was 2, is 3"):
        ShardLoader(replace(first[0].settings, batch_size=4), 0, 3).load_state_dict(state)


def test_a_training_goes_on_with_other_numbers_of_gpus(corpora: Path, tmp_path: Path) -> None:
    text = {**TEXT, "dropout": 0.0}
    config = configured(corpora, output=str(tmp_path / "run"), batch_size=4, model={"text": text}, steps=3)
    trained(config, stop_after=1)
    two = config.model_copy(update={"batch_size": 2})
    trainers = [Trainer(two, replace(ALONE, rank=rank, ranks=2)) for rank in range(2)]
    for trainer in trainers:
        trainer.start(resume=True)
    one = Trainer(config, ALONE)
    one.start(resume=True)
    whole = next(iter(one.loader))
    halves = [next(iter(trainer.loader)) for trainer in trainers]
    assert whole.keys == halves[0].keys + halves[1].keys
    assert torch.equal(whole.frames, torch.cat([half.frames for half in halves]))


def test_steps_that_are_not_finite_can_be_left_out(corpora: Path, tmp_path: Path) -> None:
    def run(name: str, allowed: int, bad: tuple[int, ...]) -> Trainer:
        trainer = Trainer(
            configured(corpora, output=str(tmp_path / name), skip_nonfinite=allowed), ALONE, lambda _: None
        )
        trainer.start()
        losses = trainer.stepper._losses

        def spoilt(batch: Any, step: int, part: int) -> dict[str, torch.Tensor]:
            found = losses(batch, step, part)
            return {n: v * float("nan") for n, v in found.items()} if step in bad else found

        trainer.stepper._losses = spoilt  # type: ignore[method-assign]
        trainer.run()
        return trainer

    trainer = run("one", 2, (1, 4))
    assert trainer.step == 6 and trainer.stepper.skipped == 2
    assert [record["step"] for record in told(trainer.folder)] == [1, 3, 4, 6]
    assert told(trainer.folder)[-1]["skipped"] == 2
    assert load_state(checkpoints(trainer.folder)[-1][1])["skipped"] == 2
    with pytest.raises(TrainingError, match=r"step 5: .* not finite"):
        run("two", 1, (1, 4))


def test_half_precision_scales_the_loss_and_leaves_overflows_out(corpora: Path, tmp_path: Path) -> None:
    def run(precision: str, scale: float, steps: int) -> Trainer:
        model = {"text": {**TEXT, "dropout": 0.0}}  # dropout draws by the dtype
        output = str(tmp_path / f"{precision}-{scale}")
        config = configured(corpora, output=output, precision=precision, steps=4, model=model)
        trainer = Trainer(config, ALONE, lambda _: None)
        trainer.start()
        trainer.stepper.scaler = torch.amp.GradScaler("cpu", init_scale=scale, enabled=precision == "fp16")
        trainer.run(lambda: trainer.step == steps)
        return trainer

    overflowing = run("fp16", 2.0**126, 1)
    fresh = Trainer(overflowing.config, ALONE)
    assert all(torch.equal(a, b) for a, b in zip(weights(overflowing).values(), weights(fresh).values(), strict=True))
    state = load_state(checkpoints(overflowing.folder)[-1][1])
    assert state["scaler"]["scale"] == 2.0**125 and overflowing.stepper.skipped == 0 and not told(overflowing.folder)
    half, full = (told(run(precision, 16.0, 4).folder) for precision in ("fp16", "fp32"))
    assert [record["loss"] for record in half] == pytest.approx([record["loss"] for record in full], rel=0.02)
    assert [record["loss_scale"] for record in half] == [16.0] * 4
