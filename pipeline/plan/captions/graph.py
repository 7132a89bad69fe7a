"""Captions in the plan graph: after filters and duplicates, so that dropped long clips get no captions.

Long clips pass through Beam's RunInference. Nothing is shuffled: a video keeps its long clips, and they keep the ids and times of
their sentences.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference

from longtake.pipeline.plan.captions.model import CAPTION_MODEL, Answer, CaptionModel
from longtake.pipeline.plan.captions.parse import parse
from longtake.pipeline.plan.captions.prompt import render
from longtake.pipeline.plan.video import PlannedVideo
from longtake.pipeline.read.rows import DROPS, Dropped, drop
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas.config import CorpusConfig
from longtake.schemas.printable import printable
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip

_CLIPS = 16  # in a batch, for each prompt that the model answers at a time: so prompts of most lengths fill its batches
_SHOWN = 80  # characters of an answer in a note


@dataclass(frozen=True, slots=True)
class CaptionedVideo:
    """A video whose long clips have captions, and a note for each long clip without captions."""

    video: PlannedVideo
    notes: tuple[Drop, ...] = ()


class WriteCaptions(beam.PTransform):
    """Takes PlannedVideo; gives the same with captions as `videos`, and as `DROPS` notes on long clips that keep the speech."""

    def __init__(self, config: CorpusConfig) -> None:
        super().__init__()
        self._config = config

    def expand(self, videos: Any) -> Any:
        captioned = videos | "Caption" >> RunInference(Captioner(self._config))
        return captioned | "Notes" >> beam.FlatMap(_apart).with_outputs(DROPS, main="videos")


def prepare_captions(config: CorpusConfig) -> WriteCaptions:
    """Return the step for the plan graph. Raises ConfigError if the model cannot be loaded."""
    CAPTION_MODEL.get(config)
    return WriteCaptions(config)


class Captioner(ModelHandler[PlannedVideo, CaptionedVideo, Callable[[], CaptionModel]]):
    """Writes the captions of videos."""

    def __init__(self, config: CorpusConfig) -> None:
        clips = _CLIPS * config.captions.batch_size
        super().__init__(min_batch_size=clips, max_batch_size=clips, element_size_fn=_size)
        self._config = config

    def load_model(self) -> Callable[[], CaptionModel]:
        return partial(CAPTION_MODEL.get, self._config)  # RunInference may pickle it

    def run_inference(
        self,
        batch: Sequence[PlannedVideo],
        model: Callable[[], CaptionModel],
        inference_args: dict[str, Any] | None = None,
    ) -> list[CaptionedVideo]:
        if not batch:
            return []  # Beam sends an empty batch before a video with more long clips than a batch holds
        found = write_captions(batch, model(), self._config.captions.prompt)
        PROGRESS.advance("writing captions", sum(map(_size, batch)), "long clip")
        return found

    def get_num_bytes(self, batch: Sequence[PlannedVideo]) -> int:
        return sum(len(clip.paragraph) for video in batch for clip in video.clips)  # Beam's default pickles the batch

    def get_metrics_namespace(self) -> str:
        return "Caption"


def write_captions(videos: Sequence[PlannedVideo], model: CaptionModel, template: str) -> list[CaptionedVideo]:
    """Return the videos with captions. A clip has captions for all its sentences, or keeps the speech and gets a note."""
    special = model.special
    prompts = {clip: render(template, clip, special) for video in videos for clip in video.clips}
    distinct = sorted(set(prompts.values()))
    answers = dict(zip(distinct, model.answer(distinct), strict=True))
    found = []
    for video in videos:
        clips, notes = [], []
        for clip in video.clips:
            try:
                clips.append(captioned(clip, answers[prompts[clip]], template))
            except ValueError as error:
                clips.append(clip)
                notes.append(_note(clip, str(error)))
        found.append(CaptionedVideo(replace(video, clips=tuple(clips)), tuple(notes)))
    return found


def captioned(clip: LongClip, answer: Answer, template: str) -> LongClip:
    """Put the captions of an answer into a clip; the speech stays in `asr`. Raises ValueError if the answer is not usable."""
    if answer.problem is not None:
        raise ValueError(_quoted(answer.problem, answer.text))
    try:
        captions = parse(answer.text, clip, template)
    except ValueError as error:
        raise ValueError(_quoted(str(error), answer.text)) from None
    pairs = zip(clip.sentences, captions, strict=True)
    return replace(clip, sentences=tuple(replace(s, text=text, asr=s.text) for s, text in pairs))


def _quoted(problem: str, text: str) -> str:
    start = printable(" ".join(text.split()), _SHOWN)
    return f"{problem}; the model wrote '{start}'" if start else problem


def _note(clip: LongClip, problem: str) -> Drop:
    detail = f"keeps what was said: {problem}"
    return Drop(clip.video.video_id, Subject.NOTE, clip.key, Stage.CAPTION, Reason.NOT_REWRITTEN, detail)


def _apart(found: CaptionedVideo) -> Iterator[PlannedVideo | Dropped]:
    yield found.video
    yield from map(drop, found.notes)


def _size(video: PlannedVideo) -> int:
    return len(video.clips)
