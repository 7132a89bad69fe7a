"""Words: one definition for counts, scores, sentence lengths, loops, duplicates and the report.

A word is text between white space that holds a letter or a digit. The dictionaries of ICU, from the package icu4py, divide
scripts that put no spaces between words (Han, kana, Thai, Lao, Burmese, Khmer).
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

#: Scripts that put no spaces between words, as the inside of a character class.
HAN_KANA = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
SOUTH_EAST = "\u0e00-\u0eff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\u1780-\u17ff"  # in these, a space ends a phrase
UNSPACED = HAN_KANA + SOUTH_EAST

# These divide words, besides white space: long dashes, an ellipsis, the word space of Ethiopic, the syllable mark of Tibetan.
_BLANK = "\\s\u2014\u2015\u2026\u1361\u0f0b"
# Anchored at the start of a token, without backtracking: with it, a long row of signs would take quadratic time.
_WORD = re.compile(rf"(?<![^{_BLANK}])(?:[^\w{_BLANK}]|_)*+[^\W_][^{_BLANK}]*+")
_ASCII_WORD = re.compile(r"(?<!\S)[^A-Za-z0-9\s]*+[A-Za-z0-9]\S*+")
# Text between white space that is no word. The pattern begins with the sign itself, so the search can skip ahead to it.
_ASCII_SIGNS = re.compile(r"[^A-Za-z0-9\s](?<!\S.)[^A-Za-z0-9\s]*+(?!\S)")
_TOKEN = re.compile(rf"[^{_BLANK}]+")
_HAS_UNSPACED = re.compile(f"[{UNSPACED}]")
_RUNS = re.compile(f"([{UNSPACED}]+)|[^{UNSPACED}]+")
_OPENING = frozenset(("Ps", "Pi"))

Span = tuple[int, int]


def words_of(text: str) -> list[str]:
    """Return the words of `text` as spelled, without the punctuation around them."""
    return [_trimmed(text[start:end]) for start, end in word_spans(text)]


def spelled_words(text: str) -> list[str]:
    """Return the words of `text` with the punctuation around them: the texts of `word_spans`."""
    if text.isascii():
        return _ASCII_WORD.findall(text) if _ASCII_SIGNS.search(text) else text.split()
    return [text[start:end] for start, end in word_spans(text)]


def distinct_words(text: str) -> tuple[list[str], dict[str, None]]:
    """Return the words of a long text, as `spelled_words` finds them, and each once."""
    if not text.isascii():
        words = spelled_words(text)
        return words, dict.fromkeys(words)
    tokens = text.split()
    distinct = dict.fromkeys(tokens)
    signs = [token for token in distinct if not (token.isalnum() or any(map(str.isalnum, token)))]
    for token in signs:
        del distinct[token]
    return [token for token in tokens if token in distinct] if signs else tokens, distinct


def most_words(text: str) -> int:
    """Return how many words a text in ASCII has at most: `count_words`, and the signs that stand alone."""
    return text.count(" ") + 1 if text.isprintable() else len(text.split())


@lru_cache(maxsize=1 << 15)  # several steps ask for the same sentences, soon after each other
def count_words(text: str) -> int:
    """The number of words that `words_of` returns, without making them."""
    if text.isascii():
        return len(text.split()) - len(_ASCII_SIGNS.findall(text))
    if not _HAS_UNSPACED.search(text):
        return len(_WORD.findall(text))
    return len(word_spans(text))


def word_spans(text: str) -> list[Span]:
    """Return [start, end) of each word in `text` with its punctuation: opening marks before it, closing marks after it.

    No span starts or ends inside a grapheme cluster.
    """
    if text.isascii():
        return [found.span() for found in _ASCII_WORD.finditer(text)]
    if not _HAS_UNSPACED.search(text):
        return [_after_marks(text, *found.span()) for found in _WORD.finditer(text)]
    spans: list[Span] = []
    for token in _TOKEN.finditer(text):
        if _HAS_UNSPACED.search(token[0]):
            start, end = _after_marks(text, *token.span())
            divided = _divided_short if end - start <= _SHORT else _divided
            spans += [(start + begin, start + until) for begin, until in divided(text[start:end])]
        elif any(map(str.isalnum, token[0])):
            spans.append(_after_marks(text, *token.span()))
    return spans


def _after_marks(text: str, start: int, end: int) -> Span:
    """Return a span without the combining marks at its start, which belong to the blank before it."""
    while start < end and not text[start].isalnum() and _is_mark(text[start]):
        start += 1
    return start, end


def _divided(text: str) -> tuple[Span, ...]:
    """The spans of the words in a token with unspaced characters."""
    spans: list[Span] = []
    opened = 0  # from here on, punctuation belongs to the next word
    for run in _RUNS.finditer(text):
        at = run.start()
        pieces = _dictionary_words(run[0]) if run[1] else [run[0]]
        for piece in pieces:
            until = at + len(piece)
            if _is_mark(piece[0]) and spans and opened == at:
                at += len(piece) if not any(map(str.isalnum, piece)) else _marks(piece)
                spans[-1] = spans[-1][0], at
                opened = at
            if at < until:
                if any(map(str.isalnum, text[at:until])):
                    spans.append((opened, until))
                    opened = until
                elif spans and opened == at:  # closing punctuation stays with the word before it
                    while at < until and unicodedata.category(text[at]) not in _OPENING:
                        at += 1
                    spans[-1] = spans[-1][0], at
                    opened = at
            at = until
    return tuple(spans)


#: Cached, because each step asks for the same tokens of a video again.
_divided_short = lru_cache(maxsize=1 << 10)(_divided)
_SHORT = 256  # characters of the longest token that is cached


def _dictionary_words(text: str) -> list[str]:
    # By pieces, not offsets: ICU's offsets count UTF-16 units.
    return [piece for piece in _breaker()(text, "") if piece]


@cache
def _breaker() -> Any:
    from icu4py.breakers import WordBreaker

    return WordBreaker


def _marks(piece: str) -> int:
    return next((at for at, c in enumerate(piece) if not _is_mark(c)), len(piece))


def _is_mark(character: str) -> bool:
    """Whether a character is part of the one before it: marks, variation selectors, joiners."""
    return character == "\u200d" or unicodedata.category(character)[0] == "M"


def _trimmed(token: str) -> str:
    if token.isalnum():
        return token
    inside = [
        at for at, character in enumerate(token) if character.isalnum() or unicodedata.category(character)[0] == "M"
    ]
    return token[inside[0] : inside[-1] + 1]
