"""Makes sentences from cues: by punctuation if there is any, else by pauses and length."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise

from longtake.pipeline.parse.texts import clean_text
from longtake.pipeline.parse.transcripts.cue import BREAK, Cue
from longtake.pipeline.text.languages import language_of
from longtake.pipeline.text.sentences.lengths import cut_lengths
from longtake.pipeline.text.sentences.punctuation import is_punctuated, sentence_ends
from longtake.pipeline.text.sentences.stream import Stream, join_lines, mark_line_ends
from longtake.schemas.records import Sentence
from longtake.schemas.text_config import Sentences

_BREAKS = re.compile(BREAK)
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
    made: list[Sentence] = []
    earliest = 0  # if cues overlap, times in one may be after the start of the next
    for start, end, clip_id in _named(stream, cut(stream, settings, bare, marks)):
        made.append(_sentence(stream, start, end, clip_id, marks, earliest))
        earliest = made[-1].start_ms
    return made


def cut(stream: Stream, settings: Sentences, bare: bool, marks: dict[int, str]) -> list[int]:
    """Return the offsets in the stream's text at which sentences start, in order, and the offset of the text's end.

    `bare`: the text has no punctuation, so only `marks` or, without marks, pauses show the ends.
    """
    text = stream.text
    cue_ends = {offset + len(cue.text) for offset, cue in zip(stream.offsets, stream.cues, strict=True)}
    language = language_of(text) if "." in text else None  # only the meaning of full stops depends on it
    ends = sentence_ends(text, cue_ends, language) + [offset for offset, mark in marks.items() if mark in _FINAL]
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
        if any(map(str.isalnum, text[start:end])):
            kept.append(end)
        elif len(kept) > 1:
            kept[-1] = end
    if len(kept) == 1:
        kept.append(starts[-1])
    return kept


def _named(stream: Stream, starts: list[int]) -> list[tuple[int, int, str]]:
    """Start, end and id of each sentence."""
    out: list[tuple[int, int, str]] = []
    parts: dict[int, int] = {}  # sentences with a part in a cue
    taken = {cue.cue_id for cue in stream.cues}  # ids from records may look like these
    for start, end in pairwise(starts):
        number = stream.cue_at(start)
        parts[number] = parts.get(number, 0) + 1
        own = name = stream.cues[number].cue_id
        if start != stream.offsets[number]:
            while (name := f"{own}-{parts[number]}") in taken:
                parts[number] += 1
        out.append((start, end, name))
        last = stream.cue_at(end - 1)
        if last != number:
            parts[last] = 1
    return out


def _sentence(stream: Stream, start: int, end: int, clip_id: str, marks: dict[int, str], earliest: int) -> Sentence:
    raw = stream.text[start:end].rstrip()
    start_ms, start_known = stream.start_of(start)
    end_ms, end_known = stream.end_of(start + len(raw))
    start_ms = max(start_ms, earliest)
    known = {start_known, end_known}
    timing = "interpolated" if "interpolated" in known else "words" if "words" in known else "cue"
    if marks:
        raw = _marked(raw, start, marks)
    text = join_lines(raw)
    if not text.isascii():
        text = clean_text(text)
    speaker = stream.speaker_of(start) if stream.speakers else None
    return Sentence(clip_id, start_ms, max(end_ms, start_ms + 1), text, timing, speaker=speaker)


def _marked(raw: str, start: int, marks: dict[int, str]) -> str:
    offsets = sorted(marks)
    out, at = [], 0
    for offset in offsets[bisect_left(offsets, start + 1) :]:
        if offset > start + len(raw):
            break
        out += [raw[at : offset - start], marks[offset]]
        at = offset - start
    return "".join(out) + raw[at:]
