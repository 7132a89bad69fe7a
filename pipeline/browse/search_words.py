"""Turn the search box's text into a query of SQLite FTS5, and prepare text for the full-text index.

A search must need no query language and show none of its errors. There are only words, "quoted phrases" and prefix*; anything
else counts as the words in it.
"""

import re
import unicodedata

from longtake.schemas.words import UNSPACED

MAX_QUERY, _MAX_TERMS = 500, 32  # characters, words and phrases
# Each of their characters is indexed alone, so that a phrase finds any part of a text. With a dictionary, a part
# that is one word in the text and two in the query would not be found.
_UNSPACED = re.compile(rf"([{UNSPACED}])")
_TERM = re.compile(r'"([^"]*)"?|(\S+)')


def spaced(text: str) -> str:
    """`text` with spaces around characters of scripts that write no spaces between words."""
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)


def fts_query(typed: str) -> str:
    """The FTS5 query for all words and phrases of `typed`; "" if there is no word in it."""
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
    """Whether the tokenizer `unicode61` treats a character as part of a word."""
    return unicodedata.category(char)[0] in "LN" or unicodedata.category(char) == "Co"
