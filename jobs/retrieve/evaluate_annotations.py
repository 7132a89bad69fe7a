"""The encoded videos and paragraphs of an annotation file, and the records that cannot be used."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from longtake.jobs.retrieve.ahead import in_order
from longtake.jobs.retrieve.video_frames import Sampling, SourceError, video_windows
from longtake.model.retrieval.annotations import Annotation, AnnotationProblem, Annotations, VideoFiles
from longtake.model.retrieval.embedding import Embedder
from longtake.model.retrieval.metrics import retrieval_metrics
from longtake.pipeline.run.slots import Slots


@dataclass(frozen=True)
class EncodedVideos:
    """Videos (V, C), paragraphs (P, C), and for each paragraph the number of its video."""

    videos: Tensor
    paragraphs: Tensor
    of_video: Tensor  # (P,) int64
    problems: list[AnnotationProblem]

    def metrics(self, records: int) -> dict[str, float]:
        """Measure retrieval in both directions; the best of a video's paragraphs counts. `records`: their number in the file.

        Clips and sentences are not compared: clips are stretches of equal length, and do not belong to sentences.
        """
        found = retrieval_metrics(self.paragraphs, self.videos, self.of_video, torch.arange(len(self.videos)))
        counts = {"records": records, "paragraphs": len(self.paragraphs), "videos": len(self.videos)}
        return found | {name: float(count) for name, count in counts.items()}


def encode(
    annotations: Annotations,
    files: VideoFiles,
    embedder: Embedder,
    slots: Slots,
    short_side: int,
    batch_size: int,
    sentences: int | None,
) -> EncodedVideos:
    """Encode every video that can be read, once, and every paragraph of it."""
    of_video: dict[str, list[Annotation]] = {}
    for record in annotations.records:
        of_video.setdefault(record.video_id, []).append(record)
    sampling = Sampling(embedder.frame_count, short_side=short_side)
    jobs = (partial(_frames, name, files, embedder, sampling, slots) for name in of_video)
    problems, usable, videos = list[AnnotationProblem](), list[str](), list[Tensor]()
    for batch in _batches(in_order(jobs, slots.size), batch_size, problems, of_video):
        videos.append(embedder.videos([frames for _, frames in batch]).video)
        usable += [name for name, _ in batch]
    texts = [(number, record.sentences) for number, name in enumerate(usable) for record in of_video[name]]
    parts = [texts[i : i + batch_size] for i in range(0, len(texts), batch_size)]
    nothing = torch.zeros(0, embedder.width)
    return EncodedVideos(
        videos=torch.cat([nothing, *videos]),
        paragraphs=torch.cat([nothing, *(embedder.texts([t for _, t in part], sentences).paragraph for part in parts)]),
        of_video=torch.tensor([number for number, _ in texts], dtype=torch.int64),
        problems=problems,
    )


def _frames(
    name: str, files: VideoFiles, embedder: Embedder, sampling: Sampling, slots: Slots
) -> list[tuple[str, Tensor | AnnotationProblem]]:
    """Return the prepared frames of a video, or its problem."""
    path = files.find(name)
    if path is None:
        return [(name, AnnotationProblem(name, "missing", f"no such file in {files.place}"))]
    try:
        window = next(iter(video_windows(path, sampling, slots)))
    except SourceError as error:
        return [(name, AnnotationProblem(name, "video", str(error)))]
    if window.reason is not None:
        return [(name, AnnotationProblem(name, "video", f"{window.reason.value}: {window.detail}"))]
    return [(name, embedder.prepare_jpegs(window.jpegs))]


def _batches(
    found: Iterable[tuple[str, Tensor | AnnotationProblem]],
    size: int,
    problems: list[AnnotationProblem],
    of_video: dict[str, list[Annotation]],
) -> Iterator[list[tuple[str, Tensor]]]:
    """Yield batches of usable videos. A problem with a video counts once for each of its paragraphs."""

    def sound() -> Iterator[tuple[str, Tensor]]:
        for name, value in found:
            if isinstance(value, AnnotationProblem):
                problems.extend([value] * len(of_video[name]))
            else:
                yield name, value

    stream = sound()
    while batch := list(itertools.islice(stream, size)):
        yield batch
