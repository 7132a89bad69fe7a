"""Saved embeddings: embeddings/part-*.parquet beside the plan, looked up by video, clip id, text and model.

A video's id decides its part, and rows are sorted by video id, so a look-up reads a few rows of one file.
"""

import hashlib
from collections.abc import Container, Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.merge.coherence import Embeddings
from longtake.pipeline.read.rows import VideoText
from longtake.schemas import storage, tables
from longtake.schemas.keys import hash64
from longtake.schemas.layout import part_name

_PARTS = 256
_ROWS_PER_GROUP = 1024
_MODEL = b"model"


def part_of(video_id: str) -> int:
    """The number of the part that holds a video."""
    return hash64(video_id) * _PARTS >> 64


def saved_parts(folder: str, model: str) -> frozenset[str]:
    """The files in `folder` with embeddings of the model with this digest."""
    found = set()
    for path in storage.list_files(folder, ".parquet"):
        try:
            with storage.open_table(path) as stream:
                metadata = pq.read_schema(stream).metadata or {}
        except (OSError, pa.ArrowException):
            continue  # a saved file only saves work
        if metadata.get(_MODEL) == model.encode():
            found.add(path)
    return frozenset(found)


def look_up(video: VideoText, folder: str, parts: frozenset[str]) -> VideoText:
    """Return the video with the saved embeddings of its texts. Rows that are not saved are NaN; if none is saved, `embeddings` is
    None."""
    path = storage.join(folder, part_name(part_of(video.video.video_id)))
    if path not in parts:
        return video
    try:
        rows = storage.read_parquet(path, filters=[("video_id", "=", video.video.video_id)])
        vectors = _vectors(rows["embedding"])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return video
    known = {
        key: row
        for row, key in enumerate(zip(rows["clip_id"].to_pylist(), rows["text_sha256"].to_pylist(), strict=True))
    }
    found = [known.get((sentence.clip_id, text_digest(sentence.text)), -1) for sentence, _ in video.sentences]
    if all(row < 0 for row in found):
        return video
    embeddings = vectors[found]
    embeddings[[row < 0 for row in found]] = np.nan
    return replace(video, embeddings=embeddings)


def _vectors(column: pa.ChunkedArray) -> Embeddings:
    column = column.combine_chunks()
    return np.asarray(pc.list_flatten(column)).reshape(len(column), column.type.list_size)


def write_embeddings(element: tuple[int, Iterable[VideoText]], folder: str, model: str) -> int:
    """Write one part in place of the old one. Returns the number of its rows."""
    number, videos = element[0], sorted(element[1], key=lambda v: v.video.video_id)
    names, clips, digests, vectors = [], [], [], []
    for video in videos:
        if video.embeddings is None:
            continue
        for (sentence, _), vector in sorted(zip(video.sentences, video.embeddings, strict=True), key=_clip_id):
            names.append(video.video.video_id)
            clips.append(sentence.clip_id)
            digests.append(text_digest(sentence.text))
            vectors.append(vector)
    if not vectors:
        return 0
    flat = pa.array(np.concatenate(vectors))
    columns = [
        pa.array(names),
        pa.array(clips),
        pa.array(digests, pa.binary(32)),
        pa.FixedSizeListArray.from_arrays(flat, len(vectors[0])),
    ]
    schema = tables.embeddings(len(vectors[0])).with_metadata({_MODEL: model.encode()})
    path = storage.join(folder, part_name(number))
    storage.write_parquet(path, pa.Table.from_arrays(columns, schema=schema), _ROWS_PER_GROUP)
    return len(vectors)


def _clip_id(row: tuple[tuple[object, object], object]) -> str:
    return str(getattr(row[0][0], "clip_id"))  # noqa: B009


def text_digest(text: str) -> bytes:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def without_videos(
    path: str, videos: Container[str], folder: str, sentences: Container[tuple[str, str]] = frozenset()
) -> int:
    """Write a file of embeddings to `folder` without the rows of some videos, and of some `sentences` by video id and clip id.
    Returns the number of these rows. An unreadable file is not written: it only saves work."""
    try:
        found = storage.read_parquet(path)
        pairs = list(zip(found["video_id"].to_pylist(), found["clip_id"].to_pylist(), strict=True))
    except (*storage.PARQUET_ERRORS, KeyError) as error:
        storage.damage(error)
        return 0
    kept = found.filter(pa.array([pair[0] not in videos and pair not in sentences for pair in pairs], pa.bool_()))
    if len(kept):
        storage.write_parquet(storage.join(folder, path.rsplit("/", 1)[-1]), kept, _ROWS_PER_GROUP)
    return len(found) - len(kept)
