"""AdamW with weight decay where it belongs, and the learning rate of each step."""

from typing import Any

import torch
from torch import nn

from longtake.schemas.train_config import Optimizer as OptimizerSettings

DECAYED = (nn.Linear, nn.Conv3d, nn.Embedding)
# Tables of positions and offsets are looked up, not multiplied: Swin leaves theirs out of the decay as well.
NOT_DECAYED = ("position_embeddings", "segment_embeddings", "token_type_embeddings")


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trained parameters in two groups: weights of linear layers, convolutions and words decay; all else does not.

    So biases, every layer norm, relative position bias tables and positions stay free, by the kind of module and not by name:
    the released code matched names, decayed Swin's norms and left BERT's pooler out altogether (facts #12).
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
    """AdamW over the trained parameters. The learning rate is set before each step."""
    return torch.optim.AdamW(
        parameter_groups(model, settings.weight_decay),
        lr=settings.lr,
        betas=settings.betas,
        eps=settings.eps,
        fused=True,
    )


def learning_rate(step: int, steps: int, settings: OptimizerSettings) -> float:
    """The rate of step `step` (from 0) of `steps`: up to `lr` in the first `warmup` share, then down to `final` x `lr`.

    Both ways are straight lines; the first step already moves.
    """
    rising = round(settings.warmup * steps)
    if step < rising:
        return settings.lr * (step + 1) / rising
    left = (steps - step) / max(1, steps - rising)
    return settings.lr * (settings.final + (1 - settings.final) * left)
