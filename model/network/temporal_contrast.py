"""Multimodal temporal contrastive learning (MTC): is this sentence said over this clip, or over an earlier or later one?

Each sample has K key positions. Their candidates are V clips of the same sample and one clip of each of R other samples. The
candidate nearest in time is right (LF-VILA, arXiv 2210.06031; formula in facts 4). All samples are computed at once.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from longtake.model.network.compat import Compat

IGNORED = -100


@dataclass(frozen=True)
class Draw:
    """The positions that one step uses, drawn independently for each sample."""

    keys: Tensor  # (B, K)
    values: Tensor  # (B, V), distinct
    others: Tensor  # (B,): the position that is a negative for other samples

    def to(self, device: torch.device) -> "Draw":
        """Return the draw on another device."""
        return Draw(self.keys.to(device), self.values.to(device), self.others.to(device))


def draw(present: Tensor, keys: int, values: int, generator: torch.Generator | None = None) -> Draw:
    """Draw key, value and other positions from the present ones (B, M).

    It draws at most M keys and M values. If a sample has too few present positions, absent ones fill the rest; the loss
    ignores them. The generator is on the CPU; ranks with the same seed draw the same positions.
    """
    batch, positions = present.shape
    noise = torch.rand(3, batch, positions, generator=generator).to(present.device)
    order = (noise + 2.0 * ~present).argsort(dim=-1)  # a uniform permutation of the present ones, then the rest
    return Draw(order[0, :, :keys], order[1, :, :values], order[2, :, 0])


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """Select x (B, M, ...) at positions (B, K): (B, K, ...)."""
    # By row number: the backward pass then adds whole rows. With x[i, index] it sorts them first.
    first = torch.arange(0, x.shape[0] * x.shape[1], x.shape[1], device=x.device)
    rows = x.flatten(0, 1).index_select(0, (index + first.unsqueeze(1)).flatten())
    return rows.view(*index.shape, *x.shape[2:])


def labels_of(drawn: Draw, compat: Compat, present: Tensor) -> Tensor:
    """Return which of the V values is nearest to each key, (B, K); IGNORED if there is no single nearest value."""
    distance = (drawn.keys.unsqueeze(2) - drawn.values.unsqueeze(1)).abs()
    absent = ~_rows(present, drawn.values).unsqueeze(1)
    distance = distance.masked_fill(absent, present.shape[1])  # farther than any
    if compat.ties_by_first_and_last:
        tied = distance[..., 0] == distance[..., -1]
    else:
        tied = (distance == distance.amin(-1, keepdim=True)).sum(-1) > 1
    unknown = tied | ~_rows(present, drawn.keys) | absent.all(-1)
    return distance.argmin(-1).masked_fill(unknown, IGNORED)


def similarities(
    keys: Tensor, values: Tensor, drawn: Draw, others: int, temperature: float, compat: Compat, present: Tensor
) -> Tensor:
    """Return scores (B, K, V + R') of the keys of one modality against candidates of the other, both (B, M, C).

    The R' = min(R, B - 1) other samples come before each sample in the batch, wrapping around; none is the sample itself.
    The released code starts with the sample itself, and wraps around as often as R asks (BEHAVIOUR 4d).
    """
    batch = len(keys)
    first, end = (0, others) if compat.own_clip_negatives else (1, min(others, batch - 1) + 1)

    def candidates(x: Tensor) -> Tensor:
        other = _rows(x, drawn.others.unsqueeze(1))  # (B, 1, ...); sample i sees rows i - 1, i - 2, ...
        return torch.cat([_rows(x, drawn.values), *(other.roll(step, 0) for step in range(first, end))], dim=1)

    usable = candidates(present)
    scores = _rows(keys, drawn.keys) @ candidates(values).transpose(1, 2) / temperature
    # Finite, so that a row without any usable candidate has a gradient of 0 and not NaN.
    return scores.masked_fill(~usable.unsqueeze(1), torch.finfo(scores.dtype).min)


def mtc_loss(
    clips: Tensor,
    sentences: Tensor,
    drawn: Draw,
    others: int,
    temperature: float,
    compat: Compat,
    present: Tensor | None = None,
) -> Tensor:
    """Return L(sentence keys, clip candidates) + L(clip keys, sentence candidates).

    L is the mean of -log softmax_c(key . candidate_c / tau)[label] over the keys with a label; 0 if no key has one. `clips`
    and `sentences` are (B, M, C) of unit length. `present` (B, M) says which sentences have words.
    """
    if present is None or compat.padded_sentence_features:
        present = torch.ones(clips.shape[:2], dtype=torch.bool, device=clips.device)
    labels = labels_of(drawn, compat, present).flatten()
    count = (labels != IGNORED).sum()
    total = clips.new_zeros(())
    for keys, values in ((sentences, clips), (clips, sentences)):
        scores = similarities(keys, values, drawn, others, temperature, compat, present).flatten(0, 1)
        total = total + F.cross_entropy(scores, labels, ignore_index=IGNORED, reduction="sum")
    return total / (count if compat.nan_without_labels else count.clamp(min=1))
