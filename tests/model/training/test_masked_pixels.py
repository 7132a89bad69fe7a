"""Masked pixels: which patches are hidden, what the encoder sees of them, what is learned, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import batch, small
from small_training import ALONE, configured, told, trained, weights, write_corpora
from torch import Tensor

from longtake.model.network.lfvila import LFVila
from longtake.model.network.masked_pixels import hidden_patches
from longtake.model.training import trainer as training
from longtake.model.training.setup import load_start
from longtake.model.training.trainer import Trainer
from longtake.model.weights.official import export_official, load_official
from longtake.schemas.errors import ConfigError

PIXELS = {"pixels_weight": 1.0, "pixels_share": 0.5, "pixels_block": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masked")
    write_corpora(folder)
    return folder


def masked(folder: Path, **changes: Any) -> Any:
    return configured(folder, **{"model": {"losses": PIXELS}, "log_to": [], **changes})


def drawn(seed: int, share: float = 0.5, videos: int = 3) -> Tensor:
    return hidden_patches(videos, 64, 96, (1, 8, 8), 32, share, torch.Generator().manual_seed(seed))


def test_whole_squares_are_hidden_the_same_number_in_each_video() -> None:
    hidden = drawn(0, videos=200)
    assert hidden.shape == (200, 8, 12) and torch.equal(hidden, drawn(0, videos=200))
    squares = hidden.view(200, 2, 4, 3, 4).permute(0, 1, 3, 2, 4).flatten(3)
    assert torch.equal(squares.all(-1), squares.any(-1))
    assert set(squares.all(-1).sum((1, 2)).tolist()) == {3}
    assert len({tuple(video.flatten().tolist()) for video in hidden}) == 20  # each choice of 3 of 6 squares comes
    assert not torch.equal(hidden, drawn(1, videos=200))
    assert drawn(0, share=0.0).any() and not drawn(0, share=1.0).all(-1).all(-1).any()
    odd = hidden_patches(1, 60, 90, (1, 8, 8), 32, 0.5, torch.Generator().manual_seed(0))
    assert odd.shape == (1, 8, 12)


def test_no_hidden_pixel_reaches_the_encoder() -> None:
    model, video = small(pixels_weight=1.0).eval(), batch(3)[0]
    hidden = drawn(0)
    pixels = hidden.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None, None].expand_as(video)
    others = torch.where(pixels, torch.randn_like(video), video)
    with torch.no_grad():
        one, two = model.encode_video(video, 4, hidden), model.encode_video(others, 4, hidden)
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True) if a is not None)
        assert one.colours is not None and one.colours.shape == (3, 32, 8, 16, 3)  # odd columns are filled up
        seen = torch.where(pixels, video, torch.randn_like(video))
        assert not torch.equal(one.video, model.encode_video(seen, 4, hidden).video)
        assert not torch.equal(one.video, model.encode_video(video, 4).video)
        assert model.encode_video(video, 4).colours is None


def test_the_loss_is_of_the_means_of_hidden_patches_alone() -> None:
    model, video, hidden = small(pixels_weight=1.0), batch(3)[0], drawn(0)
    assert model.masked_pixels is not None
    colours = torch.randn(3, 32, 8, 16, 3)
    found = model.masked_pixels.loss(colours, video, hidden)
    off = [
        abs(float(video[i, c, t, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].mean() - colours[i, t, y, x, c]))
        for i, y, x in hidden.nonzero().tolist()
        for t in range(0, 32)
        for c in range(3)
    ]
    assert float(found) == pytest.approx(sum(off) / len(off), rel=1e-5)


def test_a_patch_that_the_picture_does_not_fill_has_the_colour_of_its_pixels() -> None:
    model = small(pixels_weight=1.0, video={"patch": (2, 8, 8)})
    assert model.masked_pixels is not None
    video, hidden = torch.ones(2, 3, 5, 28, 60), torch.ones(2, 4, 8, dtype=torch.bool)
    assert float(model.masked_pixels.loss(torch.ones(2, 3, 8, 8, 3), video, hidden)) == 0
    video[:, :, 4, 24:, 56:] = 3  # the last patch has 1 x 4 x 4 pixels
    off = model.masked_pixels.loss(torch.ones(2, 3, 8, 8, 3), video, hidden)
    assert float(off) == pytest.approx(2 / (3 * 4 * 8))


@pytest.mark.parametrize("weight", [0.5, 3.0])
def test_the_loss_counts_by_its_weight(weight: float) -> None:
    model = small(pixels_weight=weight, mtc_weight=0.0)
    found = {name: value.item() for name, value in model(*batch(3), hidden=drawn(0)).items()}
    assert found["pixels"] > 0
    assert found["loss"] == pytest.approx(found["contrast"] + weight * found["pixels"])


def test_predictions_lie_where_their_token_is() -> None:
    model = small(pixels_weight=1.0)
    assert model.masked_pixels is not None
    features = torch.randn(1, 2, 2, 3, model.size.video.out_width)
    colours = model.masked_pixels(features)
    assert colours.shape == (1, 2, 16, 24, 3)
    changed = features.clone()
    changed[0, 1, 1, 2] += 1
    moved = (model.masked_pixels(changed) != colours).any(-1)[0]
    expected = torch.zeros_like(moved)
    expected[1, 8:, 16:] = True
    assert torch.equal(moved, expected)


def test_other_parts_start_as_without_it_and_weights_load_with_and_without_it() -> None:
    def made(**losses: float) -> LFVila:
        size = small(**losses).size
        torch.manual_seed(0)
        return LFVila(size)

    plain, with_it = made(), made(pixels_weight=1.0)
    assert all(torch.equal(value, with_it.state_dict()[name]) for name, value in plain.state_dict().items())
    assert export_official(with_it).keys() == export_official(plain).keys()
    report = load_official(plain, with_it.state_dict())
    assert report.unused and all(name.startswith("masked_pixels.") for name in report.unused) and not report.missing
    assert load_official(with_it, export_official(plain)).missing == report.unused
    assert LFVila(with_it.size, stage=2).masked_pixels is None


@pytest.mark.parametrize(("share", "squares"), [(0.125, 1), (0.5, 4), (0.8, 6)])
def test_a_step_hides_the_share_and_squares_of_the_settings(folder: Path, share: float, squares: int) -> None:
    for block, size in ((16, {"height": 32, "width": 64}), (32, {"height": 64, "width": 128})):  # 2 x 4 squares
        losses = {"pixels_weight": 1.0, "pixels_share": share, "pixels_block": block}
        trainer = Trainer(masked(folder, model={"losses": losses}, data=size), ALONE)
        hidden = trainer.stepper._hidden(next(iter(trainer.loader)), torch.Generator().manual_seed(0))
        assert hidden.sum((1, 2)).tolist() == [squares * (block // 8) ** 2] * 3


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2, "data": {"one_frame": 0.5}}])
def test_a_stopped_and_resumed_training_is_the_same_bit_for_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(training, "draw_losses", lambda run: run)
    whole, parts = (masked(folder, output=str(tmp_path / name), steps=5, **changes) for name in ("whole", "parts"))
    one = trained(whole)
    trained(parts, stop_after=2)
    other = trained(parts, resume=True)
    assert told(whole.output) == told(parts.output)
    assert all(record["pixels"] > 0 for record in told(whole.output))
    assert all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values(), strict=True))


def test_masks_differ_with_step_part_rank_and_seed(folder: Path, tmp_path: Path) -> None:
    def masks(rank: int = 0, **changes: Any) -> list[Tensor]:
        config = masked(folder, output=str(tmp_path / "none"), **changes)
        stepper, seen = Trainer(config, ALONE, lambda _: None).stepper, []
        stepper.process = type(ALONE)(rank, 1, ALONE.device)

        def forward(video: Tensor, *_: Any, hidden: Tensor) -> dict[str, Tensor]:
            seen.append(hidden)
            return {"loss": video.sum() * 0}

        stepper._forward = forward  # type: ignore[assignment]
        loader = iter(Trainer(config, ALONE, lambda _: None).loader)
        sample = next(loader)
        for step in range(2):
            for part in range(2):
                stepper._losses(sample, step, part)
        return seen

    first = masks()
    assert all(torch.equal(a, b) for a, b in zip(first, masks(), strict=True))
    others = [*first, masks(rank=1)[0], masks(seed=1)[0]]
    assert len({tuple(one.flatten().tolist()) for one in others}) == len(others)


def test_colours_are_learned(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "draw_losses", lambda run: run)
    config = masked(folder, output=str(tmp_path / "run"), steps=60, optimizer={"lr": 3e-3}, data={"flip": 0.0})
    found = trained(config)
    losses = [record["pixels"] for record in told(config.output)]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    fresh = configured(folder, output=str(tmp_path / "next"), init={"weights": config.output})
    start = Trainer(fresh, ALONE, lambda _: None).model
    load_start(fresh, start)  # a training without it goes on from one with it
    assert torch.equal(start.video_encoder.norm.weight, found.model.video_encoder.norm.weight)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 4, "contrast_chunks": 2}, r"pixels_weight: contrast_chunks has no place"),
        ({"model": {"losses": PIXELS, "stage": 2}, "init": {"weights": "x"}}, r"pixels_weight is for stage 1"),
        ({"task": {"kind": "retrieval"}}, r"pixels_weight is for pre-training"),
        ({"model": {"losses": {**PIXELS, "pixels_share": 0.0}}}, r"pixels_share: Input should be greater than 0"),
        ({"model": {"losses": {**PIXELS, "pixels_share": 1.0}}}, r"pixels_share: Input should be less than 1"),
        ({"model": {"losses": {**PIXELS, "pixels_block": 20}}}, r"pixels_block is 20, which is no multiple"),
        ({"model": {"losses": {**PIXELS, "pixels_block": 64}}}, r"pixels_block is 64, all of a picture of 32x64"),
        (
            {"model": {"losses": PIXELS, "compat": "official"}, "data": {"height": 28, "width": 60}},
            r"pixels_weight: model\.compat has misplaced_patch_padding",
        ),
    ],
)
def test_where_it_would_train_nothing_it_is_refused(folder: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^model\.losses\.{said}"):
        Trainer(masked(folder, **changes), ALONE)


def test_it_is_refused_if_all_of_the_video_encoder_is_frozen(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^freeze: model\.losses\.pixels_weight is for training the video encoder"):
        Trainer(masked(folder, freeze=["video_encoder"]), ALONE)
    Trainer(masked(folder, freeze=["video_encoder.layers"]), ALONE)


def test_pictures_of_whole_patches_are_masked_in_an_official_model_too(folder: Path, tmp_path: Path) -> None:
    official, size = {"losses": PIXELS, "compat": "official"}, {"height": 96, "width": 160}
    run = trained(masked(folder, output=str(tmp_path / "run"), model=official, data=size, steps=1))
    assert told(run.folder)[0]["pixels"] > 0
