"""Windows of a finished corpus to embed. They cover every sample, each with as many sentences as the model has clips."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from longtake.library.dataset import read_finished
from longtake.library.shards import DamagedSample, LoaderError, RawSample, ShardReader, WantedFrames, read_texts
from longtake.model.data.samples import chosen, decode
from longtake.model.data.transforms import evaluation_frames
from longtake.model.network.sizes import ModelSize
from longtake.schemas.layout import Layout


@dataclass(frozen=True)
class CorpusWindow:
    """Consecutive sentences of a sample with their frames. Times in ms from the start of the source video."""

    key: str
    start_ms: int
    end_ms: int
    sentences: list[str]
    frames: torch.Tensor  # (sentences x frames_per_clip, height, width, 3) uint8


@dataclass(frozen=True)
class WindowPlace:
    """A window before it is read: sentences `first` to `last`, exclusive, of a sample with `sentences` sentences."""

    shard: str
    position: int
    key: str
    sentences: int
    first: int
    last: int


def starts(sentences: int, clips: int) -> list[int]:
    """Return the first sentence of each window: 0, clips, 2 clips, ... The last window ends with the sample and may overlap."""
    return [*range(0, sentences - clips, clips), max(sentences - clips, 0)]


class CorpusWindows:
    """The windows of a corpus, or of one split of it."""

    def __init__(self, corpus: str, size: ModelSize, split: str | None = None) -> None:
        """Open the corpus. Raises LoaderError if it cannot be used."""
        layout = Layout(corpus)
        manifest = read_finished(layout)
        self.per_sentence = int(manifest.config["frames"]["per_sentence"])
        if self.per_sentence < size.frames_per_clip:
            raise LoaderError(
                f"{corpus} has {self.per_sentence} frames for each sentence, but the model takes {size.frames_per_clip}"
            )
        names = [shard for shard in manifest.shards if split in (None, shard.split)]
        if not names:
            raise LoaderError(f"{corpus} has no split {split!r}; it has {', '.join(sorted(manifest.splits()))}")
        self.shards = [shard.name.removesuffix(".tar") for shard in names]
        self.corpus, self.size, self._layout = corpus, size, layout
        self._readers = threading.local()  # a reader keeps indexes and is not safe for several threads

    @property
    def reader(self) -> ShardReader:
        """The reader of the calling thread."""
        if not hasattr(self._readers, "own"):
            self._readers.own = ShardReader(self._layout, kept=2)
        reader: ShardReader = self._readers.own
        return reader

    def places(self, shard: str) -> Iterator[WindowPlace]:
        """Yield the windows of a shard, in the order of the corpus. Raises LoaderError if its index cannot be read."""
        index = self.reader.index(shard)
        for position, (key, sentences) in enumerate(zip(index.keys, index.sentences.tolist(), strict=True)):
            for first in starts(sentences, self.size.clips):
                yield WindowPlace(shard, position, key, sentences, first, min(first + self.size.clips, sentences))

    def read(self, place: WindowPlace) -> CorpusWindow:
        """Read one window, cut to the model's size. Raises DamagedSample."""
        per, size = self.per_sentence, self.size
        if self.reader.index(place.shard).frames(place.position) != place.sentences * per:
            raise DamagedSample("member", f"not {per} frames for each of {place.sentences} sentences")
        raw = self.reader.read([WantedFrames(place.shard, place.position, place.first * per, place.last * per)])[0]
        if not isinstance(raw, RawSample):
            raise raw
        texts = read_texts(raw.json, place.key, place.sentences, per)[place.first : place.last]
        own = json.loads(raw.json)["sentences"][place.first : place.last]
        try:
            start_ms, end_ms = int(own[0]["start_ms"]), int(own[-1]["end_ms"])
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedSample("json", f"times of sentences: {error}") from None
        frames = decode(chosen(raw.jpegs, per, size.frames_per_clip))
        return CorpusWindow(place.key, start_ms, end_ms, texts, evaluation_frames(frames, size.height, size.width))
