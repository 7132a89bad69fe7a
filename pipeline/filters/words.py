"""Words, as the scores and the search for duplicates count them: folded to one case, without punctuation at their ends."""

import re
import unicodedata

# Scripts without spaces between words (Han, kana): there each character counts as a word.
_UNSPACED = "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
_TOKEN = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")


def words(text: str) -> list[str]:
    """The words of `text`; what is punctuation only is none."""
    found = []
    for token in _TOKEN.findall(text.casefold()):
        word = token if token.isalnum() else _trimmed(token)
        if word:
            found.append(word)
    return found


def _trimmed(token: str) -> str:
    inside = [at for at, character in enumerate(token) if _in_word(character)]
    return token[inside[0] : inside[-1] + 1] if inside else ""


def _in_word(character: str) -> bool:
    """Marks belong to words: the vowel signs of Indic scripts are such."""
    return character.isalnum() or unicodedata.category(character)[0] == "M"
