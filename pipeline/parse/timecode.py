"""Converts times as people write them to integer milliseconds and back, without floats."""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt

#: No source is longer: about 31 years, in milliseconds. It keeps a hostile number inside 64 bits.
MAX_MS = 10**12

_TOO_LONG = "longer than any video"
_CLOCK = re.compile(r"(-?)(?:([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,2})(?:[.,]([0-9]{1,64}))?")
# The least and the greatest characters of HH:MM:SS.mmm, and what each is worth in ms. Floats are exact here, and quicker.
_LEAST, _MOST = (np.frombuffer(text, np.uint8) for text in (b"00:00:00,000", b"99:59:59.999"))
_RANGE = _MOST - _LEAST
_SCALE = np.array([36_000_000, 3_600_000, 0, 600_000, 60_000, 0, 10_000, 1000, 0, 100, 10, 1], float)
_ZERO = int(_LEAST @ _SCALE)
_SECONDS = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,64}))?")


def parse_timecode(text: str) -> int:
    """Milliseconds of `HH:MM:SS.mmm` or `MM:SS.mmm`; negative with a leading minus sign.

    The fraction may follow a dot or a comma, have any number of digits (rounded half up) or be absent. Hours may exceed
    99, and so may the minutes of `MM:SS`. Raises ValueError.
    """
    if len(text) == 12 and text[8] in ".,":  # nearly all
        whole, fraction = _whole_seconds_ms(text[:8]), text[9:]
        if whole >= 0 and fraction.isascii() and fraction.isdigit():
            return whole + int(fraction)
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{_quoted(text)} is not a time such as 00:01:02.345")
    sign, hours, minutes, seconds, fraction = match.groups()
    if int(seconds) > 59 or (hours is not None and (int(minutes) > 59 or len(minutes) > 2)):
        raise ValueError(f"{_quoted(text)} has more than 59 minutes or seconds")
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return _bounded(whole * 1000 + _fraction_ms(fraction), sign, text)


def parse_timecodes(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Milliseconds of many `HH:MM:SS.mmm` at once; -1 for a text of another form, which `parse_timecode` may still read."""
    if not texts:
        return np.zeros(0, np.int64)
    whole = "".join(texts)
    if whole.isascii() and set(map(len, texts)) == {12} and "\0" not in whole:  # nearly always
        rows = np.frombuffer(whole.encode(), np.uint8).reshape(len(texts), 12)
    else:
        ascii_only = texts if whole.isascii() else [text if text.isascii() else "" for text in texts]
        rows = np.array(ascii_only, "S13").view(np.uint8).reshape(len(texts), 13)
    times = rows[:, :12]
    fits = (times - _LEAST <= _RANGE).all(axis=1)  # what is below the least becomes large
    fits &= times[:, 8] != ord("-")  # between "," and "."
    if rows.shape[1] > 12:
        fits &= rows[:, 12] == 0
    return np.where(fits, (times @ _SCALE).astype(np.int64) - _ZERO, -1)


@lru_cache(maxsize=1 << 15)
def _whole_seconds_ms(text: str) -> int:
    """Milliseconds of `HH:MM:SS`; -1 for anything else. Cached, because transcripts with times of words repeat it."""
    digits = text[:2] + text[3:5] + text[6:]
    if not (text[2] == ":" == text[5] and text[3] < "6" > text[6] and digits.isascii() and digits.isdigit()):
        return -1
    return ((int(text[:2]) * 60 + int(text[3:5])) * 60 + int(text[6:])) * 1000


def parse_seconds(value: int | float | Decimal | str) -> int:
    """Milliseconds of a number of seconds, rounded half up. Raises ValueError.

    A float counts as the decimal that it prints: 17.759 is 17759 ms, whatever the nearest binary fraction is.
    """
    if isinstance(value, str):
        match = _SECONDS.fullmatch(value.strip())
        if match is None:
            raise ValueError(f"{_quoted(value)} is not a number of seconds")
        sign, whole, fraction = match.groups()
        return _bounded(int(whole) * 1000 + _fraction_ms(fraction), sign, value)
    if isinstance(value, int):
        if abs(value) > MAX_MS // 1000:
            raise ValueError(_TOO_LONG)
        return value * 1000
    seconds = Decimal(repr(value)) if isinstance(value, float) else value
    if not seconds.is_finite():
        raise ValueError(f"{seconds} is not a number of seconds")
    if abs(seconds) > MAX_MS // 1000:
        raise ValueError(_TOO_LONG)
    return int((seconds * 1000).to_integral_value(ROUND_HALF_UP))


def format_timecode(ms: int) -> str:
    """A time in milliseconds as `HH:MM:SS.mmm`, which parse_timecode reads."""
    seconds, thousandths = divmod(abs(ms), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if ms < 0 else ''}{hours:02d}:{minutes:02d}:{seconds:02d}.{thousandths:03d}"


def short_timecode(ms: int) -> str:
    """A time for people: `MM:SS.mmm`, from an hour on `HH:MM:SS.mmm`."""
    return format_timecode(ms).replace("00:", "", 1) if abs(ms) < 3_600_000 else format_timecode(ms)


def _fraction_ms(digits: str | None) -> int:
    if not digits:
        return 0
    return int(digits[:3].ljust(3, "0")) + (digits[3:4] >= "5")


def _bounded(ms: int, sign: str, text: str) -> int:
    if ms > MAX_MS:
        raise ValueError(f"{_quoted(text)}: {_TOO_LONG}")
    return -ms if sign else ms


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
