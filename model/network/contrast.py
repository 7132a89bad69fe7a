"""The global contrastive loss: which paragraph belongs to which video."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MOST_LOG_SCALE = math.log(100.0)


def info_nce(video: Tensor, text: Tensor, temperature: float) -> Tensor:
    """-1/B sum_i log softmax_j(v_i t_j / tau)_i - 1/B sum_i log softmax_j(t_i v_j / tau)_i.

    `video` and `text` are (B, C) of unit length. The two directions are added, not averaged, as in the released code: the
    published loss weights assume it (facts 4).
    """
    scores = video @ text.T / temperature
    target = torch.arange(len(scores), device=scores.device)
    return F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)


class SoftmaxContrast(nn.Module):
    """`info_nce` with a learned temperature, which is never below 0.01 (CLIP, arXiv 2103.00020)."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def keep_in_bounds(self) -> None:
        """Take the parameter back to its bound after a step: beyond it, it would have no gradient and stay."""
        with torch.no_grad():
            self.log_scale.clamp_(max=_MOST_LOG_SCALE)

    def forward(self, video: Tensor, text: Tensor) -> Tensor:
        """(B, C) and (B, C) of unit length to a scalar."""
        scores = video @ text.T * self.log_scale.clamp(max=_MOST_LOG_SCALE).exp()
        target = torch.arange(len(scores), device=scores.device)
        return F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)


class SigmoidContrast(nn.Module):
    """The sigmoid loss (SigLIP, arXiv 2303.15343): -1/B sum_ij log sigmoid(z_ij (e^s v_i t_j + b)), z_ij = 1 if i = j else -1.

    Scale s and bias b are learned. Rows need no normalisation over the batch, so small batches hurt less.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def forward(self, video: Tensor, text: Tensor) -> Tensor:
        """(B, C) and (B, C) of unit length to a scalar."""
        scores = video @ text.T * self.log_scale.exp() + self.bias
        sign = 2 * torch.eye(len(scores), device=scores.device, dtype=scores.dtype) - 1
        return -F.logsigmoid(sign * scores).sum() / len(scores)
