"""SAMI (.smi), Microsoft's captions: a SYNC gives the time from which a text is shown, in HTML that nobody validates.

pysubs2 reads it too, but computes ends from the length of a text, whatever the file says. Each class of a P is a separate
language. If two are shown at once, cleaning decides which stays.
"""

import html
import re

from longtake.pipeline.parse.lines import base_name
from longtake.pipeline.parse.transcripts.cue import Cue, Transcript, plain_lines, record_drop, sentence_drop, with_ends
from longtake.pipeline.parse.transcripts.encodings import decoded
from longtake.schemas.reasons import Reason
from longtake.schemas.records import Drop

_SYNC = re.compile(r"<\s*sync\b[^<>]{0,200}?\bstart\s*=\s*[\"']?\s*(\d{1,12})[^<>]{0,200}>", re.IGNORECASE)
_PARAGRAPH = re.compile(r"<\s*p\b(?:[^<>]{0,200}?\bclass\s*=\s*[\"']?([\w-]{1,60}))?[^<>]{0,200}>", re.IGNORECASE)
_BREAK = re.compile(r"<\s*br\b[^<>]{0,50}>", re.IGNORECASE)
_HIDDEN = re.compile(r"<!--.*?-->|<\s*/?\s*[a-zA-Z][^<>]{0,1000}>", re.DOTALL)
_END = re.compile(r"<\s*/\s*body\b", re.IGNORECASE)


def parse_sami(data: bytes, video_id: str, file: str, encoding: str = "utf-8") -> Transcript:
    """Return the cues of a file by start. A text lasts until the next SYNC of its class, even an empty one. Raises nothing."""
    name = base_name(file)
    whole = _END.split(decoded(data, encoding), maxsplit=1)[0]
    _, *parts = _SYNC.split(whole)
    shown: dict[str, list[tuple[int, str]]] = {}
    for start, block in zip(parts[::2], parts[1::2], strict=True):
        before, *paragraphs = _PARAGRAPH.split(block)
        for language, text in zip(paragraphs[::2], paragraphs[1::2], strict=True) if paragraphs else ((None, before),):
            shown.setdefault((language or "").lower(), []).append((int(start), _plain(text)))
    if not shown:
        return Transcript([], [record_drop(video_id, name, "no SYNC with a start found; is it a SAMI file?")])
    cues: list[Cue] = []
    drops: list[Drop] = []
    spans = [
        (start, end, text)
        for entries in shown.values()
        for (start, end), (_, text) in zip(with_ends([(s, None, t) for s, t in entries]), entries, strict=True)
        if text
    ]
    for number, (start, end, text) in enumerate(sorted(spans, key=lambda span: span[0]), 1):
        cue_id = f"{video_id}.{number}"
        if end > start:
            cues.append(Cue(cue_id, start, end, text))
        else:
            detail = f"{name}: cue {number} lasts from {start} to {end} ms"
            drops.append(sentence_drop(video_id, cue_id, Reason.SPAN_REVERSED, detail))
    return Transcript(cues, drops)


def _plain(text: str) -> str:
    text = _HIDDEN.sub("", _BREAK.sub("\n", text.replace("\r", "").replace("\n", " ")))
    return plain_lines(html.unescape(text).replace("\xa0", " "))
