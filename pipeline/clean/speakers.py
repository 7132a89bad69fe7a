"""Who speaks: the signs and names with which captions start a turn. A sentence ends where another person starts."""

import re

from longtake.pipeline.clean.cleaned import Cleaned, remove
from longtake.pipeline.clean.edit_cue import Edit
from longtake.pipeline.transcripts.cue import BREAK, Cue

_ARROWS = re.compile(r"(?:>{2,4}|\u00bb(?=\s*[^\s\u00bb]))[ \t]*(?:\n|(?=\S)|\Z)")
_DASH = re.compile(r"(?:^|(?<=[\n\x1e]))[-\u2010-\u2015\u2212][ \t]?(?=[^\W\d_]|[\"'\u00bf\u00a1\[(])")
# Capitals only: "Note: this" is no name. Whisper's diarisation names are of this kind too.
_NAME = re.compile(
    r"(?:^|(?<=[\n\x1e ]))(?:[A-Z][A-Z'.\-]{1,20}(?:[ _](?:#?[0-9]{1,3}|[A-Z][A-Z'.\-]{0,20})){0,3})[:\uff1a](?=\s|\Z)"
)
_LINE_DASH = re.compile(r"(?:^|\n)[-\u2010-\u2015\u2212]")
_SIGNS = re.compile(r">>|[\u00bb:\uff1a]|(?:^|\n)[-\u2010-\u2015\u2212]")
_LOWER = re.compile(r"[a-z]{2}")


def remove_speakers(cues: list[Cue]) -> Cleaned:
    """The cues without speaker labels: `>>`, a dash that starts a line, `NAME:`; in their place a BREAK.

    Names are looked for only in files that are not all in capitals.
    """
    has_lower = any(_LOWER.search(cue.text) for cue in cues)
    return remove(cues, lambda text: _labels(text, has_lower), "speaker labels")


def _labels(text: str, with_names: bool) -> list[Edit]:
    if not _SIGNS.search(text):
        return []
    found: list[tuple[int, int]] = []
    if ">>" in text or "\u00bb" in text:
        found = [m.span() for m in _ARROWS.finditer(text) if _starts_turn(text, m.start())]
    if _LINE_DASH.search(text):
        found += [m.span() for m in _DASH.finditer(text)]
    if with_names and (":" in text or "\uff1a" in text):
        found += [m.span() for m in _NAME.finditer(text)]
    edits: list[Edit] = []
    for start, end in sorted(found):
        if edits and start <= edits[-1][1]:
            edits[-1] = edits[-1][0], max(end, edits[-1][1]), BREAK
        else:
            edits.append((start, end, BREAK))
    return edits


def _starts_turn(text: str, at: int) -> bool:
    """A closing quotation mark, as in French, stands after a letter."""
    return text[at] == ">" or at == 0 or text[at - 1] in "\n" + BREAK
