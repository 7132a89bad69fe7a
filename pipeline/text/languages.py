"""The language of a transcript, from its script and its most frequent small words: quick, and without a model.

It serves only rules of writing: where sentences end, and whether two tracks of captions are in one language.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

# Small words that are frequent in one language and rare in the others here.
_SMALL = {
    "en": "the and is you that it of for was with this are have not they what his from your we be there but",
    "de": "der die und das ist nicht ich ein eine es zu mit den auf sich dem für im auch wir sie war wie von gab bis um",
    "fr": "le la les et est une des pas je vous que pour dans qui nous avec sur au du elle il c'est en plus mais cette à l'été",
    "es": "el los las que y es una por con para no del se lo está como pero su más muy al mi ya usted son",
    "it": "il che di è un una per non sono con della gli anche ma questo più come lo nel alla ci dei si",
    "pt": "o os que não uma é para com do da em um por mais se como mas ele você muito dos ao isso são",
    "nl": "de het een van en is dat niet ik je zijn voor met op er maar ook wij naar was aan deze om",
    "sv": "och det att är som en på inte jag av för med den till har han de om ett men var vi så",
    "da": "og det at er en på ikke jeg af for med den til har han de som et men var vi så der kan",
    "no": "og det å er en på ikke jeg av for med den til har han de som et men var vi så ble",
    "fi": "ja on ei että se hän oli mutta kun niin ovat tämä mitä ole minä sen voi kuin joka ne",
    "pl": "i w nie na się to że z do jest jak ale co tak po od czy już był dla ma przez",
    "cs": "a se je na to že v ale jak s do tak by co jsem jsou byl pro jeho už ve",
    "sk": "a sa je na to že v ale ako s do tak by čo som sú bol pre jeho už vo",
    "hu": "a az és hogy nem is egy van ez meg de volt mert csak már ha még vagy ki azt",
    "tr": "bir ve bu için de da çok ne ama gibi var daha ben o kadar olarak sonra en ile mi",
    "ro": "și nu este că în un o pe cu de la mai care din sunt ce pentru dar am ca",
    "hr": "i je u na se da su za nije od što kao ali s bio to ne sam koji iz",
    "id": "yang dan di ini itu dengan untuk tidak dari dalam akan pada kita saya ada juga ke bisa",
    "vi": "và của là có không cho một được người trong này với các đã những khi đến tôi",
}  # fmt: skip
_LANGUAGES_OF: dict[str, list[str]] = {}
for _language, _words in _SMALL.items():
    for _word in _words.split():
        _LANGUAGES_OF.setdefault(_word, []).append(_language)
_BY_SCRIPT = {
    "HANGUL": "ko", "THAI": "th", "LAO": "lo", "KHMER": "km", "MYANMAR": "my", "HEBREW": "he", "GREEK": "el",
    "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "ARMENIAN": "hy", "GEORGIAN": "ka", "ETHIOPIC": "am",
}  # fmt: skip
#: Languages that are not written in Latin letters.
NOT_LATIN = frozenset((*_BY_SCRIPT.values(), "zh", "ja", "ar", "fa", "ur", "ru", "uk"))
_PERSIAN, _URDU = frozenset("پچژگ"), frozenset("ٹڈڑںےھ")
_UKRAINIAN = frozenset("іїєґ")
_SAMPLE = 4_000  # characters to look at
_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_ASCII_WORDS = re.compile(r"[a-z]+(?:'[a-z]+)?")
_LETTERS_ONLY = {code: " " for code in range(128) if not (chr(code).islower() or chr(code) == "'")}


def language_of(text: str) -> str | None:
    """The language of `text` (ISO 639-1); None if neither script nor small words tell."""
    text = text[:_SAMPLE]
    script = script_of(text)
    if script is None or script in _BY_SCRIPT:
        return _BY_SCRIPT.get(script or "")
    if script == "LATIN":
        return _by_small_words(_ascii_words(text.lower()) if text.isascii() else _WORDS.findall(text.lower()))
    letters = frozenset(text.lower())
    if script == "HAN":
        return "zh"
    if script == "KANA":
        return "ja"
    if script == "ARABIC":
        return "ur" if letters & _URDU else "fa" if letters & _PERSIAN else "ar"
    if script == "CYRILLIC":
        return "uk" if letters & _UKRAINIAN else "ru"
    return None


def _ascii_words(text: str) -> Iterable[str]:
    """The matches of _ASCII_WORDS in a text in small letters, in half the time."""
    words = text.translate(_LETTERS_ONLY).split()
    return words if "'" not in text else [found for word in words for found in _ASCII_WORDS.findall(word)]


def _by_small_words(words: Iterable[str]) -> str | None:
    """The language with the most votes: each small word is one vote, divided among the languages that have it."""
    votes: Counter[str] = Counter()
    for word, times in Counter(words).items():
        found = _LANGUAGES_OF.get(word.replace("\u2019", "'"), ())
        for language in found:
            votes[language] += 60 * times // len(found)
    best = votes.most_common(2)
    return best[0][0] if best and (len(best) == 1 or best[0][1] > best[1][1]) else None


def script_of(text: str) -> str | None:
    """The script of most letters, by Unicode's name; KANA if there are kana among Han, None if there is no letter."""
    if text.isascii():
        return "LATIN" if any(map(str.isalpha, text)) else None
    counts: Counter[str] = Counter()
    for character, number in Counter(text).items():
        if character.isalpha():
            counts[_script(character)] += number
    if counts["KANA"] * 10 > counts["HAN"]:
        counts["KANA"] += counts.pop("HAN", 0)
    return counts.most_common(1)[0][0] if counts.total() else None


@lru_cache(maxsize=1 << 13)
def _script(character: str) -> str:
    name = unicodedata.name(character, "?").partition(" ")[0]
    return {"CJK": "HAN", "HIRAGANA": "KANA", "KATAKANA": "KANA", "KATAKANA-HIRAGANA": "KANA", "HALFWIDTH": "KANA"}.get(
        name, name
    )


def small_words(text: str) -> int:
    """The number of words of `text` that are small words of any language: sentences have them, labels do not."""
    return sum(word in _LANGUAGES_OF for word in _WORDS.findall(text.lower()))
