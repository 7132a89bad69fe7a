"""MTC: against a loop over samples, and the properties of what is drawn."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from longtake.model.network.compat import CORRECTED, OFFICIAL
from longtake.model.network.temporal_contrast import IGNORED, Draw, draw, labels_of, mtc_loss, similarities


def all_present(batch: int, positions: int) -> Tensor:
    return torch.ones(batch, positions, dtype=torch.bool)


def looped(clips: Tensor, sentences: Tensor, drawn: Draw, others: int, temperature: float, present: Tensor) -> Tensor:
    """The corrected loss, one key at a time."""
    batch, rows = len(clips), []
    for keys, values in ((sentences, clips), (clips, sentences)):
        for i in range(batch):
            for key in drawn.keys[i].tolist():
                own = [v for v in drawn.values[i].tolist() if present[i, v]]
                nearest = [v for v in own if abs(v - key) == min(abs(u - key) for u in own)]
                if not present[i, key] or len(nearest) != 1:
                    continue
                partners = [(i - step) % batch for step in range(1, others + 1) if step < batch]
                others_of = [(j, int(drawn.others[j])) for j in partners if present[j, int(drawn.others[j])]]
                candidates = torch.stack([values[i, v] for v in own] + [values[j, o] for j, o in others_of])
                scores = candidates @ keys[i, key] / temperature
                rows.append(F.cross_entropy(scores, torch.tensor(own.index(nearest[0]))))
    return torch.stack(rows).sum() / (len(rows) / 2) if rows else clips.new_zeros(())


@pytest.mark.parametrize("batch", [1, 2, 3, 6])
@pytest.mark.parametrize(("positions", "keys", "values"), [(4, 2, 2), (6, 3, 3), (8, 8, 4), (3, 5, 5)])
@pytest.mark.parametrize("absent", [False, True])
def test_the_batched_loss_is_the_looped_one(batch: int, positions: int, keys: int, values: int, absent: bool) -> None:
    present = torch.rand(batch, positions) > 0.4 if absent else all_present(batch, positions)
    clips, sentences = (
        F.normalize(torch.randn(batch, positions, 5, dtype=torch.float64), dim=-1).requires_grad_() for _ in "ab"
    )
    drawn = draw(present, keys, values, torch.Generator().manual_seed(batch))
    ours = mtc_loss(clips, sentences, drawn, 3, 0.05, CORRECTED, present)
    theirs = looped(clips, sentences, drawn, 3, 0.05, present)
    torch.testing.assert_close(ours, theirs)
    a = torch.autograd.grad(ours, [clips, sentences])
    b = torch.autograd.grad(theirs, [clips, sentences]) if theirs.requires_grad else [torch.zeros_like(clips)] * 2
    torch.testing.assert_close(list(a), list(b))
    assert all(not gradient[~present].any() for gradient in a)


def sources(batch: int, others: int, compat: object) -> Tensor:
    """Which sample each candidate of each row comes from, read off features that name their sample."""
    names = torch.eye(batch).unsqueeze(1).expand(batch, 4, batch)
    drawn = draw(all_present(batch, 4), 2, 2, torch.Generator().manual_seed(0))
    probe = torch.arange(batch).float().expand(batch, 4, batch)  # the score of a candidate is the number of its sample
    return similarities(probe, names, drawn, others, 1.0, compat, all_present(batch, 4)).long()  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 9])
def test_no_other_negative_is_the_sample_s_own(batch: int) -> None:
    found = sources(batch, 3, CORRECTED)
    assert found.shape[-1] == 2 + min(3, batch - 1)
    for i in range(batch):
        for row in found[i].tolist():
            assert row[:2] == [i, i]
            assert i not in row[2:] and len(set(row[2:])) == len(row[2:])
    assert (sources(batch, 3, OFFICIAL)[:, :, 2] == torch.arange(batch).unsqueeze(1)).all()


def test_a_label_is_the_only_nearest_value() -> None:
    present = all_present(500, 8)
    drawn = draw(present, 4, 3, torch.Generator().manual_seed(0))
    labels = labels_of(drawn, CORRECTED, present)
    distance = (drawn.keys.unsqueeze(2) - drawn.values.unsqueeze(1)).abs()
    nearest = distance == distance.amin(-1, keepdim=True)
    assert torch.equal(labels == IGNORED, nearest.sum(-1) > 1)
    assert 0 < (labels == IGNORED).float().mean() < 0.3
    kept = labels != IGNORED
    assert nearest[kept].gather(1, labels[kept].unsqueeze(1)).all()
    assert not torch.equal(labels, labels_of(drawn, OFFICIAL, present))


def test_a_draw_is_repeatable_uniform_and_distinct() -> None:
    present = all_present(3000, 4)
    drawn = draw(present, 2, 2, torch.Generator().manual_seed(5))
    again = draw(present, 2, 2, torch.Generator().manual_seed(5))
    assert all(torch.equal(getattr(drawn, name), getattr(again, name)) for name in ("keys", "values", "others"))
    assert (drawn.keys[:, 0] != drawn.keys[:, 1]).all() and (drawn.values[:, 0] != drawn.values[:, 1]).all()
    for positions in (drawn.keys[:, 0], drawn.values[:, 1], drawn.others):
        assert (positions.bincount(minlength=4) / 3000 - 0.25).abs().max() < 0.04


def test_absent_sentences_are_drawn_last() -> None:
    present = torch.tensor([[True, False, True, True, False]]).expand(200, 5)
    drawn = draw(present, 3, 3, torch.Generator().manual_seed(0))
    assert set(drawn.keys.unique().tolist()) == {0, 2, 3} == set(drawn.others.unique().tolist())


def test_nothing_to_learn_is_zero_and_not_nan() -> None:
    present = all_present(1, 4)
    drawn = Draw(torch.tensor([[1]]), torch.tensor([[0, 2]]), torch.tensor([0]))
    features = torch.randn(1, 4, 3, requires_grad=True)
    loss = mtc_loss(features, features, drawn, 3, 0.05, CORRECTED, present)
    loss.backward()
    assert loss == 0 and features.grad is not None and not features.grad.any()
    assert mtc_loss(features, features, drawn, 3, 0.05, OFFICIAL, present).isnan()
    nobody = torch.zeros(2, 4, dtype=torch.bool)
    features = torch.randn(2, 4, 3, requires_grad=True)
    mtc_loss(features, features, draw(nobody, 2, 2), 3, 0.05, CORRECTED, nobody).backward()
    assert features.grad is not None and not features.grad.any()


def test_ordered_features_are_easy_without_false_negatives() -> None:
    """Features that lie in order in time, samples orthogonal: the released negatives cost most of the loss (facts 5, row 3)."""
    angle = torch.arange(4) * 0.4
    features = torch.zeros(64, 4, 128)
    for i in range(64):
        features[i, :, 2 * i], features[i, :, 2 * i + 1] = angle.cos(), angle.sin()
    drawn = draw(all_present(64, 4), 2, 2, torch.Generator().manual_seed(0))
    corrected, official = (mtc_loss(features, features, drawn, 3, 0.05, c) for c in (CORRECTED, OFFICIAL))
    assert corrected < 0.3 * official
