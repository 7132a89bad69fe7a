"""Speech recognition in the plan graph: it ends before any text is read, and leaves transcripts in staging/ (speech/saved.py).

Of the lines of the manifest come the sources whose speech is needed and not stored yet; each is an element of its own, so that
long and short ones spread over all workers.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.decode import SourceError
from longtake.pipeline.parse.manifest import ParsedVideo
from longtake.pipeline.read.buckets import ReadContext
from longtake.pipeline.read.by_video import lines_of, records_of
from longtake.pipeline.read.found import found_of
from longtake.pipeline.run import metrics
from longtake.pipeline.run.batches import Batch
from longtake.pipeline.run.concurrent import Concurrent
from longtake.pipeline.run.dataflow import speech_hints
from longtake.pipeline.run.progress import HOURS, PROGRESS
from longtake.pipeline.run.sources import Version
from longtake.pipeline.run.worker import begin_work
from longtake.pipeline.speech.model import check_model, speech_settings
from longtake.pipeline.speech.saved import SavedSpeech, describe, is_described, saved_speech
from longtake.pipeline.speech.work import hear, speech_length, speech_slots
from longtake.pipeline.text.own_text import needs_speech
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.records import SourceVideo
from longtake.schemas.versions import versions

HEARING = "recognising"  # the phase of the progress line
_MS = 3_600_000


class HearSpeech(beam.PTransform):
    """Takes the lines of the manifest by bucket and gives an element for each source whose speech was recognised now."""

    def __init__(self, context: ReadContext, workers: int) -> None:
        super().__init__()
        self._config, self._workers = context.config, workers

    def expand(self, lines: Any) -> Any:
        PROGRESS.expect(HEARING, 0, HOURS)
        hints = speech_hints(lines.pipeline.options)
        return (
            lines
            | "Records" >> beam.GroupByKey()
            | "Without transcript" >> beam.ParDo(Concurrent(_FindSources(self._config, self._workers), self._workers))
            | "Spread" >> beam.Reshuffle()
            | "Recognise"
            >> beam.ParDo(Concurrent(_HearSource(self._config, self._workers), self._workers)).with_resource_hints(
                **hints
            )
        )


def prepare_hearing(config: CorpusConfig, workers: int) -> None:
    """Load the model once, in a slot, so that one that does not work is an error before any work. Raises ConfigError.

    A model by which speech was stored has been loaded before.
    """
    settings, saved = speech_settings(config), saved_speech(config)
    if not is_described(saved):
        speech_slots(config, workers).run(config.limits.speech_seconds, check_model, settings)
        describe(saved, settings)


def unheard(record: ParsedVideo, config: CorpusConfig, saved: SavedSpeech) -> bool:
    """Whether the speech of a record is needed and has no stored transcript; a failure counts as none."""
    if not record.usable or not needs_speech(record, config):
        return False
    uri = config.resolve(record.video.uri)
    version = _version_of(uri)
    if version is None:
        return False  # its reader meets the same error
    found = saved.find(uri, version)
    return found is None or isinstance(found, SourceError)


def _version_of(uri: str) -> Version | None:
    try:
        return storage.size_and_tag(uri)
    except OSError:
        return None


class _FindSources(beam.DoFn):
    """Takes a bucket of lines; gives the videos to hear, with the length of their sound in ms by the header."""

    def __init__(self, config: CorpusConfig, workers: int) -> None:
        self._config, self._workers = config, workers

    def setup(self) -> None:
        self._slots = speech_slots(self._config, self._workers)
        self._saved = saved_speech(self._config)

    def process(self, element: tuple[int, Iterable[Batch]]) -> Iterator[tuple[SourceVideo, int]]:
        batches = list(element[1])
        files = found_of(batches, self._config)
        for name, lines in lines_of(batches).items():
            for record in records_of(name, lines, self._config, files.get(name)):
                if isinstance(record, TaggedOutput) or not unheard(record, self._config, self._saved):
                    continue
                length_ms = speech_length(self._slots, self._config.resolve(record.video.uri), self._config.limits)
                PROGRESS.expect(HEARING, length_ms / _MS)
                yield record.video, length_ms


class _HearSource(beam.DoFn):
    """Takes a video and the length of its sound in ms, and stores its transcript, or why there is none."""

    def __init__(self, config: CorpusConfig, workers: int) -> None:
        self._config, self._workers, self._versions = config, workers, versions()

    def setup(self) -> None:
        begin_work(self._versions)
        self._slots = speech_slots(self._config, self._workers)
        self._settings, self._saved = speech_settings(self._config), saved_speech(self._config)

    def process(self, element: tuple[SourceVideo, int]) -> Iterator[None]:
        video, length_ms = element
        uri, limits = self._config.resolve(video.uri), self._config.limits
        PROGRESS.advance(HEARING, 0)  # the clock of the phase starts with the first one
        with metrics.timed("hear", "source_ms"):
            fresh = hear(self._slots, self._saved, self._settings, uri, length_ms, limits)
        PROGRESS.advance(HEARING, length_ms / _MS)
        metrics.count("hear", sources=1, reused=int(not fresh), sound_ms=length_ms)
        yield None
