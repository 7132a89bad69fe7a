"""What a person types into the search box, as a query of SQLite FTS5; and text as it goes into the full-text index.

Nobody who searches should need to know a query language, or be told of its errors: words, "quoted phrases" and prefix* are all
there is, and anything else counts as the words that it holds.
"""

import re
import unicodedata

from longtake.schemas.words import UNSPACED

MAX_QUERY, _MAX_TERMS = 500, 32  # characters, words and phrases
# Each of their characters is indexed, so that any part of a text is found as a phrase: what a dictionary takes
# for one word in the text and for two in the query would not be.
_UNSPACED = re.compile(rf"([{UNSPACED}])")
_TERM = re.compile(r'"([^"]*)"?|(\S+)')


def spaced(text: str) -> str:
    """`text` with spaces around the characters of scripts that have none between words."""
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)


def fts_query(typed: str) -> str:
    """The FTS5 query that finds all words and phrases of `typed`; "" where it holds no word."""
    terms = []
    for found in _TERM.finditer(typed[:MAX_QUERY]):
        phrase = found[1] if found[1] is not None else found[2]
        is_prefix = found[1] is None and phrase.endswith("*")
        words = spaced("".join(c if _is_kept(c) else " " for c in phrase)).strip()
        if words and any(_in_word(c) for c in words):
            terms.append(f'"{words}"' + (" *" if is_prefix else ""))
    return " ".join(terms[:_MAX_TERMS])


def _is_kept(char: str) -> bool:
    return char not in '"\0' and not "\ud800" <= char <= "\udfff"


def _in_word(char: str) -> bool:
    """Whether the tokenizer `unicode61` takes a character for part of a word."""
    return unicodedata.category(char)[0] in "LN" or unicodedata.category(char) == "Co"
