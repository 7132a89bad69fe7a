"""Plans plain videos by columns whose transcripts were read one by one: many of them at a time, as tables."""

import logging
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import apache_beam as beam
import pyarrow as pa

from longtake.pipeline.plan.plain import needs_only_sentences, outputs_of, plan_plain
from longtake.pipeline.read.by_clip import VIDEOS
from longtake.pipeline.read.rows import VideoText
from longtake.pipeline.run.batches import Batches
from longtake.pipeline.run.concurrent import windowed
from longtake.pipeline.run.events import is_logged
from longtake.schemas.config import CorpusConfig

_SENTENCES = 8192  # that become tables together
_SAID = pa.schema(
    [
        ("video_id", pa.string()),
        ("clip_id", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("text", pa.string()),
        ("timing", pa.string()),
        ("speaker", pa.string()),
    ]
)
_SAYS = attrgetter(*_SAID.names[1:])


def has_plain_texts(config: CorpusConfig, probe: str) -> bool:
    """Whether transcripts of this configuration can be planned by columns."""
    text = config.source.text
    reads_only = text.is_transcript and not text.hears and config.frames.uniform is None
    return reads_only and needs_only_sentences(config, probe)


class PlanTexts(beam.DoFn):
    """Takes VideoText; gives those that are not plain. ROWS, LEDGER, TALLY: of the others."""

    def __init__(self, config: CorpusConfig, batches: Batches) -> None:
        self._config, self._batches = config, batches

    def start_bundle(self) -> None:
        self._waiting: list[VideoText] = []
        self._number = 0

    def process(self, element: VideoText) -> Iterator[Any]:
        if is_logged(logging.DEBUG):  # there is an event for each video
            yield element
            return
        self._waiting.append(element)
        self._number += len(element.sentences)
        if self._number >= _SENTENCES:
            yield from self._planned()

    def finish_bundle(self) -> Iterator[Any]:
        yield from map(windowed, self._planned())

    def _planned(self) -> Iterator[Any]:
        waiting, self._waiting, self._number = self._waiting, [], 0
        if not waiting:
            return
        found = plan_plain(*tables_of(waiting), self._config)
        others = frozenset(found.other_videos["video_id"].to_pylist())
        for element in waiting:
            if element.video.video_id in others:
                yield element
            else:
                found.tally.update({("cleaned", step): number for step, number in element.removals})
        yield from outputs_of(found, self._config, self._batches)


def tables_of(texts: Sequence[VideoText]) -> tuple[pa.Table, pa.Table]:
    """The videos, and the sentences of all, as tables."""
    videos = [text.video for text in texts]
    said = [sentence for text in texts for sentence, _ in text.sentences]
    columns = [
        [text.video.video_id for text in texts for _ in text.sentences],
        *zip(*map(_SAYS, said), strict=True),
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, _SAID, strict=True)]
    of_videos = [pa.array([getattr(video, name) for video in videos], pa.string()) for name in VIDEOS.names]
    return pa.Table.from_arrays(of_videos, schema=VIDEOS), pa.Table.from_arrays(arrays, schema=_SAID)
