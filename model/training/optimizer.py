"""AdamW with weight decay where it belongs, and the learning rate of each step."""

from typing import Any

import torch
from torch import nn

from longtake.schemas.train_config import Optimizer as OptimizerSettings

DECAYED = (nn.Linear, nn.Conv3d, nn.Embedding)
# Tables of positions and segments are looked up, not multiplied. Swin does not decay its tables either.
NOT_DECAYED = ("position_embeddings", "segment_embeddings", "token_type_embeddings")


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return trained parameters in two groups: weights of linear layers, convolutions and words decay, all others do not.

    So biases, all layer norms, relative position bias tables and positions do not decay. The kind of module decides: the
    released code matched names, decayed Swin's norms and never trained BERT's pooler (facts #12).
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, module in model.named_modules():
        for part, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                decays = part == "weight" and isinstance(module, DECAYED) and name.split(".")[-1] not in NOT_DECAYED
                (decayed if decays else free).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def make_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """Return AdamW over the trained parameters. The caller sets the learning rate before each step."""
    return torch.optim.AdamW(
        parameter_groups(model, settings.weight_decay),
        lr=settings.lr,
        betas=settings.betas,
        eps=settings.eps,
        fused=True,
    )


def learning_rate(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Return the rate of step `step` (from 0) of `steps`: up to `lr` in the first `warmup` share, then down to `final` x `lr`.

    Both are linear. The rate of the first step is above 0.
    """
    rising = round(settings.warmup * steps)
    if step < rising:
        return settings.lr * (step + 1) / rising
    left = (steps - step) / max(1, steps - rising)
    return settings.lr * (settings.final + (1 - settings.final) * left)
