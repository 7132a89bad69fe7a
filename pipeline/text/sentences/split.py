"""Makes sentences from cues: by punctuation if there is any, else by pauses and length."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise, repeat

from longtake.pipeline.parse.texts import clean_text
from longtake.pipeline.parse.transcripts.cue import BREAK, Cue
from longtake.pipeline.text.languages import language_of
from longtake.pipeline.text.sentences.lengths import cut_lengths
from longtake.pipeline.text.sentences.punctuation import is_punctuated, sentence_ends
from longtake.pipeline.text.sentences.stream import CueEnds, Stream, join_lines, mark_line_ends
from longtake.schemas.records import Sentence, from_columns
from longtake.schemas.text_config import Sentences

_BREAKS = re.compile(BREAK)
_sentences_of = from_columns(Sentence)
_NOT_CLEAN = ("  ", "\n ", "\t", "\v", "\f", "\r", "\x1c", "\x1d", "\x1e", "\x1f")
_FINAL = ".?!\u3002\uff1f\uff01"


def take_cues(cues: Sequence[Cue]) -> list[Sentence]:
    """Make each cue a sentence with the span of the cue."""
    return [
        Sentence(
            c.cue_id,
            c.start_ms,
            c.end_ms,
            clean_text(join_lines(mark_line_ends(c.text))),
            "cue",
            speaker=c.speakers[0] if len(c.speakers) == 1 else None,
        )
        for c in cues
    ]


def split_sentences(
    cues: Sequence[Cue], settings: Sentences, punctuate: Callable[[str], dict[int, str]] | None = None
) -> list[Sentence]:
    """Return the sentences of a video in time order. Every character of the cues is in exactly one sentence.

    The id of a sentence comes from the cue in which it starts: `<cue id>` if it starts with the cue, else `<cue id>-<k>` for the
    k-th sentence with a part in that cue. `punctuate` returns the missing marks of a text without punctuation, by the offsets
    that they follow; see punctuation_model.
    """
    if not cues:
        return []
    stream = Stream(cues, settings.max_pause_ms)
    bare = not is_punctuated(stream.text)
    marks = punctuate(stream.text) if bare and punctuate is not None else {}
    return _sentences(stream, cut(stream, settings, bare, marks), marks)


def cut(stream: Stream, settings: Sentences, bare: bool, marks: dict[int, str]) -> list[int]:
    """Return the offsets in the stream's text at which sentences start, in order, and the offset of the text's end.

    `bare`: the text has no punctuation, so only `marks` or, without marks, pauses show the ends.
    """
    text = stream.text
    ends = sentence_ends(text, CueEnds(stream), partial(language_of, text))
    ends += [offset for offset, mark in marks.items() if mark in _FINAL]
    ends += [found.start() for found in _BREAKS.finditer(text)] if BREAK in text else []
    ends += stream.links()
    starts = [0]
    for offset in sorted(ends):
        while offset < len(text) and text[offset].isspace():
            offset += 1
        if offset > starts[-1]:
            starts.append(offset)
    if starts[-1] != len(text):
        starts.append(len(text))
    whole = [0]
    for start, end in pairwise(starts):
        whole += cut_lengths(stream, start, end, settings, bare and not marks)
        whole.append(end)
    return _with_letters(text, whole)


def _with_letters(text: str, starts: list[int]) -> list[int]:
    """Join a piece without letters and digits, which is no sentence, to the piece before it; at the start, to the next."""
    kept = [0]
    for start, end in pairwise(starts):
        if text[start].isalnum() or any(map(str.isalnum, text[start:end])):
            kept.append(end)
        elif len(kept) > 1:
            kept[-1] = end
    if len(kept) == 1:
        kept.append(starts[-1])
    return kept


def _sentences(stream: Stream, starts: list[int], marks: dict[int, str]) -> list[Sentence]:
    """The sentences of a stream that begin at `starts`, the last of which is the end of the text."""
    raws = [stream.text[start:end].rstrip() for start, end in pairwise(starts)]
    times = stream.times_of([(start, start + len(raw)) for start, raw in zip(starts, raws, strict=False)])
    if marks:
        raws = [_marked(raw, start, marks) for start, raw in zip(starts, raws, strict=False)]
    texts = raws if _are_clean(raws) else map(_cleaned, raws)
    begins, ends, timings = zip(*times, strict=True)
    starts_ms = list(accumulate(begins, max))  # if cues overlap, times in one may be after the start of the next
    ends_ms = map(max, ends, [start + 1 for start in starts_ms])
    speakers = map(stream.speaker_of, starts) if stream.speakers else repeat(None)
    return _sentences_of(_names(stream, starts), starts_ms, ends_ms, texts, timings, repeat(None), speakers)


def _are_clean(raws: list[str]) -> bool:
    """Whether _cleaned would change none of these texts, which have no blank at the end."""
    whole = "\n" + "\n".join(raws)
    return whole.isascii() and not any(map(whole.__contains__, _NOT_CLEAN)) and whole.count("\n") == len(raws)


def _cleaned(raw: str) -> str:
    text = join_lines(raw)
    return text if text.isascii() else clean_text(text)


def _names(stream: Stream, starts: list[int]) -> list[str]:
    """The id of each sentence."""
    out: list[str] = []
    parts: dict[int, int] = {}  # sentences with a part in a cue
    offsets = stream.offsets
    for start, end in pairwise(starts):
        number = bisect_right(offsets, start) - 1
        parts[number] = parts.get(number, 0) + 1
        own = name = stream.cues[number].cue_id
        if start != offsets[number]:
            while (name := f"{own}-{parts[number]}") in stream.ids:  # ids from records may look like these
                parts[number] += 1
        out.append(name)
        last = bisect_right(offsets, end - 1, number) - 1
        if last != number:
            parts[last] = 1
    return out


def _marked(raw: str, start: int, marks: dict[int, str]) -> str:
    offsets = sorted(marks)
    out, at = [], 0
    for offset in offsets[bisect_left(offsets, start + 1) :]:
        if offset > start + len(raw):
            break
        out += [raw[at : offset - start], marks[offset]]
        at = offset - start
    return "".join(out) + raw[at:]
