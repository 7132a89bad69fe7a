"""Where sentences end by their punctuation. Rules, not a model: quick, the same everywhere, and explained in docs/text.md."""

import re
from collections.abc import Container

from longtake.pipeline.transcripts.cue import BREAK

_CLOSING = "\"'\u201d\u2019\u00bb\u203a)\\]}\u300d\u300f\u3011\uff09"
# A full stop of scripts that use spaces must have one after it; that of others needs none.
_MARKS = ".!?\u2026\u203c\u203d\u2047-\u2049\u061f\u06d4\u0964\u0965\u0589\u1362\u1367\u104b\u17d4"
# From the first mark of several and without going back, else a long row of them took the square of its length.
_END = re.compile(
    rf"(?<![{_MARKS}])[{_MARKS}]++[{_CLOSING}]*+(?=[\s{BREAK}]|$)"
    rf"|[\u3002\uff01\uff1f\uff61\uff0e]+[{_CLOSING}]*"
)
_TERMINAL = re.compile(
    "[.!?\u2026\u061f\u06d4\u0964\u0589\u1362\u104b\u17d4\u3002\uff01\uff1f\uff61](?=[^\\w.,]|$|(?<=[\u3002\uff01\uff1f]))"
)
# After these the sentence goes on, whatever follows.
_TITLE = frozenset(
    re.findall(
        r"\S+",
        "mr mrs ms mx dr prof st rev hon gen col lt sgt capt cpt maj cmdr adm gov sen rep pres messrs mme mlle fr sr sra "
        "srta dra herr hr vs v cf eg ie e.g i.e viz approx fig figs eq vol pp pg dept univ assn bros mt ft z.b d.h u.a "
        "bzw p.ex b.v",
    )
)
# These end a sentence only where the next word has a capital, and never where that is a number.
_SHORT = frozenset(
    re.findall(
        r"\S+",
        "etc inc ltd co corp jr nos nr ch tel ave blvd rd a.m p.m u.s u.k u.n e.u d.c ph.d m.d b.a m.a jan feb apr jun "
        "jul aug sep sept oct nov dec usw",
    )
)
_BEFORE_NUMBER = frozenset(("no", "art", "sec", "ch", "p", "nr", "max", "min", "ext"))
_NEXT = re.compile(rf"[\s{BREAK}]*[\"'\u201c\u2018\u00ab\u00bf\u00a1(\[{{\u2026.\-\u2013\u2014]*\s*")


def sentence_ends(text: str, cue_ends: Container[int] = ()) -> list[int]:
    """Offsets just after the end of each sentence that punctuation ends, closing quotes and brackets included.

    A full stop at one of `cue_ends` ends a sentence also before a small letter.
    """
    cased = _is_cased(text)
    spans = (found.span() for found in _END.finditer(text))
    return [end for start, end in spans if _ends(text, start, end, cased, end in cue_ends)]


def is_punctuated(text: str, words: int) -> bool:
    """Whether a text of so many words has sentence ends as often as written text: one in 40 words or more."""
    return len(_TERMINAL.findall(text)) * 40 >= words


def _is_cased(text: str) -> bool:
    """Whether capitals mean something: neither all in one case, nor without capitals after full stops."""
    letters = text[:20_000]
    upper = sum(map(str.isupper, letters))
    lower = sum(map(str.islower, letters))
    return 0.01 * lower <= upper <= 0.5 * lower


def _ends(text: str, start: int, end: int, cased: bool, ends_cue: bool) -> bool:
    mark = text[start]
    if mark in "!?\u061f" or mark > "\u2026":
        if not cased or text[end - 1] in "!?\u061f" or mark > "\u2026":
            return True
        following = _following(text, end)
        return not following.islower()  # "Really?" she said
    following = _following(text, end)
    if not following:
        return True
    if mark == "\u2026" or text.startswith("..", start):
        return not cased or not following.islower()
    if cased and following.islower() and not ends_cue:
        return False
    word = _word_before(text, start)
    if not word:
        return True
    folded = word.lower()
    if folded in _TITLE:
        return False
    if following.isdigit() and folded in _BEFORE_NUMBER:
        return False
    if folded in _SHORT:
        return cased and following.isupper()
    # Initials: "J. Smith". Capitals end a sentence too ("plan B.", "of the U.S."): told by what comes after is no name.
    return not (len(word) == 1 and word.isupper() and word != "I" and following.isupper() and cased)


def _word_before(text: str, start: int) -> str:
    """The word that the full stop at `start` ends."""
    at = max(text.rfind(" ", max(0, start - 24), start), text.rfind(BREAK, max(0, start - 24), start)) + 1
    return text[max(at, start - 24) : start].lstrip("\"'\u201c\u2018([\u00ab\u00bf\u00a1")


def _following(text: str, end: int) -> str:
    """The first character of the next word; "" where the text ends or another person starts."""
    found = _NEXT.match(text, end)
    if found is None or BREAK in found[0]:
        return ""
    return text[found.end() : found.end() + 1]
