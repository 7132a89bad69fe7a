"""Ideas for training, each a setting: what they do to a batch, that they are drawn from the step alone, and resume exactly."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from data_corpora import make
from small_models import batch as small_batch, small
from small_training import ALONE, configured as fully_configured, told, trained, weights, write_corpora

from longtake.library.shards import LoaderError
from longtake.model.data.samples import Batch
from longtake.model.network.contrast import SoftmaxContrast, info_nce
from longtake.model.network.fusion_losses import Pairing, hard_pairing
from longtake.model.training import trainer as training
from longtake.model.training.trainer import Trainer
from longtake.model.training.variation import (
    concatenated,
    frames_at,
    varied,
    with_frames,
    with_one_frame,
    without_sentences,
)
from longtake.schemas.errors import ConfigError
from longtake.schemas.train_config import Data, Phase, TrainConfig

SIZE, PLACES, FRAMES = 6, 4, 3


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variation")
    write_corpora(folder)
    make(folder / "images", [[1, 2, 1], [1, 1, 3]])
    return folder


def configured(folder: Path, **changes: Any) -> TrainConfig:
    """A training that writes no boards, which take longer than its steps."""
    return fully_configured(folder, log_to=[], **changes)


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "draw_losses", lambda run: run)


def numbered() -> Batch:
    """A batch whose pixels and words tell sample, clip and frame."""
    sample, place, frame = torch.meshgrid(*map(torch.arange, (SIZE, PLACES, FRAMES)), indexing="ij")
    frames = (sample * 40 + place * 10 + frame).to(torch.uint8).reshape(SIZE, PLACES * FRAMES, 1, 1, 1)
    ids = (sample * 40 + place * 10)[..., :1].repeat(1, 1, 5)
    return Batch(frames.expand(-1, -1, 2, 2, 3).contiguous(), ids, torch.ones_like(ids), ("",) * SIZE, (0,) * SIZE)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def owners(batch: Batch) -> torch.Tensor:
    """The clip (sample * 40 + place * 10) that each place has, by its words."""
    return batch.ids[:, :, 0]


def test_exchanged_clips_keep_their_sentences_and_places_and_come_once() -> None:
    found = concatenated(numbered(), 1.0, draws())
    shown = found.frames[:, :, 0, 0, 0].view(SIZE, PLACES, FRAMES).long()
    assert torch.equal(shown - torch.arange(FRAMES), owners(found).unsqueeze(-1).expand(-1, -1, FRAMES))
    assert torch.equal(owners(found) % 40 // 10, torch.arange(PLACES).expand(SIZE, -1))
    assert sorted(owners(found).flatten().tolist()) == sorted(owners(numbered()).flatten().tolist())
    assert not torch.equal(owners(found), owners(numbered()))
    assert torch.equal(owners(found)[:, 0], owners(numbered())[:, 0])
    assert torch.equal(owners(concatenated(numbered(), 0.0, draws())), owners(numbered()))
    half = [concatenated(numbered(), 0.5, draws(seed)) for seed in range(40)]
    moved = [int((owners(one) != owners(numbered())).any(1).sum()) for one in half]
    assert 0 < sum(moved) / len(moved) < SIZE * 0.5


def test_sentences_are_left_out_but_never_all() -> None:
    whole = numbered()
    whole.mask[0, 1:] = 0  # a sample with one sentence
    kept = torch.stack([without_sentences(whole, 0.6, draws(seed)).mask.any(-1) for seed in range(200)])
    assert kept.any(-1).all() and kept[:, 0, 0].all() and not kept[:, 0, 1:].any()
    share = kept[:, 1:].float().mean()
    assert 0.40 < share < 0.46  # 0.4, and one of four where all would go
    one = without_sentences(whole, 0.6, draws())
    assert torch.equal(one.ids, whole.ids) and torch.equal(one.frames, whole.frames)


def test_frames_are_chosen_from_each_clip() -> None:
    def numbers(batch: Batch) -> list[int]:
        return (batch.frames[1, :, 0, 0, 0] % 10).tolist()

    assert (
        numbers(with_frames(numbered(), 2)) == [0, 1] * PLACES and numbers(with_frames(numbered(), 1)) == [0] * PLACES
    )
    single = {tuple(numbers(with_one_frame(numbered(), draws(seed)))) for seed in range(30)}
    assert single == {(n,) * PLACES for n in range(FRAMES)}
    phases = (Phase(until=0.3, frames_per_sentence=2), Phase(until=1.0, frames_per_sentence=8))
    assert [frames_at(p, phases) for p in (0.0, 0.29, 0.3, 0.99)] == [2, 2, 8, 8] and frames_at(0.5, ()) is None
    assert numbers(with_frames(numbered(), 8)) == numbers(numbered())  # an image stays one frame


def test_without_settings_a_batch_is_itself() -> None:
    batch = numbered()
    assert varied(batch, Data(), 0.5, 1) is batch
    changed = [varied(batch, Data(one_frame=0.5), 0.0, seed).frames.shape[1] for seed in range(60)]
    assert Counter(changed).keys() == {PLACES, PLACES * FRAMES}


VARIED: dict[str, Any] = {"concatenate": 0.5, "drop_sentences": 0.3, "one_frame": 0.3}
CURRICULUM = [{"until": 0.5, "frames_per_sentence": 1}, {"until": 1.0, "frames_per_sentence": 2}]


@pytest.mark.parametrize("losses", [{"learn_temperature": True}, {"contrast": "sigmoid", "learn_temperature": True}])
def test_varied_trainings_resume_bit_for_bit(corpora: Path, tmp_path: Path, losses: dict[str, Any]) -> None:
    mix = [{"corpus": str(corpora / "images"), "weight": 0.7, "sentences": 1, "frames_per_sentence": 1}]
    data = {**VARIED, "curriculum": CURRICULUM, "mix": mix}
    changes: dict[str, Any] = {"data": data, "model": {"losses": losses}, "optimizer": {"lr": 1e-2}}
    whole = trained(configured(corpora, output=str(tmp_path / "whole"), **changes))
    parts = configured(corpora, output=str(tmp_path / "parts"), **changes)
    trained(parts, stop_after=2)
    resumed = trained(parts, resume=True)
    assert told(whole.folder) == told(parts.output)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))
    temperature = weights(whole)["contrast.log_scale"]
    assert temperature != weights(Trainer(parts, ALONE))["contrast.log_scale"]
    with pytest.raises(ConfigError, match=r"data\.concatenate was 0\.5, is None"):
        trained(
            configured(corpora, output=parts.output, **{**changes, "data": {**data, "concatenate": 0}}), resume=True
        )
    plain = trained(configured(corpora, output=str(tmp_path / "plain"), model={"losses": losses}, steps=1))
    assert told(plain.folder)[0]["loss"] != told(whole.folder)[0]["loss"]


def test_a_mixture_takes_each_batch_from_one_corpus_by_weight(corpora: Path, tmp_path: Path) -> None:
    mix = [{"corpus": str(corpora / "images"), "weight": 3.0, "sentences": 1}]
    trainer = Trainer(configured(corpora, output=str(tmp_path / "run"), data={"mix": mix}), ALONE)
    loader = trainer.loader
    assert len(loader) == 16  # an epoch of the main corpus, four batches, at a quarter of all
    stream = iter(loader)
    seen = [next(stream) for _ in range(60)]
    sentences = [batch.ids.shape[1] for batch in seen]
    assert set(sentences) == {1, 4} and 35 <= sentences.count(1) <= 55
    assert loader.counts["samples"] == 180
    state = loader.state_dict()
    expected = [next(stream).keys for _ in range(6)]
    other = Trainer(configured(corpora, output=str(tmp_path / "run"), data={"mix": mix}), ALONE).loader
    other.load_state_dict(state)
    rest = iter(other)
    assert [next(rest).keys for _ in range(6)] == expected
    mix[0]["weight"] = 2.0
    lighter = Trainer(configured(corpora, output=str(tmp_path / "run"), data={"mix": mix}), ALONE).loader
    with pytest.raises(ValueError, match="shares of the corpora were"):
        lighter.load_state_dict(state)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"mix": [{"corpus": "/no/such"}]}}, "/no/such: no such folder"),
        (
            {"data": {"mix": [{"corpus": "images", "sentences": 5}]}},
            r"data\.mix\.0\.sentences is 5; data\.sentences, 4",
        ),
        ({"data": {"mix": [{"corpus": "images", "sentences": 1}]}, "model": {"compat": "official"}}, "reshaped_clips"),
        (
            {"data": {"curriculum": [{"until": 1.0, "frames_per_sentence": 3}]}},
            "3 frames of a sentence, but the corpus has 2",
        ),
    ],
)
def test_what_does_not_fit_is_refused(corpora: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises((ConfigError, LoaderError), match=said):
        Trainer(configured(corpora, **changes).model_copy(update={"base": str(corpora)}), ALONE).start()


def test_a_learned_temperature_starts_as_the_plain_loss() -> None:
    video, text = (torch.nn.functional.normalize(torch.randn(5, 8), dim=-1) for _ in range(2))
    learned = SoftmaxContrast(0.05)
    torch.testing.assert_close(learned(video, text), info_nce(video, text, 0.05))
    learned(video, text).backward()
    assert learned.log_scale.grad is not None and learned.log_scale.grad.abs() > 0
    with torch.no_grad():
        learned.log_scale.fill_(50.0)
    torch.testing.assert_close(learned(video, text), info_nce(video, text, 0.01))
    learned.keep_in_bounds()
    assert torch.autograd.grad(learned(video, text), learned.log_scale)[0].abs() > 0
    assert small(learn_temperature=True).contrast is not None and small().contrast is None


def test_weights_with_a_learned_temperature_start_trainings_without(corpora: Path, tmp_path: Path) -> None:
    losses = {"learn_temperature": True}
    first = trained(configured(corpora, output=str(tmp_path / "first"), model={"losses": losses}, steps=1))
    for model in ({"stage": 2}, {}, {"losses": losses}):
        config = configured(corpora, output=str(tmp_path / "next"), model=model, init={"weights": first.folder})
        trainer = Trainer(config, ALONE)
        trainer.start()
        assert torch.equal(trainer.model.text_global_proj.weight, first.model.text_global_proj.weight)


def test_hard_negatives_look_alike_and_are_never_the_own_video() -> None:
    pairs = Pairing(torch.tensor([1, 2, 2, 3]), torch.tensor([0, 0, 1, 1]))
    text = torch.eye(4)
    video = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0.9, 0, 0.1, 0], [0, 0.9, 0, 0.1]])
    chosen = [hard_pairing(pairs, video, text, 0.05, draws(seed)) for seed in range(50)]
    assert {tuple(found.video.tolist()) for found in chosen} == {(2, 3, 2, 3)}
    assert all(torch.equal(found.label, pairs.label) for found in chosen)
    flat = {int(hard_pairing(pairs, video, text, 1e6, draws(seed)).video[0]) for seed in range(60)}
    assert flat == {1, 2, 3}


def test_hard_negatives_train_and_plain_ones_are_evaluated() -> None:
    model = small(2, matching_negatives="hard")
    video, ids, mask = small_batch(6)
    labels = torch.full_like(ids, -100)
    labels[:, :, 1] = ids[:, :, 1]
    losses = [model(video, ids, mask, labels, draws(seed))["matching"].item() for seed in (0, 0, 1, 2, 3)]
    assert losses[0] == losses[1] and len(set(losses)) > 1
    model.eval()
    assert len({model(video, ids, mask, labels, draws(seed))["matching"].item() for seed in range(3)}) == 1
