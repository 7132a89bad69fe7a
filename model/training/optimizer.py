"""AdamW with weight decay where it belongs, and the learning rate of each step."""

import math
import re
from typing import Any

import torch
from torch import nn

from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import ModelSize
from longtake.schemas.train_config import Optimizer as OptimizerSettings

DECAYED = (nn.Linear, nn.Conv3d, nn.Embedding)
# Tables of positions and segments are looked up, not multiplied. Swin does not decay its tables either.
NOT_DECAYED = ("position_embeddings", "segment_embeddings", "token_type_embeddings")
# The released code goes by parts of names: these do not decay, and a pooler is not trained at all (facts #12). The
# last two are ours alone.
RELEASED_FREE = ("bias", "LayerNorm.weight", "pos_embed", "contrast.", "masked_pixels.token")
RELEASED_UNTRAINED = "pooler"
_BLOCK = re.compile(r"video_encoder\.layers\.(\d+)\.(?:blocks\.(\d+)|downsample)\.")
_LAYER = re.compile(r"text_encoder\.bert\.encoder\.layer\.(\d+)\.")


def decays(model: nn.Module, groups: str) -> dict[str, bool]:
    """Return the names of the trained parameters, and whether each decays.

    Corrected: weights of linear layers, convolutions and words decay. Biases, all layer norms, relative position bias tables
    and positions do not. The kind of module decides. Released: the name decides, so Swin's norms decay, and the weights of
    poolers are left out.
    """
    found = {}
    for prefix, module in model.named_modules():
        for part, parameter in module.named_parameters(recurse=False):
            name = f"{prefix}.{part}" if prefix else part
            if not parameter.requires_grad:
                continue
            if groups == "corrected":
                table = prefix.split(".")[-1] in NOT_DECAYED
                found[name] = part == "weight" and isinstance(module, DECAYED) and not table
            elif RELEASED_UNTRAINED not in name:
                found[name] = not any(free in name for free in RELEASED_FREE)
    return found


def depth_below_top(name: str, size: ModelSize, layers: int) -> int:
    """Return how many blocks or layers lie between a parameter and the top of its encoder; 0 for heads and projections.

    The input of an encoder (patches, words) lies below its first block, sentence positions below the paragraph layers. `layers`
    is the number of text layers of this stage.
    """
    depths = size.video.depths
    if block := _BLOCK.match(name):
        layer = int(block[1])
        return sum(depths[layer:]) - (int(block[2]) if block[2] else depths[layer] - 1)
    if name.startswith(("video_encoder.patch_embed.", "masked_pixels.token")):  # a token stands for the patch embedding
        return sum(depths) + 1
    if found := _LAYER.match(name):
        return layers - int(found[1])
    if name.startswith("text_encoder.bert.embeddings."):
        return layers + 1
    if name.startswith("sent_embedding."):
        return layers - size.text.sentence_layers + 1
    return 0


def parameter_groups(model: LFVila, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Return the trained parameters in groups of equal decay and equal share of the learning rate (`lr_scale`).

    First come those that decay. With `layer_decay` d, n blocks below the top the rate is d^n times that of the top.
    """
    text = getattr(model, "text_encoder", None)  # a model of labels has none
    layers = 0 if text is None else len(text.bert.encoder.layer)
    groups: dict[tuple[bool, int], list[nn.Parameter]] = {(True, 0): [], (False, 0): []}
    for name, decaying in decays(model, settings.groups).items():
        below = depth_below_top(name, model.size, layers) if settings.layer_decay < 1 else 0
        groups.setdefault((decaying, below), []).append(model.get_parameter(name))
    return [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decaying else 0.0,
            "lr_scale": settings.layer_decay**below,
        }
        for (decaying, below), parameters in sorted(groups.items(), key=lambda one: (not one[0][0], one[0][1]))
    ]


def make_optimizer(model: LFVila, settings: OptimizerSettings) -> torch.optim.AdamW:
    """Return AdamW over the trained parameters. The caller sets the learning rate before each step."""
    return torch.optim.AdamW(
        parameter_groups(model, settings),
        lr=settings.lr,
        betas=settings.betas,
        eps=settings.eps,
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of a step; each group has its share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def learning_rate(step: int, steps: int, settings: OptimizerSettings, epoch_steps: float = math.inf) -> float:
    """Return the rate of step `step` (from 0) of `steps`: up to `lr` in the first `warmup` share, then down.

    Linear and cosine fall to `final` x `lr`; step multiplies by `step_factor` after every `step_epochs` epochs, counted from the
    start. The rate of the first step is above 0.

    Args:
        step: the number of the step.
        steps: the steps of the training.
        settings: peak, warm-up and fall.
        epoch_steps: steps of an epoch; only the schedule `step` asks for them.

    Returns:
        The rate.
    """
    rising = round(settings.warmup * steps)
    if step < rising:
        return settings.lr * (step + 1) / rising
    if settings.schedule == "step":
        return settings.lr * settings.step_factor ** int(step / (settings.step_epochs * epoch_steps))
    left = (steps - step) / max(1, steps - rising)
    if settings.schedule == "cosine":
        left = (1 - math.cos(math.pi * left)) / 2
    return settings.lr * (settings.final + (1 - settings.final) * left)
