"""Lines of a text file by columns: nearly all have one form, so their values are cut out of all bytes at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longtake.pipeline.parse.texts import MAX_ID, clean_text

_NEWLINE, _SPACE, _QUOTE, _BACKSLASH = b'\n "\\'
_MOST_BYTES = (1 << 31) - 1  # Arrow's offsets of texts
_QUOTES = 8  # in a line: of two keys and two values
_KEYS = ((b'{"clip_id"', 0, -1), (b'"text"', 4, 0))  # each with its first quote, and where it begins from there

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextColumns:
    """The texts of some lines, cleaned, perhaps empty, and the numbers of these lines from 0. `others`: the numbers of the lines
    of another form."""

    names: pa.Array
    texts: pa.Array
    lines: Ints
    others: Ints


def text_columns(lines: Sequence[bytes]) -> TextColumns:
    """Read the lines {"clip_id": "...", "text": "..."} in which nothing is escaped and all is printable ASCII, as
    `parse.texts.parse_text` does. No line holds a line break."""
    data = b"\n".join(lines)
    if len(data) > _MOST_BYTES:
        return TextColumns(pa.array([], pa.string()), pa.array([], pa.string()), np.arange(0), np.arange(len(lines)))
    codes = np.frombuffer(data, np.uint8)
    lengths = np.fromiter(map(len, lines), np.int64, len(lines))
    ends = np.cumsum(lengths + 1) - 1
    starts = ends - lengths
    usual = lengths > 0
    strange = np.flatnonzero(((codes < _SPACE) & (codes != _NEWLINE)) | (codes >= 0x7F) | (codes == _BACKSLASH))
    usual[np.searchsorted(ends, strange)] = False
    quotes = np.flatnonzero(codes == _QUOTE)
    bounds = np.searchsorted(quotes, np.concatenate([starts, [len(codes)]]))
    usual &= np.diff(bounds) == _QUOTES
    rows = np.flatnonzero(usual)
    at = quotes[bounds[rows][:, None] + np.arange(_QUOTES)]  # of each line, the places of its quotes
    fits = _has_form(codes, at, starts[rows], ends[rows])
    at, rows = at[fits], rows[fits]
    usual[:] = False
    usual[rows] = True
    names, texts = _values(data, at)
    return TextColumns(names, _cleaned(texts, _is_unclean(codes, at, ends, rows)), rows, np.flatnonzero(~usual))


def _has_form(codes: npt.NDArray[np.uint8], at: Ints, starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
    """Whether each line has the two keys and nothing else around its values, and an id that is not too long."""
    fits: npt.NDArray[np.bool_] = (at[:, 0] == starts + 1) & (at[:, 7] == ends - 2)
    for key, quote, first in _KEYS:
        fits &= at[:, quote + 1] - at[:, quote] == len(key.strip(b"{")) - 1
        places = np.minimum(at[:, quote] + first, len(codes) - len(key))[:, None] + np.arange(len(key))
        fits &= (codes[places] == np.frombuffer(key, np.uint8)).all(axis=1)
    for quote, mark in ((1, b":"), (3, b","), (5, b":")):
        gap = at[:, quote + 1] - at[:, quote]
        fits &= (codes[at[:, quote] + 1] == mark[0]) & ((gap == 2) | ((gap == 3) & (codes[at[:, quote] + 2] == _SPACE)))
    size = at[:, 3] - at[:, 2] - 1
    fits &= (size > 0) & (size <= MAX_ID) & (codes[at[:, 2] + 1] != _SPACE)
    fits &= codes[np.minimum(at[:, 7] + 1, len(codes) - 1)] == ord("}")
    return fits


def _values(data: bytes, at: Ints) -> tuple[pa.Array, pa.Array]:
    """The ids and the texts between their quotes: every second and fourth part of the data, cut at these places."""
    places = np.concatenate([[0], (at[:, [2, 3, 6, 7]] + np.array([1, 0, 1, 0])).ravel()]).astype(np.int32)
    parts: Any = pa.StringArray.from_buffers(len(places) - 1, pa.py_buffer(places), pa.py_buffer(data))
    numbers = np.arange(len(at)) * 4
    return parts.take(pa.array(numbers + 1)), parts.take(pa.array(numbers + 3))


def _is_unclean(codes: npt.NDArray[np.uint8], at: Ints, ends: Ints, rows: Ints) -> npt.NDArray[np.bool_]:
    """Whether the text of each row has a space at an end, or two together."""
    is_double = np.zeros(len(ends), bool)
    is_double[np.searchsorted(ends, np.flatnonzero((codes[:-1] == _SPACE) & (codes[1:] == _SPACE)))] = True
    found: npt.NDArray[np.bool_] = (codes[at[:, 6] + 1] == _SPACE) | (codes[at[:, 7] - 1] == _SPACE) | is_double[rows]
    return found


def _cleaned(texts: pa.Array, is_unclean: npt.NDArray[np.bool_]) -> pa.Array:
    if not is_unclean.any():
        return texts
    mask = pa.array(is_unclean)
    cleaned = [clean_text(text) for text in texts.filter(mask).to_pylist()]
    return pc.replace_with_mask(texts, mask, pa.array(cleaned, pa.string()))
