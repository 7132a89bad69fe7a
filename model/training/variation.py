"""What a training may change in a batch before the model sees it. Pure functions of the batch and a generator, or of the step.

Sentence k is said while clip k is shown, before and after.
"""

from dataclasses import replace

import torch
from torch import Tensor

from longtake.library.frames import evenly
from longtake.model.data.samples import Batch
from longtake.schemas.train_config import Data, Phase


def varied(batch: Batch, data: Data, progress: float, seed: int) -> Batch:
    """Return a batch as the settings `data` vary it; without such settings the batch itself.

    Args:
        batch: as it was loaded, with frames of the model's size; they may be on another device, all else is on the CPU.
        data: the settings.
        progress: the share of the steps that are done.
        seed: decides the draws.

    Returns:
        The batch for the model.
    """
    draws = torch.Generator().manual_seed(seed)
    if data.concatenate:
        batch = concatenated(batch, data.concatenate, draws)
    if data.drop_sentences:
        batch = without_sentences(batch, data.drop_sentences, draws)
    if data.one_frame and float(torch.rand((), generator=draws)) < data.one_frame:
        return with_one_frame(batch, draws)
    wanted = frames_at(progress, data.curriculum)
    return batch if wanted is None else with_frames(batch, wanted)


def concatenated(batch: Batch, share: float, draws: torch.Generator) -> Batch:
    """Exchange clips, with their sentences, among about `share` of the samples (COSA, arXiv 2306.09085).

    Place k of each of these samples gets clip k of one of them, by another permutation for each place. Every clip stays in one.
    """
    size, places = batch.ids.shape[:2]
    chosen = torch.nonzero(torch.rand(size, generator=draws) < share).flatten()
    source = torch.arange(size).unsqueeze(1).repeat(1, places)
    for place in range(1, places):
        source[chosen, place] = chosen[torch.randperm(len(chosen), generator=draws)]
    own_place = torch.arange(places).expand(size, -1)
    clips = _clips(batch)
    return replace(
        batch,
        frames=clips[source, own_place].flatten(1, 2),
        ids=batch.ids[source, own_place],
        mask=batch.mask[source, own_place],
    )


def without_sentences(batch: Batch, share: float, draws: torch.Generator) -> Batch:
    """Leave each sentence out with probability `share`; if all would be, one stays. Their clips stay."""
    there = batch.mask.any(-1)
    keep = (torch.rand(there.shape, generator=draws) >= share) & there
    spared = torch.rand(there.shape, generator=draws).masked_fill(~there, -1.0).argmax(-1)
    keep[torch.arange(len(keep)), spared] |= ~keep.any(-1)
    return replace(batch, mask=batch.mask * keep.unsqueeze(-1))


def with_frames(batch: Batch, wanted: int) -> Batch:
    """Keep `wanted` frames of each sentence, or all if it has fewer: number floor(k n / wanted) of its n frames."""
    clips = _clips(batch)
    return _with_clips(batch, clips[:, :, evenly(clips.shape[2], min(wanted, clips.shape[2]))])


def with_one_frame(batch: Batch, draws: torch.Generator) -> Batch:
    """Keep one frame of each sentence, the same number of each: images, as in Frozen in Time (arXiv 2104.00650)."""
    clips = _clips(batch)
    number = int(torch.randint(clips.shape[2], (), generator=draws))
    return _with_clips(batch, clips[:, :, number : number + 1])


def _clips(batch: Batch) -> Tensor:
    """Return the frames by clips: (B, M, N / M, height, width, 3)."""
    return batch.frames.view(len(batch.frames), batch.ids.shape[1], -1, *batch.frames.shape[2:])


def _with_clips(batch: Batch, clips: Tensor) -> Batch:
    return replace(batch, frames=clips.flatten(1, 2))


def frames_at(progress: float, curriculum: tuple[Phase, ...]) -> int | None:
    """Return the frames of a sentence at `progress`; None: all."""
    return next((phase.frames_per_sentence for phase in curriculum if progress < phase.until), None)
