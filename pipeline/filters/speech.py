"""Scores of speech: amount, speed, repetition, characters."""

import re
import unicodedata
from collections.abc import Callable, Iterable

from longtake.pipeline.filters.words import words
from longtake.schemas.records import LongClip

_N = 5
_CATEGORIES = frozenset("LMNP")  # letters, marks, numbers, punctuation
_CURRENCY = "Sc"
# A lead byte of UTF-8 and its following bytes, as cp1252 shows them.
_CONTROLS = "\x81\x8d\x8f\x90\x9d"
_TAIL = "".join(bytes([byte]).decode("cp1252", "ignore") for byte in range(0x80, 0xC0)) + _CONTROLS
_REST = f"[{re.escape(_TAIL)}]"
_HIGH = re.compile(f"[\u00c2-\u00df]{_REST}|[\u00e0-\u00ef]{_REST}{{2}}|[\u00f0-\u00f4]{_REST}{{3}}")


def words_per_sentence(clip: LongClip) -> float:
    """Mean number of words of its sentences."""
    return len(words(clip.paragraph)) / len(clip.sentences)


def words_per_second(clip: LongClip) -> float:
    """Words divided by the time in which sentences are spoken. People reach 5 for a while; if it is far more, times are wrong."""
    return len(words(clip.paragraph)) / (_spoken_ms(clip) / 1000)


def non_speech(clip: LongClip) -> float:
    """Share of its time in which no sentence is spoken."""
    return 1 - _spoken_ms(clip) / (clip.end_ms - clip.start_ms)


def repetition(clip: LongClip) -> float:
    """Share of its characters in word 5-grams that were said before: 0 if nothing is said twice.

    This is "fraction of characters in duplicate 5-grams" of Gopher (Rae et al. 2021, arXiv:2112.11446, table A1, which allows
    0.15). No character is counted twice.
    """
    spoken = words(clip.paragraph)
    seen: set[tuple[str, ...]] = set()
    repeated = end = 0  # `end`: words before it are already counted
    for at in range(len(spoken) - _N + 1):
        gram = tuple(spoken[at : at + _N])
        if gram in seen:
            repeated += sum(map(len, spoken[max(at, end) : at + _N]))
            end = at + _N
        seen.add(gram)
    return repeated / max(1, sum(map(len, spoken)))


def allowed_characters(allowed: str | None) -> Callable[[LongClip], float]:
    """Return the score "share of characters that are allowed". White space does not count.

    `allowed` is the inside of a character class of a regular expression ("a-zA-Z0-9.,!?'"). None allows letters, marks, digits
    and punctuation of any script, and currency signs, but not symbols, emoji and broken text.
    """
    if allowed is None:

        def is_allowed(character: str) -> bool:
            category = unicodedata.category(character)
            return category[0] in _CATEGORIES or category == _CURRENCY
    else:
        pattern = re.compile(f"[{allowed}]")

        def is_allowed(character: str) -> bool:
            return pattern.match(character) is not None

    def characters(clip: LongClip) -> float:
        text = clip.paragraph if clip.paragraph.isascii() else without_mojibake(clip.paragraph)
        counted = [c for c in text if not c.isspace()]
        return sum(map(is_allowed, counted)) / len(counted) if counted else 1.0

    return characters


def without_mojibake(text: str) -> str:
    """Replace garbled characters in `text` by U+FFFC, which no score allows: UTF-8 that was read as cp1252 and saved so, as in
    "fr\u00c3\u00bcher"."""
    return _HIGH.sub(_unread, text)


def _unread(found: re.Match[str]) -> str:
    try:
        raw = b"".join(c.encode("latin-1") if c in _CONTROLS else c.encode("cp1252") for c in found[0])
        raw.decode("utf-8")
    except UnicodeError:
        return found[0]
    return "\ufffc" * len(found[0])


def listed_words(phrases: Iterable[str]) -> Callable[[LongClip], float]:
    """Return the score "share of words that are part of one of `phrases`" (a list of words and phrases from the user)."""
    by_first: dict[str, set[tuple[str, ...]]] = {}
    for phrase in phrases:
        if split := tuple(words(phrase)):
            by_first.setdefault(split[0], set()).add(split)

    def profanity(clip: LongClip) -> float:
        spoken = tuple(words(clip.paragraph))
        found = at = 0
        while at < len(spoken):
            hits = [len(p) for p in by_first.get(spoken[at], ()) if spoken[at : at + len(p)] == p]
            found += max(hits, default=0)
            at += max(hits, default=1)
        return found / max(1, len(spoken))

    return profanity


def _spoken_ms(clip: LongClip) -> int:
    """The time in which sentences are spoken: sentences of a long clip do not overlap."""
    return sum(s.end_ms - s.start_ms for s in clip.sentences)
