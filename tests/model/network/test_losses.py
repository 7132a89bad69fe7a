"""The global contrastive loss, masked words and video-text matching."""

import pytest
import torch
import torch.nn.functional as F
from small_models import batch, small

from longtake.model.network.compat import CORRECTED, OFFICIAL
from longtake.model.network.contrast import SigmoidContrast, info_nce
from longtake.model.network.fusion_losses import IGNORED, mask_words, pairing, word_loss

CPU = torch.device("cpu")


def test_info_nce_adds_both_directions() -> None:
    video, text = (F.normalize(torch.randn(5, 8), dim=-1) for _ in "ab")
    scores = video @ text.T / 0.05
    expected = -(scores.log_softmax(1).diag().mean() + scores.log_softmax(0).diag().mean())
    torch.testing.assert_close(info_nce(video, text, 0.05), expected)
    assert info_nce(video[:1], text[:1], 0.05) == 0


def test_sigmoid_contrast_judges_each_pair_alone() -> None:
    loss = SigmoidContrast()
    video, text = (F.normalize(torch.randn(4, 8), dim=-1) for _ in "ab")
    expected = sum(
        F.binary_cross_entropy_with_logits(10 * video[i] @ text[j] - 10, torch.tensor(float(i == j)), reduction="sum")
        for i in range(4)
        for j in range(4)
    )
    torch.testing.assert_close(loss(video, text), expected / 4)


@pytest.mark.parametrize("size", range(1, 9))
def test_a_mismatch_is_never_the_own_video(size: int) -> None:
    pairs = pairing(size, CPU, CORRECTED)
    assert torch.equal(pairs.video == torch.arange(size), pairs.label == 1)
    assert len(pairs.video) == size and int((pairs.label == 0).sum()) == size // 2


@pytest.mark.parametrize(
    ("size", "shown"),
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [1, 0, 2, 3]), (5, [1, 0, 2, 3, 4]), (6, [2, 0, 1, 3, 4, 5])],
)
def test_official_pairs_are_as_measured(size: int, shown: list[int]) -> None:
    pairs = pairing(size, CPU, OFFICIAL)
    assert pairs.video.tolist() == shown
    assert pairs.label.tolist() == [0] * (size // 2) + [1] * (size - size // 2)


def test_words_without_labels() -> None:
    scores, labels = torch.randn(0, 9, requires_grad=True), torch.zeros(0, dtype=torch.long)
    assert word_loss(scores, labels, CORRECTED).loss == 0
    assert word_loss(scores, labels, OFFICIAL).loss.isnan()


def test_only_matched_rows_teach_words() -> None:
    model = small(2).eval()
    video, ids, mask = batch(4)
    labels = torch.full_like(ids, IGNORED)
    labels[:2, 0, 1] = 7  # rows that are shown another video
    assert model(video, ids, mask, labels)["mlm"] == 0
    labels[3, 0, 1] = 7
    loss = model(video, ids, mask, labels)["mlm"]
    labels[:2] = IGNORED
    assert loss > 0 and model(video, ids, mask, labels)["mlm"] == loss


def test_masking_hides_fifteen_percent_of_the_words() -> None:
    ids = torch.randint(200, 1000, (200, 4, 50))
    ids[..., 0], ids[..., 30], ids[..., 31:] = 101, 102, 0
    keep = torch.arange(50).expand_as(ids) <= 30
    arguments = {"special": torch.tensor([101, 102]), "mask_id": 103, "vocabulary": 1000}
    hidden, labels = mask_words(ids, keep, **arguments, generator=torch.Generator().manual_seed(0))
    again, _ = mask_words(ids, keep, **arguments, generator=torch.Generator().manual_seed(0))
    assert torch.equal(hidden, again)
    chosen = labels != IGNORED
    assert torch.equal(labels[chosen], ids[chosen]) and torch.equal(hidden[~chosen], ids[~chosen])
    assert not chosen[..., 0].any() and not chosen[..., 30:].any()
    assert float(chosen[..., 1:30].float().mean()) == pytest.approx(0.15, abs=0.01)
    masked, same = (hidden[chosen] == 103).float().mean(), (hidden[chosen] == ids[chosen]).float().mean()
    assert float(masked) == pytest.approx(0.8, abs=0.03) and float(same) == pytest.approx(0.1, abs=0.03)
