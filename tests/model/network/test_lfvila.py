"""Properties that the corrected model must have."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from small_models import batch, small

from longtake.model.network.compat import CORRECTED, OFFICIAL, compat_of
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import SIZES


def changed_clips(model: LFVila, frames: int, clips: int, clip: int) -> list[bool]:
    """Which clips' local features change when the frames of one clip do."""
    video, _, _ = batch(1, clips, frames)
    other = video.clone()
    first, end = clip * frames // clips, (clip + 1) * frames // clips
    other[:, :, first:end] += torch.randn_like(other[:, :, first:end])
    with torch.no_grad():
        a, b = (model.eval().encode_video(v, clips) for v in (video, other))
    assert not torch.equal(a.video, b.video)
    return [not torch.equal(x, y) for x, y in zip(a.clips[0], b.clips[0], strict=True)]


@pytest.mark.parametrize(("frames", "clips"), [(32, 4), (16, 4), (24, 4), (48, 4), (30, 4), (5, 3), (8, 1)])
@pytest.mark.parametrize("temporal_shift", [False, True])
def test_a_clip_changes_only_its_own_local_feature(frames: int, clips: int, temporal_shift: bool) -> None:
    model = small(video={"temporal_shift": temporal_shift})
    for clip in {0, clips - 1}:
        assert changed_clips(model, frames, clips, clip) == [k == clip for k in range(clips)]


def test_the_released_code_mixes_clips() -> None:
    mixing = replace(OFFICIAL, reshaped_clips=False)  # pools maps as small as these
    assert changed_clips(small(compat=mixing), 32, 4, 0) == [True] * 4
    # Each of the two reasons is enough where a clip has fewer frames than a window.
    assert changed_clips(small(compat=replace(CORRECTED, windows_cross_clips=True)), 16, 4, 0) == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(("height", "width"), [(64, 96), (8, 8), (70, 100), (33, 129)])
@pytest.mark.parametrize("frames", [1, 7, 33])
def test_any_size_and_number_of_frames(height: int, width: int, frames: int) -> None:
    model = small()
    video = torch.randn(2, 3, frames, height, width)
    features = model.encode_video(video, 1)
    assert features.video.shape == (2, 32) and features.tokens.shape[1] == frames
    alone = model.encode_video(video[1:], 1)
    torch.testing.assert_close(alone.video[0], features.video[1], atol=1e-5, rtol=1e-5)
    features.video.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_masked_sentences_have_no_influence() -> None:
    model = small().eval()
    video, ids, mask = batch(3)
    mask[0, 2], mask[1, 0], mask[2, 3] = 0, 0, 0
    other = torch.where(mask == 0, torch.randint_like(ids, 5, 50), ids)
    torch.manual_seed(1)
    results = []
    for words in (ids, other):
        text = model.encode_text(words, mask)
        losses = model(video, words, mask, generator=torch.Generator().manual_seed(3))
        results.append([text.paragraph, text.sentences, text.present, losses["contrast"], losses["mtc"]])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)
    assert not results[0][1][0, 2].any() and not results[0][2][0, 2]


def test_a_masked_sentence_gets_no_gradient_and_makes_no_nan() -> None:
    model = small()
    video, ids, mask = batch(3)
    mask[0, 2], mask[1] = 0, 0  # the second sample has no sentence at all
    ids[0, 2] = 7  # a word that is nowhere else
    ids[ids == 7] = torch.where(mask == 1, 8, 7)[ids == 7]
    losses = model(video, ids, mask, generator=torch.Generator().manual_seed(3))
    losses["loss"].backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in gradients)
    words = model.text_encoder.bert.embeddings.word_embeddings.weight.grad
    assert words is not None and not words[7].any() and words[8].any()


def test_padding_has_no_influence() -> None:
    model = small().eval()
    _, ids, mask = batch(2)
    plain = model.encode_text(ids, mask)
    longer = [torch.nn.functional.pad(x, (0, 3)) for x in (ids, mask)]  # more room in each sentence
    more = [torch.nn.functional.pad(x, (0, 0, 0, 2)) for x in (ids, mask)]  # two more sentences
    for padded in (longer, more):
        text = model.encode_text(*padded)
        torch.testing.assert_close(text.paragraph, plain.paragraph, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(text.sentences[:, :4], plain.sentences, atol=1e-5, rtol=1e-5)
    official = small(compat="official").eval()
    a, b = official.encode_text(ids, mask), official.encode_text(*longer)
    assert (a.paragraph - b.paragraph).abs().max() > 1e-3


def test_a_paragraph_may_have_more_room_than_there_are_positions() -> None:
    model = small().eval()
    ids, mask = torch.randint(5, 50, (1, 8, 20)), torch.zeros(1, 8, 20)
    mask[:, :, :4] = 1
    assert model.encode_text(ids, mask).paragraph.isfinite().all()
    with pytest.raises(ValueError, match="segments"):
        model.encode_text(ids.repeat(1, 2, 1), mask.repeat(1, 2, 1))


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_both_stages_train_exactly_what_asks_for_a_gradient(stage: int, size: int) -> None:
    model = small(stage).train()
    video, ids, mask = batch(size)
    labels = torch.full_like(ids, -100)
    labels[..., 1] = ids[..., 1]
    losses = model(video, ids, mask, labels, torch.Generator().manual_seed(0))
    losses["loss"].backward()
    assert losses["loss"].isfinite()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


@pytest.mark.parametrize("settings", [{"mtc_weight": 0.0}, {"contrast": "sigmoid"}])
def test_loss_options_leave_no_parameter_without_gradient(settings: dict[str, Any]) -> None:
    model = small(**settings)
    losses = model(*batch(2), generator=torch.Generator().manual_seed(0))
    losses["loss"].backward()
    assert all((p.grad is not None) == p.requires_grad for p in model.parameters())


def test_without_a_tap_the_last_map_serves_clips() -> None:
    model = small(video={"local_window": 32})
    features = model.encode_video(batch(1)[0])
    assert features.clips.shape == (1, 4, 32)
    with pytest.raises(ValueError, match="local_window"):
        small(video={"local_window": 16})


def test_stage_two_keeps_frozen_parts_in_evaluation_mode() -> None:
    model = small(2).train()
    assert model.text_encoder.bert.encoder.layer[2].training
    assert not model.text_encoder.bert.encoder.layer[1].training and not model.sent_embedding.training
    official = small(2, "official").train()
    assert official.text_encoder.bert.encoder.layer[1].training and not official.video_encoder.training


def test_fusion_positions_fit_other_sizes() -> None:
    model = small(2)
    video, ids, mask = batch(2, clips=3, frames=12)
    labels = torch.where(mask == 1, ids, -100)
    losses = model(torch.nn.functional.pad(video, (0, 64, 0, 64)), ids, mask, labels)
    assert losses["loss"].isfinite()


@pytest.mark.parametrize("stage", [1, 2])
def test_checkpointing_changes_nothing(stage: int) -> None:
    model = small(stage).train()
    video, ids, mask = batch(2)
    labels = torch.where(mask == 1, ids, -100)
    gradients = []
    for enabled in (False, True):
        model.zero_grad()
        model.set_checkpointing(enabled)
        model(video, ids, mask, labels, torch.Generator().manual_seed(0))["loss"].backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_autocast_trains_close_to_full_precision() -> None:
    model = small()
    inputs = batch(2)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(*inputs, generator=torch.Generator().manual_seed(0))
    exact = model(*inputs, generator=torch.Generator().manual_seed(0))
    assert rough["loss"].dtype == torch.float32
    torch.testing.assert_close(rough["loss"], exact["loss"], atol=0.5, rtol=0.1)
    rough["loss"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_presets_are_all_off_and_all_on() -> None:
    assert not any(vars(CORRECTED).values()) and all(vars(OFFICIAL).values())
    assert compat_of("official") is OFFICIAL and compat_of("corrected") is CORRECTED
    with pytest.raises(ValueError, match="compat"):
        compat_of("oficial")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SIZES)
def test_sizes_can_be_built(name: str) -> None:
    with torch.device("meta"):
        model = LFVila(SIZES[name], 2)
    assert model.video_token_pos is not None
