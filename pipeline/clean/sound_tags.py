"""Sounds that captions describe: [Music], (applause), *laughs*, notes around lyrics."""

import re

from longtake.pipeline.clean.cleaned import Cleaned, remove
from longtake.pipeline.clean.edit_cue import Edit
from longtake.pipeline.transcripts.cue import BREAK, Cue
from longtake.schemas.words import count_words

_SOUND = (
    "applau|applaus|aplau|applaud|cheer|laugh|laught|chuckl|giggl|music|m\u00fasica|musique|musik|musica|"
    "sigh|gasp|groan|grunt|cough|sneez|sniff|sob|cry|scream|shout|whisper|whistl|hum|sing|yell|clap|knock|bell|ring|"
    "beep|buzz|bark|silence|pause|inaudible|unintelligible|indistinct|crosstalk|foreign|speaking|speaks|blank_audio|"
    "noise|rires?|risas?|risos?|risate|lachen|gel\u00e4chter|beifall|stille|"
    "\u043c\u0443\u0437\u044b\u043a\u0430|\u0430\u043f\u043b\u043e\u0434\u0438\u0441\u043c\u0435\u043d\u0442|"
    "\u0441\u043c\u0435\u0445|\u97f3\u697d|\u97f3\u4e50|\u62cd\u624b|\u7b11|\u638c\u58f0|\ubc15\uc218|\uc74c\uc545|"
    "\uc6c3\uc74c|\u0645\u0648\u0633\u064a\u0642\u0649|\u062a\u0635\u0641\u064a\u0642|\u0636\u062d\u0643"
)
_SQUARE = re.compile(r"\[[^\[\]\n]{0,60}(?:\n[^\[\]\n]{0,60})?\]|\u3010[^\u3010\u3011]{0,60}\u3011")
# Round brackets are used in writing as well: what is in them must be a sound, in capitals, or all that a line holds.
_ROUND = re.compile(r"\([^()\n]{1,60}\)|\uff08[^\uff08\uff09\n]{1,60}\uff09")
_STARRED = re.compile(rf"\*(?=[^*\n]{{0,40}}(?:{_SOUND}))[^*\n]{{1,40}}\*", re.IGNORECASE)
_HAS_SOUND = re.compile(rf"(?:^|[^\w])(?:{_SOUND})", re.IGNORECASE)
_NOTES = re.compile(
    "[\u2669-\u266f\U0001d100-\U0001d1ff\U0001f399\U0001f39a\U0001f3a4-\U0001f3a7\U0001f3b5-\U0001f3bc]+"
)
_SIGNS = re.compile("[\\[(*\u3010\uff08\u2669-\u266f\U0001d100-\U0001d1ff\U0001f399-\U0001f3bc]")
_MAX_WORDS = 6


def remove_sound_tags(cues: list[Cue]) -> Cleaned:
    """The cues without sound tags. Of lyrics only the notes go: they are sung, and so said."""
    return remove(cues, _tags, "sound tags")


def _tags(text: str) -> list[Edit]:
    if not _SIGNS.search(text):
        return []
    found = [found.span() for found in _SQUARE.finditer(text)]
    found += [m.span() for m in _ROUND.finditer(text) if _is_sound(text, m)]
    found += [m.span() for pattern in (_STARRED, _NOTES) for m in pattern.finditer(text)]
    edits: list[Edit] = []
    for start, end in sorted(found):
        if edits and start < edits[-1][1]:
            continue
        edits.append((start, end, ""))
    return edits


def _is_sound(text: str, found: re.Match[str]) -> bool:
    inner = found[0][1:-1]
    if count_words(inner) > _MAX_WORDS:
        return False
    if len(inner) > 3 and inner.isupper() and inner.isascii():
        return True
    return _fills_line(text, *found.span()) or _HAS_SOUND.search(inner) is not None


def _fills_line(text: str, start: int, end: int) -> bool:
    """Whether the line holds nothing but these characters, blanks aside, and at its start dashes."""
    while start and text[start - 1] in " -" + BREAK:
        start -= 1
    while end < len(text) and text[end].isspace() and text[end] != "\n":
        end += 1
    return (not start or text[start - 1] == "\n") and text[end : end + 1] in ("", "\n")
