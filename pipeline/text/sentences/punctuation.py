"""Finds sentence ends by punctuation. It uses rules, not a model: quick, the same everywhere, and explained in docs/text.md."""

import re
import string
from collections.abc import Callable, Container
from functools import cached_property

from longtake.pipeline.parse.transcripts.cue import BREAK
from longtake.pipeline.text.sentences.abbreviations import (
    AFTER_ORDINAL,
    AFTER_TIME,
    ANY,
    BEFORE_ORDINAL,
    CLOSING,
    NEVER,
    NUMBERED,
    ORDINALS,
    PERHAPS,
    STARTERS,
)
from longtake.schemas.words import HAN_KANA, count_words, most_words

_CLOSING = "\"'\u201d\u2019\u00bb\u203a)\\]}\u300d\u300f\u3011\uff09"
# A full stop of scripts with spaces needs a space after it. Full stops of others, and marks with no other use, do not.
_MARKS = ".!?\u2026\u203c\u203d\u2047-\u2049"
_SURE = "\u3002\uff01\uff1f\uff61\uff0e\u061f\u06d4\u0964\u0965\u0589\u1362\u1367\u1368\u104b\u17d4\u17d5"
_INDIC = "\u0900-\u0dff"
# Closing marks after a space, as in French; also marks that open in other languages, if no word follows directly.
_MORE_CLOSING = rf"[{_CLOSING}]|[ \u00a0\u202f]?[\u00bb\u203a](?=[\s,.;:)]|$)|[\u00ab\u201c\u201f\u2039](?=[\s,.;:)]|$)"
# Starts at the first of several marks, without backtracking: otherwise, a long row of marks took quadratic time.
_END = re.compile(
    rf"(?<![{_MARKS}])[{_MARKS}]++\ufe0f?(?:{_MORE_CLOSING})*+(?=[\s{BREAK}]|$)"
    rf"|[{_SURE}][{_SURE}!?.]*\ufe0f?(?:{_MORE_CLOSING})*"
    rf"|(?<=[{HAN_KANA}])[.!?]+[{_CLOSING}]*(?=[{HAN_KANA}\u201c\u300c\u300e\uff08(\"])"
    rf"|(?<=[{_INDIC}]) ?\|+(?=[\s{BREAK}{_INDIC}]|$)"
)
# For texts in ASCII: no need to try the rest at every character. It begins with the mark, so the search can skip ahead to it.
_ASCII_END = re.compile(rf"[.!?](?<![.!?].)[.!?]*+[\"')\]}}]*+(?=[\s{BREAK}]|$)")
_ASCII_TERMINAL = re.compile(r"[.!?](?=[^\w.,]|$)")
_TERMINAL = re.compile(
    rf"[.!?\u2026{_SURE}](?=[^\w.,]|$|(?<=[{_SURE}]))|(?<=[{HAN_KANA}])[.!?](?=[{HAN_KANA}])|(?<=[{_INDIC}]) ?\|"
)
# Counting ASCII letters as bytes is many times faster.
_CAPITALS, _SMALL = string.ascii_uppercase.encode(), string.ascii_lowercase.encode()
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# In Japanese, a sentence goes on with these after a quotation or a question.
_QUOTED = re.compile(r"(?:と|って|という|とか|なんて)")
_ASKED = re.compile(r"と(?:言|云|聞|訊|尋|思|考|叫|答|述|話|呼|書|い[いうえわ]|おも|き[いか])")
_STREET = frozenset(("st", "ave", "rd", "blvd", "dr"))
_ALONG = frozenset(
    re.findall(
        r"\S+",
        "on at from off along down to near across",
    )
)
_LANDFORMS = frozenset(
    re.findall(
        r"\S+",
        "mount mt lake port fort east west north south new",
    )
)
# Words that the rules know. After any other, a full stop before a capital ends a sentence, whatever the language.
_LISTED = frozenset().union(*NEVER.values(), *PERHAPS.values(), _STREET)
_LONGEST_WORD = 24
_ELIDED = re.compile(r"^[^\W\d_]{1,4}['\u2019](?=[^\W\d_])")
_INITIALS = re.compile(r"[^\W\d_]\.?-[^\W\d_]")  # "J.-P."
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_NEXT = re.compile(rf"[\s{BREAK}]*[\"'\u201c\u2018\u00ab\u00bf\u00a1(\[{{\u2026.\-\u2013\u2014]*\s*")


def sentence_ends(
    text: str, cue_ends: Container[int] = (), language: str | Callable[[], str | None] | None = None
) -> list[int]:
    """Return the offset just after each sentence that punctuation ends, closing quotes and brackets included.

    A full stop at one of `cue_ends` ends a sentence even before a small letter. The abbreviations and ordinals of `language`
    (ISO 639-1) count; None: only the abbreviations of all languages. A function is called for it if it matters.
    """
    rules = _Rules(text, cue_ends, language)
    ends: list[int] = []
    is_ascii = text.isascii()
    for found in (_ASCII_END if is_ascii else _END).finditer(text):
        start, end = found.span()
        if (is_ascii and surely_ends(text, start, end)) or rules.ends(start, end, ends[-1] if ends else 0):
            ends.append(end)
    return ends


def surely_ends(text: str, start: int, end: int) -> bool:
    """Whether the marks at [start, end) of a text in ASCII end a sentence by what is next to them. Of nearly all ends that tells,
    and the rules need not be asked."""
    if text[start] != ".":
        return text[end - 1] in "!?"
    if end - start > 1 or text[end : end + 1] != " " or not "A" <= text[end + 1 : end + 2] <= "Z":
        return False
    word = text[text.rfind(" ", max(0, start - _LONGEST_WORD), start) + 1 : start]
    return 1 < len(word) < _LONGEST_WORD and word.isalpha() and word.lower() not in _LISTED


def is_punctuated(text: str) -> bool:
    """Whether a text has as many sentence ends as written text: at least one in 40 words."""
    if text.isascii() and 40 * (text.count(". ") + text.count("? ") + text.count("! ")) >= most_words(text):
        return True
    covered = 40 * len((_ASCII_TERMINAL if text.isascii() else _TERMINAL).findall(text))
    return covered >= len(text) or covered >= count_words(text)  # a word has a character or more


def _is_cased(text: str) -> bool:
    """Whether capitals mean something: the text has capitals, at most half as many as small letters."""
    letters = text[:20_000]
    simple, others = letters.encode("ascii", "ignore"), _NOT_ASCII.findall(letters)
    upper = len(simple) - len(simple.translate(None, _CAPITALS)) + sum(map(str.isupper, others))
    lower = len(simple) - len(simple.translate(None, _SMALL)) + sum(map(str.islower, others))
    return 0.01 * lower <= upper <= 0.5 * lower


class _Rules:
    """The rules for one text: whether a mark in it ends a sentence."""

    def __init__(self, text: str, cue_ends: Container[int], language: str | Callable[[], str | None] | None) -> None:
        self._text, self._cue_ends, self._given = text, cue_ends, language

    @cached_property
    def _language(self) -> str | None:
        return self._given() if callable(self._given) else self._given

    @cached_property
    def _lists(self) -> tuple[frozenset[str], ...]:
        """The words that NEVER and PERHAPS end a sentence, and those before a number."""
        return tuple(lists.get(self._language or ANY, lists[ANY]) for lists in (NEVER, PERHAPS, NUMBERED))

    @cached_property
    def _cased(self) -> bool:
        return _is_cased(self._text)

    def ends(self, start: int, end: int, last: int) -> bool:
        """Whether the marks at [start, end) end a sentence. `last` is the end of the sentence before."""
        text = self._text
        mark = text[start]
        if mark in "!?" or (mark > "\u00ff" and mark != "\u2026"):
            return self._question_ends(start, end)
        if mark in " |":
            return True
        following = _following(text, end)
        if not following:
            return True
        if mark == "\u2026" or text.startswith("..", start):
            return not self._cased or not following.islower()
        if self._cased and following.islower() and end not in self._cue_ends:
            return False
        word = _word_before(text, start)
        return not word or self._word_ends(word, start, end, following, last)

    def _question_ends(self, start: int, end: int) -> bool:
        text = self._text
        if not text.isascii() and _goes_on(text, start, end):
            return False
        if not self._cased or text[end - 1] in "!?\u061f\ufe0f" or text[start] > "\u00ff":
            return True
        return not _following(text, end).islower()  # "Really?" she said

    def _word_ends(self, word: str, start: int, end: int, following: str, last: int) -> bool:
        """Whether a full stop after `word` ends a sentence before another word."""
        text = self._text
        never, perhaps, numbered = self._lists
        word = _ELIDED.sub("", word)  # "l'avv."
        folded = word.lower()
        if word.isdigit():
            return self._number_ends(word, start, end, last)
        if folded in _STREET and self._is_street(word, start):
            return self._cased and following.isupper()
        if following.isdigit() and (folded in numbered or (self._language == "de" and folded.endswith("str"))):
            return False  # "Bahnhofstr. 12"
        if folded in perhaps and self._may_end(folded, start):
            if not self._cased or self._language not in (None, "en"):
                return self._cased and following.isupper()
            if not following.isupper():
                return False
            following_word = _next_word(text, end)
            return following_word in STARTERS or (folded in CLOSING and following_word not in AFTER_TIME)
        if folded in never:
            return False
        # Initials: "J. Smith". Capitals end a sentence too ("plan B.", "of the U.S."): then the next word is no name.
        is_initial = (len(word) == 1 and word != "I") or _INITIALS.fullmatch(word) is not None
        return not (is_initial and word.isupper() and following.isupper() and self._cased)

    def _may_end(self, folded: str, start: int) -> bool:
        """Whether a word in both lists may end a sentence: Russian "г." is a year after a number and a town before a name, "д."
        ends "и т. д."."""
        if folded not in self._lists[0]:
            return True
        before = self._text[max(0, start - len(folded) - 8) : start - len(folded)].rstrip()
        return before[-1:].isdigit() or before.endswith(".")

    def _number_ends(self, word: str, start: int, end: int, last: int) -> bool:
        text = self._text
        if not text[last : start - len(word)].strip(_BEFORE_STEP):
            return False  # a numbered step: "1. Open the box."
        if self._language in ORDINALS and len(word) <= 2:
            before = _word_before(text, start - len(word) - 1).lower()
            return before not in BEFORE_ORDINAL and _next_word(text, end) not in AFTER_ORDINAL
        return True

    def _is_street(self, word: str, start: int) -> bool:
        """Whether a word is a street: "on Main St.", but not "St. Paul" or "Mount St. Helens"."""
        at = start - len(word) - 1
        name = _word_before(self._text, at)
        along = _word_before(self._text, at - len(name) - 1).lower()
        return name[:1].isupper() and name.lower() not in _LANDFORMS and along in _ALONG


_BEFORE_STEP = " \n\x1e\x1f([\"'\u2022*-"


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether a Japanese sentence goes on after a quotation or a question."""
    at = end
    while at < len(text) and text[at] == "\x1f":
        at += 1
    closed = text[end - 1] in '\u300d\u300f\u201d"'
    return (_QUOTED if closed else _ASKED).match(text, at) is not None


def _next_word(text: str, end: int) -> str:
    """The next word, in small letters."""
    found = _NEXT.match(text, end)
    word = _WORD.match(text, found.end() if found else end)
    return word[0].lower().replace("\u2019", "'") if word else ""


def _word_before(text: str, start: int) -> str:
    """The word that the full stop at `start` ends."""
    first = max(0, start - _LONGEST_WORD)
    at = max(text.rfind(" ", first, start), text.rfind(BREAK, first, start)) + 1
    return text[max(at, first) : start].lstrip("\"'\u201c\u2018([\u00ab\u00bf\u00a1")


def _following(text: str, end: int) -> str:
    """The first character of the next word; "" if the text ends or another person starts."""
    found = _NEXT.match(text, end)
    if found is None or BREAK in found[0]:
        return ""
    return text[found.end() : found.end() + 1]
