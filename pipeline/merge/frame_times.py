"""The times of the frames of a long clip.

The data loader of LF-VILA takes n frames of a clip of T frames at idx_k = floor(k * T / n), k = 0..n-1. This is the same rule in
milliseconds, sentence by sentence. So any window of consecutive sentences is a training sample. Downstream tasks take frames
spread over the whole video instead.
"""

from collections.abc import Sequence

from longtake.schemas.config import Frames
from longtake.schemas.records import Sentence


def frame_times_ms(sentences: Sequence[Sentence], per_sentence: int) -> tuple[int, ...]:
    """The times of the frames, in milliseconds: floor(start + k * (end - start) / per_sentence) of each sentence.

    If the sentences are in order and do not overlap, the times never fall. Two are equal only if a sentence has fewer
    milliseconds than frames. Raises ValueError for per_sentence < 1.
    """
    if per_sentence < 1:
        raise ValueError(f"per_sentence is {per_sentence}, and must be at least 1")
    steps, times = range(per_sentence), list[int]()
    for sentence in sentences:
        start, length = sentence.start_ms, sentence.end_ms - sentence.start_ms
        times += [start + k * length // per_sentence for k in steps]
    return tuple(times)


def spread_ms(start_ms: int, end_ms: int, number: int) -> tuple[int, ...]:
    """The times of `number` frames spread over [start, end), the first and the last moment among them, in whole milliseconds.

    floor(start + k * (end - 1 - start) / (number - 1)) for k = 0 .. number - 1. Of T frames of equal length these are frames
    floor(linspace(0, T - 1, number)), or the next ones. Raises ValueError for number < 1.
    """
    if number < 1:
        raise ValueError(f"{number} frames; there must be at least 1")
    length, steps = end_ms - 1 - start_ms, max(number - 1, 1)
    return tuple(start_ms + k * length // steps for k in range(number))


def clip_frame_times_ms(sentences: Sequence[Sentence], frames: Frames) -> tuple[int, ...]:
    """The times of the frames of a long clip by the configuration: of each sentence, or spread over all of it."""
    if frames.uniform is None:
        return frame_times_ms(sentences, frames.per_sentence)
    return spread_ms(sentences[0].start_ms, sentences[-1].end_ms, frames.uniform)


def frame_sentence(n_sentences: int, per_sentence: int) -> tuple[int, ...]:
    """For each frame, the index of its sentence."""
    return tuple(sentence for sentence in range(n_sentences) for _ in range(per_sentence))
