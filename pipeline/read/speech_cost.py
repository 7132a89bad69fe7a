"""What speech recognition will cost, before any work: hours of sound from the headers of the sources, and a rate from a trial."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.decode import SourceError
from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.manifest import ParsedVideo
from longtake.pipeline.read.by_video import records_of
from longtake.pipeline.read.found import found_for
from longtake.pipeline.read.line_source import read_lines
from longtake.pipeline.read.made_lines import is_made, lines_in_order
from longtake.pipeline.read.rows import keyed_video
from longtake.pipeline.read.speech import unheard
from longtake.pipeline.run.slots import Slots
from longtake.pipeline.run.sources import in_slot, local_source
from longtake.pipeline.speech.model import speech_settings
from longtake.pipeline.speech.saved import saved_speech
from longtake.pipeline.speech.work import speech_length, speech_slots, try_out
from longtake.schemas.config import CorpusConfig
from longtake.schemas.keys import hash64
from longtake.schemas.records import Drop

_MOST_LOOKED_AT = 1000  # videos; of more, a sample chosen by the hash of their ids
_TRIAL_S = 60.0
_TRIALS = 5  # sources that may fail before there is no rate


@dataclass(frozen=True, slots=True)
class SpeechCost:
    """The speech to recognise: `videos` of `of` videos, with `sound_s` seconds of sound. `looked_at` of them stand for all.

    `rate` is CPU seconds (on a GPU: seconds) for a second of sound, measured on `trial_s` seconds of the video `trial`; None if
    no source could be tried.
    """

    videos: int
    of: int
    looked_at: int
    sound_s: float
    rate: float | None = None
    trial: str = ""
    trial_s: float = 0.0

    @property
    def hours(self) -> float | None:
        """CPU-hours, on a GPU hours, for all; None without a rate."""
        return None if self.rate is None else self.rate * self.sound_s / 3600


def speech_cost(config: CorpusConfig, expected: int, workers: int) -> SpeechCost:
    """Look at the headers of the sources whose speech is needed and not stored, and recognise a minute of one of them.

    Args:
        config: a configuration that recognises speech.
        expected: about the number of videos in the manifest.
        workers: the slots; 0: one for each core.

    Raises:
        ConfigError: for a missing model or manifest.
    """
    share = min(1.0, _MOST_LOOKED_AT / max(expected, 1))
    chosen: dict[str, list[Line]] = defaultdict(list)
    lines = 0
    for name, line in _named_lines(config):
        lines += 1
        if hash64(name) < share * 2**64:
            chosen[name].append(line)
    files = found_for(chosen, config) if config.source.lists_files else {}
    slots, saved = speech_slots(config, workers), saved_speech(config)
    lengths: dict[str, int] = {}  # of sound in ms, by URI
    names: dict[str, str] = {}
    for name, of_video in chosen.items():
        for record in records_of(name, of_video, config, files.get(name)):
            if not isinstance(record, TaggedOutput) and unheard(record, config, saved):
                uri = config.resolve(record.video.uri)
                lengths[uri], names[uri] = speech_length(slots, uri, config.limits), name
    scale = (lines if share < 1 else len(chosen)) / max(len(chosen), 1)
    found = SpeechCost(
        round(len(lengths) * scale), round(len(chosen) * scale), len(chosen), sum(lengths.values()) * scale / 1000
    )
    longest = sorted((uri for uri, ms in lengths.items() if ms), key=lambda uri: (-lengths[uri], uri))[:_TRIALS]
    return _with_rate(found, longest, names, config, slots)


def _named_lines(config: CorpusConfig) -> Iterator[tuple[str, Line]]:
    """The lines about videos with the ids of the videos."""
    if is_made(config):
        yield from (found for found in lines_in_order(config) if not isinstance(found, Drop))
        return
    for line in read_lines(config.resolve(config.source.videos)):
        name, parsed = keyed_video(line, config.source.uri_template, False)
        if isinstance(parsed, ParsedVideo):
            yield name, line


def _with_rate(
    cost: SpeechCost, uris: list[str], names: dict[str, str], config: CorpusConfig, slots: Slots
) -> SpeechCost:
    settings, limits = speech_settings(config), config.limits
    for uri in uris:
        try:
            with local_source(uri, limits) as path:
                sound_s, took_s = in_slot(slots, limits.speech_seconds, try_out, path, settings, limits, _TRIAL_S)
        except SourceError:
            continue
        if sound_s:
            return replace(cost, rate=took_s / sound_s, trial=names[uri], trial_s=sound_s)
    return cost
