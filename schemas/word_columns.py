"""The numbers of words in a column of texts, by the definition of `words`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longtake.schemas.words import UNSPACED, count_words

_ASCII = bytes(range(128))
_SIGNS = bytes(code for code in _ASCII if not (chr(code).isalnum() or chr(code).isspace()))
_KINDS = bytes(ord(" ") if chr(code).isspace() else ord("a") for code in range(256))
# A word is the rest of a token from its first letter or digit. RE2 knows other scripts beyond U+FFFF than Python does.
_BLANK = "\\t-\\r\\x1c-\\x20\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\u2014\u2015\u2026\u1361\u0f0b"
_WORD = rf"[\p{{L}}\p{{N}}][^{_BLANK}]*"
_SIGNS_ALONE = "(?:^| )[^A-Za-z0-9 ]+(?: |$)"
_OTHER = f"[{UNSPACED}\U00010000-\U0010ffff]"


def count_all_words(texts: Any) -> int:
    """The sum of `count_words` over a column of strings without nulls."""
    plain = pc.string_is_ascii(texts)
    ascii_texts, others = texts.filter(plain), texts.filter(pc.invert(plain))
    hard = pc.match_substring_regex(others, _OTHER)
    spaced = pc.count_substring_regex(others.filter(pc.invert(hard)), _WORD)
    return (
        _count_ascii(ascii_texts)
        + (pc.sum(spaced).as_py() or 0)
        + sum(map(count_words, others.filter(hard).to_pylist()))
    )


def count_words_of_each(texts: Any) -> npt.NDArray[np.int64]:
    """`count_words` of each text of a column without nulls. The texts are clean: one space between words, none at the ends.

    Of ASCII text without a token of signs alone, the spaces tell the number.
    """
    easy = pc.and_(pc.string_is_ascii(texts), pc.invert(pc.match_substring_regex(texts, _SIGNS_ALONE)))
    counts: npt.NDArray[np.int64] = pc.add(pc.count_substring(texts, " "), 1).to_numpy().astype(np.int64)
    hard = np.flatnonzero(~easy.to_numpy())
    if len(hard):
        counts[hard] = [count_words(text) for text in texts.take(hard).to_pylist()]
    return counts


def _count_ascii(texts: Any) -> int:
    """Without its signs, a token is empty or a word."""
    if not len(texts):
        return 0
    offsets = pa.array([0, len(texts)], pa.int64() if pa.types.is_large_string(texts.type) else pa.int32())
    kind = pa.LargeListArray if pa.types.is_large_string(texts.type) else pa.ListArray
    whole = pc.binary_join(kind.from_arrays(offsets, texts), pa.scalar(" ", texts.type))
    data: bytes = whole.cast(pa.large_binary())[0].as_py()
    return (b" " + data).translate(_KINDS, _SIGNS).count(b" a")
