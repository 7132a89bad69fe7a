"""Evaluation of stage 2: its losses and accuracies over a whole split."""

from dataclasses import replace
from typing import Any

import torch

from longtake.model.data.loader import ShardLoader
from longtake.model.network.gather import alone
from longtake.model.network.lfvila import LFVila
from longtake.model.retrieval.evaluation import evaluating
from longtake.model.training.process import Process
from longtake.model.training.step import hide_words

NAMES = ("mlm", "matching", "mlm_accuracy", "matching_accuracy")


@torch.inference_mode()
def evaluate_fusion(
    model: LFVila, loader: ShardLoader, tokenizer: Any, process: Process, dtype: torch.dtype | None = None
) -> dict[str, float]:
    """Return mean losses and accuracies of masked words and matching over all samples of all ranks, batch by batch.

    The number of the batch is the seed for hiding words, so evaluations can be compared.
    """
    sums = torch.zeros(len(NAMES) + 1, dtype=torch.float64, device=process.device)
    # Some ranks can have one batch more: nothing in here may wait for other ranks.
    with (
        evaluating(model),
        alone(),
        torch.autocast(process.device.type, dtype or torch.bfloat16, enabled=dtype is not None),
    ):
        for number, batch in enumerate(loader):
            ids, labels = hide_words(batch, tokenizer, number)
            batch, labels = replace(batch, ids=ids).to(process.device), labels.to(process.device)
            losses = model(batch.video(), batch.ids, batch.mask, labels)
            values = torch.stack([losses[name].double() for name in NAMES])
            sums += torch.cat([values, values.new_ones(1)]) * len(batch)
    total = process.mean(sums)
    return dict(zip(NAMES, (total[:-1] / total[-1].clamp(min=1e-9)).tolist(), strict=True))
