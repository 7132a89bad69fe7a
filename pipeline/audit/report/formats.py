"""How the page writes values: numbers, times, sizes. Strangers' texts are made plain here, and escaped by the templates."""

import json
import re
from decimal import Decimal
from typing import Any

from longtake.pipeline.publish.source_link import source_link
from longtake.schemas.printable import masked

#: Characters that change the direction of text, break lines invisibly, or have no glyph; and halves of characters.
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WORD = 20  # words of up to this many characters are not broken
_SHOWN, _KEPT = 600, 12_000  # characters of a text: shown at once, kept at all
_NONE = "\u2013"


def plain(text: str) -> str:
    """A text with only visible characters: others are shown as their codes. Credentials in addresses are struck out."""
    return _HIDDEN.sub(_code, masked(text).replace("\r\n", "\n").replace("\r", "\n"))


def _code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def cell(value: Any) -> str:
    """A value of a table, as text."""
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (float, Decimal)):
        return number(float(value))
    return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def number(value: float) -> str:
    """A number with about four digits."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    return f"{value:.4f}".rstrip("0") if "e-0" in text and abs(value) >= 1e-4 else text


def percent(share: float) -> str:
    """A share (0 to 1) as a percentage; "<0.1 %" instead of a false zero."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{share * 100:.3g} %" if share < 1 else f"{share * 100:.0f} %"


def is_number(value: Any) -> bool:
    """Whether a cell is aligned right."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def width(value: Any) -> str:
    """The CSS class of a cell, which says how far its column may shrink: not at all for numbers and short words, a little for
    texts."""
    if is_number(value):
        return "n"
    length = len(value) if isinstance(value, str) else len(cell(value))
    return "s" if length <= _WORD else "m" if length <= 3 * _WORD else "t"


def beginning(text: str) -> str:
    """The part of a text that is shown at once, cut between words if possible."""
    if len(text) <= _SHOWN:
        return text
    start = text[:_SHOWN]
    cut = start.rfind(" ")
    return start[:cut] if cut > _SHOWN // 2 else start


def rest(text: str) -> str:
    """The text after `beginning`, cut if it is too long for anybody to read."""
    left = text[len(beginning(text)) :]
    return left if len(text) <= _KEPT else f"{left[:_KEPT]} [{len(text) - _KEPT:,} more characters are left out here]"


def link(url: str, start_ms: int | None = None) -> str:
    """The URL if it is safe to follow (http and https only), at its time if the site supports times; else ""."""
    found = source_link(url, start_ms or 0)
    if not found:
        return ""
    return found if start_ms is not None else url


def share_of(part: float, whole: float) -> str:
    """`part` of `whole` in per cent, for positions and widths, limited to 0 to 100."""
    return f"{min(max(100 * part / whole, 0), 100) if whole > 0 else 0:.2f}"


def jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height from the header of a JPEG; None if it has none."""
    at = 2
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        kind = jpeg[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = int.from_bytes(jpeg[at + 5 : at + 7]), int.from_bytes(jpeg[at + 7 : at + 9])
            return (width, height) if width and height else None
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return None
