"""How values are written on the page: numbers, times, links. Texts of strangers are escaped by the templates."""

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_LONG = 600  # characters of a text that are shown without asking
_YOUTUBE = ("www.youtube.com", "youtube.com", "m.youtube.com", "youtu.be")


def cell(value: Any) -> str:
    """A value of a table as text."""
    if value is None:
        return "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value)
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def number(value: float) -> str:
    """A number with about four digits."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    return f"{value:.4f}" if "e-0" in text and abs(value) >= 1e-4 else text


def is_number(value: Any) -> bool:
    """Whether a cell is put to the right."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def clean(text: str) -> str:
    """A text without what would turn the direction of others, or cannot be seen, which is shown as its code."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def is_long(text: str) -> bool:
    """Whether a text is folded away."""
    return len(text) > _LONG


def beginning(text: str) -> str:
    """The part of a long text that is shown at once."""
    return text[:_LONG].rsplit(" ", 1)[0] if len(text) > _LONG else text


def timecode(ms: int) -> str:
    """mm:ss, with hours where there are any."""
    seconds, sign = divmod(abs(ms), 1000)[0], "-" if ms < 0 else ""
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{sign}{minutes:02d}:{seconds:02d}"


def link(url: str, start_ms: int | None = None) -> str:
    """The URL if it can be followed safely, at its time where the site knows times; else ""."""
    if not re.fullmatch(r"https?://[^\s\x00-\x20\"'<>\\]+", url or ""):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if start_ms is not None and parts.hostname in _YOUTUBE and not re.search(r"(^|&)t=", parts.query):
        query = "&".join(part for part in (parts.query, f"t={start_ms // 1000}s") if part)
        return urlunsplit(parts._replace(query=query))
    return url


def data_uri(jpeg: bytes) -> str:
    """A picture inside the page."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def anchor(text: str) -> str:
    """A name for an anchor."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)
