"""Times, texts and numbers from untrusted JSON."""

import json
from typing import Any

import orjson

from longtake.pipeline.parse.lines import MAX_DEPTH, depth_exceeds, quoted
from longtake.pipeline.parse.timecode import MAX_MS, parse_seconds, parse_timecode

#: No transcript file of one video is larger. The longest real ones, with the time of every word, have 20 MB.
MAX_BYTES = 256 << 20

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SHALLOW = 16
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * 19  # digits; a whole number that does not fit into 64 bits has as many


def read_json(data: bytes) -> Any:
    """Return the value of a JSON file in UTF-8 or, with a byte order mark, UTF-16. Raises ValueError.

    NaN and infinity, which recognisers write among their scores, become None. Lone surrogates stay; text cleaning removes them.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data):,} bytes are more than a transcript has")
    try:
        value = _read_json(data)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte 0x{data[error.start]:02x} at position {error.start} cannot be decoded") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    if not _is_shallow(data) and depth_exceeds(value, MAX_DEPTH):
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    return value


def _read_json(data: bytes) -> Any:
    """As `json` reads it. orjson takes half the time, but refuses NaN and lone surrogates, and rounds long whole numbers."""
    if _LONG_NUMBER not in data.translate(_DIGITS_ALIKE):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
    text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> None:
    return None


def _is_shallow(data: bytes) -> bool:
    """Whether the brackets alone show that nothing is nested deep; much quicker than a walk through the value."""
    brackets = data.translate(None, _NO_BRACKETS)
    for _ in range(_SHALLOW):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return True
    return False


def seconds(value: Any) -> int:
    """Milliseconds of a time: seconds as a number or text, or a clock time. Raises ValueError."""
    if type(value) is float and 0 <= value < 1e9:
        return int(value * 1000 + 0.5)  # within half a millisecond of the exact decimal, and many times as fast
    if isinstance(value, str):
        return parse_timecode(value) if ":" in value else parse_seconds(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return parse_seconds(value)
    raise ValueError(f"{'no time' if value is None else quoted(value)} where a time in seconds is expected")


def whole_ms(value: Any) -> int:
    """A time in milliseconds. Raises ValueError."""
    if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) <= 13:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_MS:
        raise ValueError(f"{'no time' if value is None else quoted(value)} where milliseconds are expected")
    return value


def text_of(value: Any) -> str:
    """A text; None counts as an empty text. Raises ValueError."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{quoted(value)} where a text is expected")
    return value
