"""Make batches from tickets: choose windows, read, decode, cut, tokenise. DataLoader workers run this and keep no state."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import simplejpeg
import torch
from torch import Tensor
from torch.utils.data import Dataset

from longtake.model.data.order import Places, Ticket
from longtake.model.data.shards import (
    DamagedSample,
    LoaderError,
    RawSample,
    SampleFault,
    ShardReader,
    WantedFrames,
    read_texts,
)
from longtake.model.data.text import SentenceTokenizer
from longtake.model.data.transforms import CropRange, draw_crop, evaluation_frames, normalise, training_frames


@dataclass(frozen=True)
class Batch:
    """Samples for the model: sentence k of a sample is said while its clip k is shown."""

    frames: Tensor  # (B, N, H, W, 3) uint8; N frames are M clips one after the other
    ids: Tensor  # (B, M, L) int64
    mask: Tensor  # (B, M, L) int64, 1 for tokens
    keys: tuple[str, ...]
    starts: tuple[int, ...]  # the first sentence of each sample's window
    faults: tuple[SampleFault, ...]  # damaged samples met on the way
    filled: tuple[str, ...]  # keys of the samples that stand in for them

    def __len__(self) -> int:
        return len(self.keys)

    def video(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the normalised frames (B, 3, N, H, W), made on the device of the batch."""
        return normalise(self.frames, dtype)

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on another device, without waiting for the copy if memory is pinned."""
        frames, ids, mask = (part.to(device, non_blocking=True) for part in (self.frames, self.ids, self.mask))
        return replace(self, frames=frames, ids=ids, mask=mask)

    def pin_memory(self) -> "Batch":
        """Return the batch in pinned memory; DataLoader calls this."""
        return replace(self, frames=self.frames.pin_memory(), ids=self.ids.pin_memory(), mask=self.mask.pin_memory())


class Shape(NamedTuple):
    """The form that a sample gets in a batch."""

    sentences: int  # M
    per_sentence: int  # frames of a sentence in the corpus
    frames_per_sentence: int  # of these, how many are used
    height: int
    width: int
    crop: CropRange
    flip: float
    antialias: bool


class _Sample(NamedTuple):
    key: str
    start: int
    frames: Tensor
    texts: list[str]


class BatchMaker(Dataset[Batch]):
    """Makes the batch of a ticket: the same batch in any process, after any other batches."""

    def __init__(
        self,
        reader: ShardReader,
        shards: Sequence[str],
        shape: Shape,
        tokenizer: SentenceTokenizer,
        seed: int,
        training: bool,
    ) -> None:
        self.reader, self.shards, self.shape, self.tokenizer = reader, tuple(shards), shape, tokenizer
        self.seed, self.training = seed, training

    def __getitem__(self, ticket: Ticket) -> Batch:
        """Make the batch. In training it is full; raises LoaderError if the ticket's spares are too few for that."""
        size, spares = len(ticket.places), ticket.spares
        made = self._make(ticket.places, ticket.epoch)
        samples = [sample for sample in made if isinstance(sample, _Sample)]
        faults = [fault for fault in made if isinstance(fault, SampleFault)]
        filled: list[str] = []
        while self.training and len(samples) < size:
            missing = size - len(samples)
            if not len(spares):
                raise LoaderError(
                    f"epoch {ticket.epoch}, batch {ticket.number}: {len(faults)} damaged samples and none left to fill "
                    f"their places. First: {faults[0]}. Check the corpus with: longtake verify"
                )
            made = self._make(spares[:missing], ticket.epoch)
            spares = spares[missing:]
            faults += [fault for fault in made if isinstance(fault, SampleFault)]
            found = [sample for sample in made if isinstance(sample, _Sample)]
            filled += [sample.key for sample in found]
            samples += found
        return self._batch(samples, faults, filled)

    def _batch(self, samples: Sequence[_Sample], faults: Sequence[SampleFault], filled: Sequence[str]) -> Batch:
        shape = self.shape
        size = (len(samples), shape.sentences * shape.frames_per_sentence, shape.height, shape.width, 3)
        frames = torch.empty(size, dtype=torch.uint8)
        for number, sample in enumerate(samples):
            frames[number] = sample.frames
        ids, mask = self.tokenizer([sample.texts for sample in samples])
        keys, starts = tuple(sample.key for sample in samples), tuple(sample.start for sample in samples)
        return Batch(frames, ids, mask, keys, starts, tuple(faults), tuple(filled))

    def _make(self, places: Places, epoch: int) -> list[_Sample | SampleFault]:
        """Return a sample or a fault for each place."""
        shape, out, plans = self.shape, list[_Sample | SampleFault](), []
        for shard_number, position in places:
            shard = self.shards[shard_number]
            index = self.reader.index(shard)
            key, sentences = index.keys[position], int(index.sentences[position])
            rng = sample_generator(self.seed, epoch, key)
            start = int(rng.integers(sentences - shape.sentences + 1)) if self.training else 0
            first, last = start * shape.per_sentence, (start + shape.sentences) * shape.per_sentence
            plans.append((WantedFrames(shard, int(position), first, last), key, sentences, start, rng))
        for plan, raw in zip(plans, self.reader.read([plan[0] for plan in plans]), strict=True):
            wanted, key, sentences, start, rng = plan
            try:
                frames = self.reader.index(wanted.shard).frames(wanted.position)
                if frames != sentences * shape.per_sentence:
                    raise DamagedSample("member", f"{frames} frames for {sentences} sentences")
                if isinstance(raw, DamagedSample):
                    raise raw
                out.append(self._sample(raw, key, sentences, start, rng))
            except DamagedSample as damage:
                out.append(SampleFault(wanted.shard, key, damage.reason, damage.detail))
        return out

    def _sample(self, raw: RawSample, key: str, sentences: int, start: int, rng: np.random.Generator) -> _Sample:
        shape = self.shape
        texts = read_texts(raw.json, key, sentences, shape.per_sentence)[start : start + shape.sentences]
        frames = decode(chosen(raw.jpegs, shape.per_sentence, shape.frames_per_sentence))
        if self.training:
            crop = draw_crop(frames.shape[1], frames.shape[2], shape.crop, rng, shape.flip)
            frames = training_frames(frames, crop, shape.height, shape.width, shape.antialias)
        else:
            frames = evaluation_frames(frames, shape.height, shape.width, shape.antialias)
        return _Sample(key, start, frames, texts)


def sample_generator(seed: int, epoch: int, key: str) -> np.random.Generator:
    """Return the generator of one sample in one epoch. Its draws do not depend on where or when the sample is read."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{key}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def chosen(jpegs: Sequence[bytes], per_sentence: int, wanted: int) -> list[bytes]:
    """Choose from the frames of each sentence: frame floor(k * per_sentence / wanted) for k = 0 .. wanted - 1."""
    picked = [k * per_sentence // wanted for k in range(wanted)]
    return [jpegs[first + k] for first in range(0, len(jpegs), per_sentence) for k in picked]


def decode(jpegs: Sequence[bytes]) -> Tensor:
    """Decode JPEGs of one size to (N, height, width, 3) RGB. Raises DamagedSample."""
    number = 0
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(jpegs[0])
        frames = np.empty((len(jpegs), height, width, 3), np.uint8)
        for number, data in enumerate(jpegs):
            if simplejpeg.decode_jpeg_header(data)[:2] != (height, width):
                raise ValueError(f"not {width} x {height} as the first")
            simplejpeg.decode_jpeg(data, "RGB", buffer=frames[number])
    except ValueError as error:
        raise DamagedSample("jpeg", f"frame {number} of the window: {error}") from None
    return torch.from_numpy(frames)
