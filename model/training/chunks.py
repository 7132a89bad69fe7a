"""Contrast over a large batch in little memory (GradCache, arXiv 2101.06983): the same gradient as with the whole batch at once.

The batch is encoded in chunks without a graph. The losses over the features of all chunks and ranks give a gradient for each
feature. Then each chunk is encoded again, with a graph and the same random numbers, and takes its gradients from there.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from longtake.model.data.samples import Batch
from longtake.model.network.features import FeatureGradients, TextFeatures, VideoFeatures
from longtake.model.network.lfvila import LFVila


def cut(batch: Batch, chunks: int) -> list[Batch]:
    """Cut a batch into chunks of equal size. Raises ValueError if it cannot be."""
    if len(batch) % chunks:
        raise ValueError(f"a batch of {len(batch)} cannot be cut into {chunks} equal chunks")
    size = len(batch) // chunks
    parts = (slice(first, first + size) for first in range(0, len(batch), size))
    return [
        replace(batch, frames=batch.frames[part], ids=batch.ids[part], mask=batch.mask[part], keys=batch.keys[part])
        for part in parts
    ]


def backward_in_chunks(
    model: LFVila,
    forward: nn.Module,
    batches: list[Batch],
    seed: Callable[[int], None],
    mixed: Callable[[], AbstractContextManager[Any]],
    synchronised: Callable[[bool], AbstractContextManager[Any]],
    scale: Callable[[Tensor], Tensor],
    drawing: torch.Generator,
) -> dict[str, Tensor]:
    """Add the gradient of the losses of stage 1 over all chunks to the parameters.

    Args:
        model: the model.
        forward: the same, or DistributedDataParallel around it.
        batches: the chunks, on the model's device.
        seed: seeds the generators for a chunk, by its number: twice for each.
        mixed: the context of the precision.
        synchronised: the context of a backward pass; true for the last one of the batch.
        scale: makes of the loss what gradients are taken of.
        drawing: MTC draws from it.

    Returns:
        The losses of the whole batch.
    """
    videos, texts = [], []
    for number, chunk in enumerate(batches):
        seed(number)
        with torch.no_grad(), mixed():
            videos.append(model.encode_video(chunk.video(), model.clips_of(chunk.ids)))
            texts.append(model.encode_text(chunk.ids, chunk.mask))
    leaves = [
        _joined([one.video for one in videos]),
        _joined([one.clips for one in videos]),
        _joined([one.paragraph for one in texts]),
        _joined([one.sentences for one in texts]),
    ]
    present = torch.cat([one.present for one in texts])
    # What the fusion layers read has no part in these losses.
    video = VideoFeatures(leaves[0], leaves[1], tokens=videos[0].tokens)
    text = TextFeatures(leaves[2], leaves[3], present, tokens=texts[0].tokens, keep=texts[0].keep)
    with mixed():
        losses = model.contrastive_losses(video, text, drawing)
    own = model.loss_parameters()
    found = torch.autograd.grad(scale(losses["loss"]), [*leaves, *own], allow_unused=True)
    gradients, own_gradients = found[: len(leaves)], found[len(leaves) :]
    for number, chunk in enumerate(batches):
        last, size = number == len(batches) - 1, len(chunk)
        rows = slice(number * size, (number + 1) * size)
        cut_out = tuple(None if gradient is None else gradient[rows] for gradient in gradients)
        pull = FeatureGradients(cut_out, own_gradients if last else ())
        seed(number)
        with synchronised(last):
            with mixed():
                pulled = forward(chunk.video(), chunk.ids, chunk.mask, pull=pull)
            if pulled[
                "loss"
            ].requires_grad:  # not if all that is trained are the losses' own parameters, in other chunks
                pulled["loss"].backward()
    return {name: value.detach() for name, value in losses.items()}


def _joined(parts: list[Tensor]) -> Tensor:
    """Join features of all chunks, as the leaf of a graph."""
    whole = torch.cat(parts)
    return (whole if whole.dtype == torch.float64 else whole.float()).requires_grad_()
