"""The losses of stage 2: masked words, and whether a paragraph and a video match."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from longtake.model.network.compat import Compat
from longtake.model.network.gather import mean_over_ranks

IGNORED = -100


class Pairing(NamedTuple):
    """Which video each paragraph is shown with."""

    video: Tensor  # (B,)
    label: Tensor  # (B,): 1 if it is the paragraph's own


def pairing(batch: int, device: torch.device, compat: Compat) -> Pairing:
    """Pair the first floor(B / 2) paragraphs with the next paragraph's video, the others with their own video.

    The released code rolls within the first half: with B = 2 or 3 the "mismatch" is then the paragraph's own video
    (BEHAVIOUR 5b). The next video of the whole batch is another one for every B.
    """
    own = torch.arange(batch, device=device)
    half = batch // 2
    shown = own.clone()
    if compat.mismatch_within_half:
        shown[:half] = own[:half].roll(1)
    else:
        shown[:half] = own[:half] + 1  # half <= batch - 1, so the next one exists
    return Pairing(shown, (own >= half).long())


def hard_pairing(
    pairs: Pairing, video: Tensor, text: Tensor, temperature: float, generator: torch.Generator | None
) -> Pairing:
    """Pair the mismatched paragraphs with videos that look alike to the contrast (ALBEF, arXiv 2107.07651).

    Args:
        pairs: who is mismatched.
        video: (B, C) of unit length.
        text: (B, C) of unit length.
        temperature: paragraph i gets video j, j not i, with probability softmax_j(t_i v_j / temperature).
        generator: on the CPU; None: PyTorch's generator.

    Returns:
        The same labels with other videos.
    """
    mismatched = torch.nonzero(pairs.label == 0).flatten()
    if not len(mismatched):
        return pairs
    with torch.no_grad(), torch.autocast(video.device.type, enabled=False):
        scores = text[mismatched].float() @ video.float().T / temperature
        scores[torch.arange(len(mismatched), device=scores.device), mismatched] = -torch.inf  # their own
        # From features that are not finite, any video is drawn: the loss will not be finite, and the training handles that.
        drawn = torch.multinomial(scores.softmax(-1).nan_to_num(1.0).cpu(), 1, generator=generator).flatten()
    shown = pairs.video.clone()
    shown[mismatched] = drawn.to(shown.device)
    return Pairing(shown, pairs.label)


class WordLoss(NamedTuple):
    """Scalars of the masked-word prediction."""

    loss: Tensor
    accuracy: Tensor


def word_loss(scores: Tensor, labels: Tensor, compat: Compat) -> WordLoss:
    """Average -log softmax(scores)[label] over the masked words: scores (W, vocabulary), labels (W,) of masked words only.

    Without words the loss is 0. With several ranks the mean is over the words of all ranks.
    """
    total = F.cross_entropy(scores, labels, reduction="sum")
    count = torch.tensor(float(len(labels)), device=scores.device)
    if compat.mlm_mean_per_rank:
        loss = total / (count if compat.nan_without_labels else count.clamp(min=1))
    else:
        loss = mean_over_ranks(total, count)
    return WordLoss(loss, accuracy_of(scores, labels))


def accuracy_of(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the share of rows whose largest score is at the label; 0 without rows."""
    return (scores.argmax(-1) == labels).float().sum() / max(len(labels), 1)


def mask_words(
    ids: Tensor,
    keep: Tensor,
    special: Tensor,
    mask_id: int,
    vocabulary: int,
    share: float = 0.15,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Hide words for masked-language modelling (BERT, arXiv 1810.04805, 3.1): ids (B, M, L) to ids and labels, same shape.

    Each word is chosen with probability `share`, except `special` ids such as [CLS] and [SEP]. Of the chosen words 80 %
    become `mask_id`, 10 % a random word, 10 % stay. All other labels are IGNORED. Tensors are on the CPU.
    """
    words = keep.bool() & ~torch.isin(ids, special)
    chosen = (torch.rand(ids.shape, generator=generator) < share) & words
    fate = torch.rand(ids.shape, generator=generator)
    random = torch.randint(vocabulary, ids.shape, generator=generator)
    hidden = torch.where(chosen & (fate < 0.8), mask_id, ids)
    hidden = torch.where(chosen & (fate >= 0.8) & (fate < 0.9), random, hidden)
    return hidden, torch.where(chosen, ids, IGNORED)
