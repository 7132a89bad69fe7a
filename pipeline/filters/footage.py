"""Scores from the header of a long clip's source: size, shape and sound; and the length of the long clip."""

from longtake.pipeline.decode import Probe
from longtake.schemas.records import LongClip


def seconds(clip: LongClip) -> float:
    """The length of the clip in seconds."""
    return (clip.end_ms - clip.start_ms) / 1000


def short_side(facts: Probe) -> float:
    """The shorter side of the source's picture, in pixels."""
    return min(facts.source.width, facts.source.height)


def aspect(facts: Probe) -> float:
    """The longer side of the picture divided by the shorter. So it does not matter how a phone was held: a header does not tell
    rotations."""
    return max(facts.source.width, facts.source.height) / max(1, short_side(facts))


def audio(clip: LongClip, facts: Probe) -> float:
    """Share of the speaking time in which the source has an audio stream, by its header. Speech without sound means that the
    transcript belongs to something else."""
    if facts.audio_ms is None:
        return 0.0
    start, end = facts.audio_ms
    spoken = sum(s.end_ms - s.start_ms for s in clip.sentences)
    heard = sum(max(0, min(s.end_ms, end) - max(s.start_ms, start)) for s in clip.sentences)
    return heard / spoken
