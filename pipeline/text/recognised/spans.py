"""Recognised words into spans that the input gives, as HD-VILA does: a word belongs where its middle lies."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from longtake.pipeline.parse.manifest import ClipSpan
from longtake.pipeline.parse.texts import clean_text
from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.sentences.stream import Stream, join_lines
from longtake.schemas.records import Sentence
from longtake.schemas.words import word_spans


def fill_spans(cues: Sequence[Cue], clips: Sequence[ClipSpan]) -> tuple[list[Sentence], int]:
    """Return a sentence for each clip in which a word lies, with the id and the span of the clip; and the number of words outside
    all clips. Where clips overlap, a word goes to the one that started last."""
    in_order = sorted(clips, key=lambda clip: (clip.start_ms, -clip.end_ms, clip.clip_id))
    starts = [clip.start_ms for clip in in_order]
    longest = max((clip.end_ms - clip.start_ms for clip in clips), default=0)
    stream = Stream(cues, max_pause_ms=0)
    said: dict[int, list[tuple[int, int]]] = defaultdict(list)
    outside = 0
    for start, end, middle_ms in _words(stream):
        at = bisect_right(starts, middle_ms) - 1
        while at >= 0 and in_order[at].end_ms <= middle_ms and middle_ms - starts[at] < longest:
            at -= 1
        if at >= 0 and in_order[at].end_ms > middle_ms:
            said[at].append((start, end))
        else:
            outside += 1
    sentences = [
        Sentence(clip.clip_id, clip.start_ms, clip.end_ms, text)
        for at, clip in enumerate(in_order)
        if (text := _text(stream, said[at]))
    ]
    return sentences, outside


def _words(stream: Stream) -> Iterator[tuple[int, int, int]]:
    """Yield [start, end) of each word in the stream's text, and the middle of its time in ms."""
    for start, end in word_spans(stream.text):
        yield start, end, (stream.start_of(start)[0] + stream.end_of(end)[0]) // 2


def _text(stream: Stream, words: Sequence[tuple[int, int]]) -> str:
    """The words with what is between neighbours: a space, or nothing in scripts without spaces."""
    parts: list[str] = []
    last: int | None = None
    for start, end in words:
        if last is not None:
            between = stream.text[last:start]
            parts.append(between if not any(map(str.isalnum, between)) else " ")
        parts.append(stream.text[start:end])
        last = end
    return clean_text(join_lines("".join(parts)))
