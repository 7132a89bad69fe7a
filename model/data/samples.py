"""From clips to batches for the model: cut, resize, tokenise. DataLoader workers run this and keep no state."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from longtake.library import frames as jpegs_to_pixels
from longtake.library.clips import Clip
from longtake.library.frames import evenly
from longtake.library.shards import SampleFault
from longtake.model.data.cuts import Cut, resized_cuts, together
from longtake.model.data.text import SentenceTokenizer
from longtake.model.data.transforms import (
    CropRange,
    cut_out,
    draw_crop,
    draw_released_crop,
    evaluation_frames,
    normalise,
    training_frames,
)


@dataclass(frozen=True)
class Batch:
    """Samples for the model: sentence k of a sample is said while its clip k is shown."""

    frames: Tensor  # (B, N, H, W, 3) uint8; N frames are M clips one after the other. With `cuts`: all crops, flat
    ids: Tensor  # (B, M, L) int64
    mask: Tensor  # (B, M, L) int64, 1 for tokens
    keys: tuple[str, ...]
    starts: tuple[int, ...]  # the first sentence of each sample's window
    faults: tuple[SampleFault, ...] = ()  # damaged samples met on the way
    filled: tuple[str, ...] = ()  # keys of the samples that stand in for them
    cuts: tuple[Cut, ...] = ()  # how the frames are still to be resized; none: they have the model's size

    def __len__(self) -> int:
        return len(self.keys)

    def video(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the normalised frames (B, 3, N, H, W), made on the device of the batch. Raises ValueError before `sized`."""
        if self.cuts:
            raise ValueError("the frames of this batch are crops that are not resized yet: call sized(device) first")
        return normalise(self.frames, dtype)

    def sized(self, device: torch.device | str) -> Self:
        """Return the batch with frames of the model's size, resized on `device` where workers left that to it."""
        if not self.cuts:
            return self
        frames = self.frames.to(device, non_blocking=True)
        return replace(self, frames=resized_cuts(frames, self.cuts), cuts=())

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on another device, without waiting for the copy if memory is pinned."""
        frames, ids, mask = (part.to(device, non_blocking=True) for part in (self.frames, self.ids, self.mask))
        return replace(self, frames=frames, ids=ids, mask=mask)

    def pin_memory(self) -> "Batch":
        """Return the batch in pinned memory; DataLoader calls this."""
        return replace(self, frames=self.frames.pin_memory(), ids=self.ids.pin_memory(), mask=self.mask.pin_memory())


@dataclass(frozen=True, kw_only=True)
class CutClip(Clip):
    """A clip whose frames are a crop that the device resizes."""

    cut: Cut


@dataclass(frozen=True)
class Shape:
    """The form that the frames of a sample get in a batch."""

    height: int
    width: int
    crop: CropRange
    flip: float
    antialias: bool
    training: bool
    released_crop: bool = False  # draw crops as the released code did
    on_device: bool = False  # leave the resizing of training frames to the device

    def __call__(self, clip: Clip) -> Clip:
        """Cut and resize the frames of a clip; in training at random, by the clip's generator."""
        frames = clip.frames
        if not self.training:
            return replace(clip, frames=evaluation_frames(frames, self.height, self.width, self.antialias))
        draw = draw_released_crop if self.released_crop else draw_crop
        crop = draw(frames.shape[1], frames.shape[2], self.crop, clip.rng, self.flip)
        if self.on_device:
            cut = Cut((crop.height, crop.width), (self.height, self.width), crop.flip, self.antialias)
            return CutClip(**{**vars(clip), "frames": cut_out(frames, crop)}, cut=cut)
        return replace(clip, frames=training_frames(frames, crop, self.height, self.width, self.antialias))


@dataclass(frozen=True)
class BatchMaker:
    """Makes a batch of clips of one shape."""

    tokenizer: SentenceTokenizer

    def __call__(self, clips: Sequence[Clip]) -> Batch:
        """Stack the frames, tokenise the sentences."""
        ids, mask = self.tokenizer([clip.sentences for clip in clips])
        keys, starts = tuple(clip.key for clip in clips), tuple(clip.start for clip in clips)
        frames, cuts = frames_of(clips)
        return Batch(frames, ids, mask, keys, starts, cuts=cuts)


def frames_of(clips: Sequence[Clip]) -> tuple[Tensor, tuple[Cut, ...]]:
    """Return `frames` and `cuts` of a batch of clips. Raises ValueError if their frames cannot be one batch."""
    cuts = tuple(clip.cut for clip in clips if isinstance(clip, CutClip))
    if cuts and len(cuts) < len(clips):
        raise ValueError(f"{len(cuts)} of {len(clips)} samples are still to be resized: they cannot be one batch")
    frames = [clip.frames for clip in clips]
    if cuts:
        return together(frames), cuts
    if len(shapes := {tuple(one.shape) for one in frames}) > 1:
        raise ValueError(f"frames of shapes {' and '.join(map(str, sorted(shapes)))} cannot be one batch")
    return torch.stack(frames), ()


def chosen(jpegs: Sequence[bytes], per_sentence: int, wanted: int) -> list[bytes]:
    """Choose from the frames of each sentence: frame floor(k * per_sentence / wanted) for k = 0 .. wanted - 1."""
    picked = evenly(per_sentence, wanted)
    return [jpegs[first + k] for first in range(0, len(jpegs), per_sentence) for k in picked]


def decode(jpegs: Sequence[bytes]) -> Tensor:
    """Decode JPEGs of one size to (N, height, width, 3) RGB. Raises DamagedSample."""
    return torch.from_numpy(jpegs_to_pixels.decode(jpegs))
