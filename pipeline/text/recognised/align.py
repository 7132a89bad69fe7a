"""The words of a transcript and recognised words, matched in order: word times for the transcript, and whether the two agree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from longtake.pipeline.parse.transcripts.cue import Cue, Word, spoken_ms
from longtake.pipeline.text.sentences.stream import Stream
from longtake.schemas.extras import check_package
from longtake.schemas.words import word_spans

#: Words in a row that must match. Two texts in one language share words, and some pairs of words, in the same order by chance.
_RUN = 3


@dataclass(frozen=True, slots=True)
class _TimedWord:
    """A word in the text of a stream, as it is compared, and its time in ms."""

    start: int
    end: int
    key: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Matching:
    """The words of a transcript, those that were heard, and pairs (number of the word, number of the heard word) in order."""

    words: tuple[_TimedWord, ...]
    heard: tuple[_TimedWord, ...]
    pairs: tuple[tuple[int, int], ...]
    stream: Stream

    @property
    def agreement(self) -> float:
        """The share of the words of the transcript that were heard; 0 without words."""
        return len(self.pairs) / len(self.words) if self.words else 0.0


def match_words(cues: Sequence[Cue], heard: Sequence[Cue]) -> Matching:
    """Match the words of a transcript with the recognised ones: by the fewest changes from one to the other, and of these matches
    those of at least three words in a row."""
    check_package("source.text.align", "rapidfuzz", "asr")
    from rapidfuzz.distance import Levenshtein

    stream = Stream(cues, max_pause_ms=0)
    words, sounds = _timed_words(stream), _timed_words(Stream(heard, max_pause_ms=0))
    found: Any = Levenshtein.opcodes([word.key for word in words], [word.key for word in sounds])
    pairs: list[tuple[int, int]] = []
    for part in found:
        if part.tag == "equal" and part.src_end - part.src_start >= _RUN:
            pairs += zip(range(part.src_start, part.src_end), range(part.dest_start, part.dest_end), strict=True)
    return Matching(words, sounds, tuple(pairs), stream)


def _timed_words(stream: Stream) -> tuple[_TimedWord, ...]:
    made = []
    for start, end in word_spans(stream.text):
        key = "".join(filter(str.isalnum, stream.text[start:end].casefold()))
        made.append(_TimedWord(start, end, key, stream.start_of(start)[0], stream.end_of(end)[0]))
    return tuple(made)


def timed_cues(matching: Matching) -> list[Cue]:
    """Give the words of a transcript the times at which they were heard.

    Between two matched words, the times of the others are interpolated by their places in the cues; before the first and after
    the last one, they keep their distance from it. These words are `guessed`. A cue lasts as long as its words. Without any match
    the cues stay as they are.
    """
    cues = matching.stream.cues
    if not matching.pairs:
        return list(cues)
    known = {at: matching.heard[to] for at, to in matching.pairs}
    starts = _sound_times(matching)
    by_cue: list[list[int]] = [[] for _ in cues]
    for number, word in enumerate(matching.words):
        by_cue[matching.stream.cue_at(word.start)].append(number)
    made = []
    for cue, offset, numbers in zip(cues, matching.stream.offsets, by_cue, strict=True):
        words: list[Word] = []
        guessed: list[int] = []
        for place, number in enumerate(numbers):
            word = matching.words[number]
            at = word.start - offset if place else 0  # marks before the first word belong to it
            start = starts[number]
            until = starts[number + 1] if number + 1 < len(starts) else None
            if number in known:
                end = known[number].end_ms
            else:
                end = start + spoken_ms(word.key)
                guessed.append(at)
            words.append((at, start, max(start, end if until is None else min(end, until))))
        if words:
            cue = replace(
                cue,
                start_ms=words[0][1],
                end_ms=max(words[-1][2], words[0][1] + 1),
                words=tuple(words),
                guessed=tuple(guessed),
            )
        made.append(cue)
    return made


def _sound_times(matching: Matching) -> list[int]:
    """When each word starts to be said, in ms; the times never fall."""
    written = np.array([word.start_ms for word in matching.words], float)
    places = [at for at, _ in matching.pairs]
    said = np.array([matching.heard[to].start_ms for _, to in matching.pairs], float)
    # By the time in the transcript and, where cues are said at once, by the order of the words: np.interp wants rising places.
    order = np.maximum.accumulate(written) + np.arange(len(written)) * 1e-3
    times = np.interp(order, order[places], said)
    first, last = places[0], places[-1]
    times[:first] = said[0] + order[:first] - order[first]
    times[last + 1 :] = said[-1] + order[last + 1 :] - order[last]
    times[places] = said
    return [int(time) for time in np.maximum.accumulate(np.maximum(np.rint(times), 0))]
