"""The inputs of `longtake embed`: finished corpora, video files of any kind, text files. Each row is made from one item."""

import itertools
import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

from torch import Tensor

from longtake.jobs.retrieve.ahead import in_order
from longtake.jobs.retrieve.video_frames import Sampling, SourceError, video_windows
from longtake.library.shards import DamagedSample, LoaderError
from longtake.model.retrieval.annotations import EXTENSIONS, is_text
from longtake.model.retrieval.embedding import Embedder, split_sentences
from longtake.model.retrieval.embedding_corpus import CorpusWindows, WindowPlace
from longtake.pipeline.parse.lines import load_json
from longtake.pipeline.run.slots import Slots
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout

TEXT_EXTENSIONS = (".txt", ".jsonl")
_LINE_BYTES = 1 << 20  # most bytes of a line of a text file


@dataclass(frozen=True)
class VideoItem:
    """A video, or a window of one, cut to the model's size. Times in ms from the start of the source."""

    id: str
    source: str
    start_ms: int
    end_ms: int
    frames: Tensor  # (N, height, width, 3) uint8


@dataclass(frozen=True)
class TextItem:
    """A paragraph. It has times if it is from a corpus."""

    id: str
    source: str
    sentences: list[str]
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True)
class Failure:
    """An input that could not be embedded, and why. `id` names the piece of the source; empty: all of it."""

    source: str
    id: str
    reason: str
    detail: str = ""


Item = VideoItem | TextItem | Failure
Items = Callable[[], Iterable[Item]]


def items_of(
    inputs: Iterable[str], embedder: Embedder, sampling: Sampling, slots: Slots, split: str | None = None
) -> Iterator[Item]:
    """Yield the items of all inputs, in order. Raises CorpusError for a missing input."""
    found = list(itertools.chain.from_iterable(map(_expanded, inputs)))
    jobs = itertools.chain.from_iterable(_jobs(source, embedder, sampling, slots, split) for source in found)
    return in_order(jobs, slots.size)


def _expanded(source: str) -> list[str]:
    """Return the input itself, or, for a folder that is no corpus, the videos and texts directly in it."""
    if storage.is_file(source) or storage.is_file(Layout(source).manifest):
        return [source]
    inside = [p for p in storage.list_files(source) if p.lower().endswith((*EXTENSIONS, *TEXT_EXTENSIONS))]
    if not inside:
        known = " ".join(sorted((*EXTENSIONS, *TEXT_EXTENSIONS)))
        raise CorpusError(f"{source}: not a file, a finished corpus, or a folder with files that can be used ({known})")
    return inside


def _jobs(source: str, embedder: Embedder, sampling: Sampling, slots: Slots, split: str | None) -> Iterator[Items]:
    if storage.is_file(Layout(source).manifest):
        yield from _corpus_jobs(source, embedder, split)
    elif source.lower().endswith(TEXT_EXTENSIONS):
        yield partial(text_items, source)
    else:
        yield partial(video_items, source, embedder, sampling, slots)


# -- corpora -----------------------------------------------------------------------------------------------------------


def _corpus_jobs(source: str, embedder: Embedder, split: str | None) -> Iterator[Items]:
    windows = CorpusWindows(source, embedder.size, split)
    for shard in windows.shards:
        try:
            places = list(windows.places(shard))
        except LoaderError as error:
            yield partial(list, [Failure(source, shard, "unreadable", str(error))])
            continue
        for place in places:
            yield partial(_corpus_items, windows, place)


def _corpus_items(windows: CorpusWindows, place: WindowPlace) -> list[Item]:
    try:
        window = windows.read(place)
    except DamagedSample as damage:
        name = f"{place.key} sentences {place.first + 1} to {place.last}"
        return [Failure(windows.corpus, name, f"damaged_{damage.reason}", damage.detail)]
    where = windows.corpus, window.start_ms, window.end_ms
    text = TextItem(window.key, where[0], window.sentences, *where[1:])
    return [VideoItem(window.key, *where, window.frames), text]


# -- videos ------------------------------------------------------------------------------------------------------------


def video_items(source: str, embedder: Embedder, sampling: Sampling, slots: Slots) -> Iterator[Item]:
    """Yield the windows of a video file; their id is its name without the extension."""
    name = posixpath.splitext(posixpath.basename(source))[0]
    try:
        for window in video_windows(source, sampling, slots):
            if window.reason is not None:
                at = f"{name} {window.start_ms} to {window.end_ms} ms"
                yield Failure(source, at, window.reason.value, window.detail)
            else:
                frames = embedder.prepare_jpegs(window.jpegs)
                yield VideoItem(name, source, window.start_ms, window.end_ms, frames)
    except SourceError as error:
        yield Failure(source, "", error.reason.value, error.detail)


# -- texts -------------------------------------------------------------------------------------------------------------


def text_items(source: str) -> Iterator[Item]:
    """Yield the paragraphs of a text file.

    .txt: one on each line, split into sentences after . ! and ?; blank lines are skipped; the id is file:line.
    .jsonl: {"id", "sentences": [...]}, unchanged, or {"id", "text": "..."}, split as above unless it is a list; without id:
    file:line.
    """
    name = posixpath.basename(source)
    try:
        with storage.open_read(source) as stream:
            for number, data in _lines(stream):
                yield _text(source, f"{name}:{number}", data)
    except OSError as error:
        yield Failure(source, "", "unreadable", str(error))


def _text(source: str, place: str, data: bytes) -> Item:
    if len(data) > _LINE_BYTES:
        return Failure(source, place, "malformed", f"a line of more than {_LINE_BYTES} bytes")
    try:
        if source.lower().endswith(".txt"):
            return TextItem(place, source, split_sentences(data.decode("utf-8-sig")))
        record = load_json(data)
    except ValueError as error:
        return Failure(source, place, "malformed", str(error))
    if not isinstance(record, dict) or ("sentences" in record) == ("text" in record):
        return Failure(source, place, "malformed", 'must be {"id", "sentences": [...]} or {"id", "text": "..."}')
    found = record.get("sentences", record.get("text"))
    texts = split_sentences(found) if isinstance(found, str) and "text" in record else found
    if not isinstance(texts, list) or not all(map(is_text, texts)):
        return Failure(source, place, "malformed", "sentences is not a list of texts, or text not a text")
    texts = [text for text in texts if text.strip()]
    own = record.get("id", place)
    if not texts or not isinstance(own, str | int):
        return Failure(source, place, "no_text" if not texts else "malformed", "" if not texts else "id is not a text")
    return TextItem(str(own), source, texts)


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each line that is not blank, without its end; of a line that is too long, the first bytes."""
    number = 0
    while data := stream.readline(_LINE_BYTES + 1):
        number += 1
        data = data.removesuffix(b"\n")
        if len(data) > _LINE_BYTES:
            while rest := stream.readline(_LINE_BYTES):
                if rest.endswith(b"\n"):
                    break
        if data.strip():
            yield number, data
