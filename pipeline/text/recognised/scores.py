"""Scores of recognised speech: by segment, as the model gives them, and for a span of time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from longtake.schemas.records import SpeechScores, compact

_SCORES = ("avg_logprob", "no_speech_prob", "compression_ratio")


@compact
@dataclass(frozen=True, slots=True)
class HeardSpeech:
    """The scores of the recognised speech of a video. `segments` are (start_ms, end_ms, mean log probability, probability of
    silence, compression ratio); `language` and its probability those of the video. Speech that was only compared with a
    transcript has no segments; `agreement` is the share of the transcript's words that were recognised too."""

    segments: tuple[tuple[int, int, float, float, float], ...] = ()
    language: str | None = None
    language_probability: float | None = None
    agreement: float | None = None

    def between(self, start_ms: int, end_ms: int) -> SpeechScores:
        """The scores of a span: means over its parts of segments, by time."""
        parts = [(min(s[1], end_ms) - max(s[0], start_ms), s[2:]) for s in self.segments]
        inside = [(ms, scores) for ms, scores in parts if ms > 0]
        whole = sum(ms for ms, _ in inside)
        logprob, silence, compression = (
            sum(ms * scores[i] for ms, scores in inside) / whole if whole else None for i in range(len(_SCORES))
        )
        return SpeechScores(logprob, silence, compression, self.language, self.language_probability, self.agreement)


def heard_speech(recognised: dict[str, Any]) -> HeardSpeech:
    """The scores in a stored transcript."""
    return HeardSpeech(
        tuple(_segments(recognised.get("segments", ()))),
        recognised.get("language"),
        recognised.get("language_probability"),
    )


def _segments(segments: Iterable[dict[str, Any]]) -> Iterable[tuple[int, int, float, float, float]]:
    for segment in segments:
        logprob, silence, compression = (float(segment[name]) for name in _SCORES)
        yield round(1000 * segment["start"]), round(1000 * segment["end"]), logprob, silence, compression
