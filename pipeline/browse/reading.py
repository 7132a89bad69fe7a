"""Write numbers, times and texts for people."""

import re
import unicodedata

from longtake.schemas.reason_meanings import MEANINGS

_SEARCHED = 100_000  # characters of a text
_BEFORE = 24  # characters that an excerpt has before the word that was searched for


def clock(ms: float | None) -> str:
    """A time as mm:ss, with hours if there are any; "?" if unknown."""
    if ms is None:
        return "?"
    seconds = int(abs(ms)) // 1000
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if ms < 0 else ""
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{sign}{minutes:02d}:{seconds:02d}"


def share(part: float, whole: float) -> str:
    """A part in per cent: "0 %" only if there is none, "100 %" only if it is all."""
    if part <= 0 or whole <= 0:
        return "0 %"
    if part >= whole:
        return "100 %"
    per_cent = 100 * part / whole
    if per_cent < 0.01:
        return "under 0.01 %"
    digits = 2 if per_cent < 1 else 1
    return f"{min(per_cent, 100 - 10**-digits):.{digits}f} %"


def hours(seconds: float) -> str:
    """A length of time for people: hours, or minutes below one hour."""
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:,.1f} min"


def figure(value: float | None, digits: int = 3) -> str:
    """A number in short form; "" for None."""
    if value is None:
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,.0f}"


def words_of_slug(name: str) -> str:
    """A code as words: "run_too_short" is "run too short"."""
    return name.replace("_", " ")


def meaning(reason: str | None) -> str:
    """The meaning of a ledger reason; "" if this version does not know it."""
    return MEANINGS.get(reason or "", "").replace("`", "")


def excerpt(text: str, wanted: str, length: int = 320) -> str:
    """The part of a text around the first word of `wanted` in it, with or without accents as the search finds it; its start if it
    has none. It begins and ends at words."""
    words = re.findall(r"\w+", _plain(wanted))
    at, plain = -1, _plain(text[:_SEARCHED]) if words else ""
    for word in words:
        found = re.search(rf"\b{re.escape(word)}", plain, re.IGNORECASE)
        if found and (at < 0 or found.start() < at):
            at = found.start()
    start = at - _BEFORE if at > 2 * _BEFORE else 0  # cards show two lines, on a phone some 60 characters
    if start:
        start = text.find(" ", start, at) + 1 or start
    end = start + length
    if end < len(text):
        space = text.rfind(" ", end - 30, end + 1)
        end = space if space > start else end
    part = text[start:end].rstrip()
    return ("… " if start else "") + part + (" …" if end < len(text) else "")


def _plain(text: str) -> str:
    """A text of the same length without accents."""
    return text if text.isascii() else "".join(unicodedata.normalize("NFD", character)[0] for character in text)
