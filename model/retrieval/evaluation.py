"""Evaluation of retrieval: the features of a whole corpus, over all ranks, and their metrics."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from longtake.model.data.loader import ShardLoader
from longtake.model.network.gather import ranks
from longtake.model.network.lfvila import LFVila
from longtake.model.retrieval.metrics import Alignment, alignment, retrieval_metrics


@dataclass(frozen=True)
class CorpusFeatures:
    """Features of the samples of all ranks, in the order of the corpus, the same on every rank."""

    videos: Tensor  # (S, C) float32, unit length, on the CPU
    paragraphs: Tensor  # (S, C)
    alignment: Alignment
    damaged: int  # samples that could not be read

    def metrics(self) -> dict[str, float]:
        """Return the metrics of retrieval and alignment, `samples` and `damaged`."""
        found = retrieval_metrics(self.paragraphs, self.videos) | self.alignment.metrics()
        return found | {"samples": float(len(self.videos)), "damaged": float(self.damaged)}


def evaluate_corpus(
    model: LFVila, loader: ShardLoader, device: torch.device | str, autocast_dtype: torch.dtype | None = None
) -> dict[str, float]:
    """Measure a model on all samples of a loader. Every rank must call it and gets the same result.

    The model keeps its modes; no random number is drawn.

    Args:
        model: the model, on `device`.
        loader: a loader with `training=False`, at the start of an epoch.
        device: where batches go.
        autocast_dtype: the dtype of mixed precision; None: the precision of the model.

    Returns:
        `paragraph_to_video/r1`, `clip_to_sentence/accuracy` and so on (metrics.py), `samples`, `damaged`, and `short`: the
        samples with too few sentences, which are not measured.

    Raises:
        ValueError: the loader trains or stands inside an epoch.
        LoaderError: storage fails.
    """
    return encode_corpus(model, loader, device, autocast_dtype).metrics() | {"short": float(loader.short)}


def encode_corpus(
    model: LFVila, loader: ShardLoader, device: torch.device | str, autocast_dtype: torch.dtype | None = None
) -> CorpusFeatures:
    """Encode all samples of a loader. See `evaluate_corpus`."""
    if loader.settings.training or loader.batches_done:
        raise ValueError("an evaluation needs a loader with training=False that stands at the start of an epoch")
    device = torch.device(device)
    damaged_before = loader.counts["damaged"]
    videos: list[Tensor] = []
    paragraphs: list[Tensor] = []
    aligned = torch.zeros(5, dtype=torch.float64)
    with evaluating(model), torch.inference_mode():
        for batch in loader:  # ranks may have different numbers of batches, so nothing in here may wait for the others
            batch = batch.to(device)
            with torch.autocast(device.type, dtype=autocast_dtype, enabled=autocast_dtype is not None):
                video, text = (
                    model.encode_video(batch.video(), batch.ids.shape[1]),
                    model.encode_text(batch.ids, batch.mask),
                )
            videos.append(video.video.float().cpu())
            paragraphs.append(text.paragraph.float().cpu())
            aligned += alignment(video.clips, text.sentences, text.present).sums
    width = model.size.text.hidden
    damaged = torch.tensor([float(loader.counts["damaged"] - damaged_before)], dtype=torch.float64)
    sums = _total(torch.cat([aligned, damaged]), device)
    return CorpusFeatures(
        videos=gather_rows(_joined(videos, width), device),
        paragraphs=gather_rows(_joined(paragraphs, width), device),
        alignment=Alignment(sums[:5]),
        damaged=int(sums[5]),
    )


def gather_rows(rows: Tensor, device: torch.device) -> Tensor:
    """Return the rows (n, C) of all ranks on the CPU, in rank order; n may differ between ranks.

    One collective call gathers the sizes, one the rows, padded to the largest n. The sizes say how much padding to cut off for
    each rank (the released code cuts it off the end, and loses samples, facts #18).
    """
    if ranks() == 1:
        return rows
    place = _meeting_place(device)
    size = torch.tensor([len(rows)], device=place)
    sizes = [torch.empty_like(size) for _ in range(ranks())]
    dist.all_gather(sizes, size)
    counts = [int(n) for n in sizes]
    filled = torch.zeros(max(counts), rows.shape[1], dtype=rows.dtype, device=place)
    filled[: len(rows)] = rows.to(place)
    parts = [torch.empty_like(filled) for _ in counts]
    dist.all_gather(parts, filled)
    return torch.cat([part[:count].cpu() for part, count in zip(parts, counts, strict=True)])


def _total(values: Tensor, device: torch.device) -> Tensor:
    if ranks() == 1:
        return values
    total = values.to(_meeting_place(device))
    dist.all_reduce(total)
    return total.cpu()


def _meeting_place(device: torch.device) -> torch.device:
    """Return the device on which ranks can exchange tensors."""
    return device if dist.get_backend() == "nccl" else torch.device("cpu")


def _joined(parts: list[Tensor], width: int) -> Tensor:
    return torch.cat(parts) if parts else torch.zeros(0, width)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Set evaluation mode. At the end, give every module its former mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
