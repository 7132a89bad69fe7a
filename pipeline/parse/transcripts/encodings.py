"""From the bytes of a transcript file to text: byte order marks, encodings, and bytes that fit none."""

import codecs
import re
import unicodedata
from functools import lru_cache

import chardet

_LINE_END_BYTES = re.compile(rb"\r\n|\n|\r")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, because it starts with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


# Byte order marks within a text, and marks without width: before a number or a timing line, they hide it.
_HIDDEN = "\ufeff\u200b\u2060"
_ESCAPE = b"\x1b"  # of encodings that use only ASCII bytes, such as iso2022_jp
_SAMPLE = 1 << 16  # bytes for detecting an encoding
_FEW_LINES, _FEW_BYTES = 3, 20  # with less, a guess is worth nothing
_NEVER_WITH_LATIN = ("CYRILLIC", "GREEK", "ARABIC", "HEBREW", "ARMENIAN", "GEORGIAN", "THAI")
_LETTERS = re.compile(r"[^\W\d_]+")


def to_utf8(data: bytes, encoding: str = "utf-8") -> tuple[bytes, str | None]:
    """Return the file in UTF-8 and, if it was not UTF-8, how it was read: "cp1252, as its text tells".

    A file that is UTF-8 throughout comes back unchanged, whatever `encoding` says; so does a file with a byte order mark, or with
    a few broken lines among more lines of UTF-8. Else `encoding` counts, if it is another one and fits; else the encoding that
    the text itself shows. A file that fits none comes back unchanged.
    """
    if any(data.startswith(mark) for mark, _ in _MARKS):
        return data, None
    if (wide := _utf16(data)) is not None:
        return _converted(data, wide, "which has no byte order mark")
    if encoding != "utf-8" and _ESCAPE in data and (found := _tried(data, encoding)) is not None:
        return found, f"{encoding}, as source.text.encoding says"
    try:
        data.decode("utf-8")
        return data, None
    except UnicodeDecodeError:
        lines = [line for line in _LINE_END_BYTES.split(data) if not line.isascii()]
    good = sum(_decoded(line)[1] for line in lines)
    if good > len(lines) - good:
        return data, None
    if encoding != "utf-8" and (found := _tried(data, encoding)) is not None:
        return found, f"{encoding}, as source.text.encoding says"
    detected = _detected(b"\n".join(lines)[:_SAMPLE], len(lines))
    if detected is None or (found := _tried(data, detected)) is None:
        return data, None
    return found, f"{detected}, as its text tells"


def _utf16(data: bytes) -> str | None:
    """The kind of UTF-16, None for other encodings. Digits and line ends leave every other byte of UTF-16 empty."""
    start = data[: 1 << 12]
    if len(start) < 16 or start.count(0) * 5 < len(start):
        return None
    return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"


def _converted(data: bytes, encoding: str, why: str) -> tuple[bytes, str | None]:
    found = _tried(data, encoding)
    return (data, None) if found is None else (found, f"{encoding}, {why}")


def _tried(data: bytes, encoding: str) -> bytes | None:
    try:
        return data.decode(encoding).encode("utf-8")
    except (UnicodeError, ValueError):
        return None


def _detected(sample: bytes, lines: int) -> str | None:
    """The likeliest encoding in which no word mixes Latin with other alphabets, as in cp1252 that is read as Cyrillic."""
    if lines < _FEW_LINES and sum(byte > 127 for byte in sample) < _FEW_BYTES:
        return None
    for guess in chardet.detect_all(sample, ignore_threshold=True):
        name = guess["encoding"]
        try:
            text = sample.decode(name or "", "ignore")  # the sample may end within a character
            known = codecs.lookup(name or "").name
        except LookupError:
            continue
        if not any(map(_is_mixed, _LETTERS.findall(text))):
            return "cp1252" if text == sample.decode("cp1252", "ignore") else known
    return None


def _is_mixed(word: str) -> bool:
    scripts = set(map(_script, word))
    return "LATIN" in scripts and not scripts.isdisjoint(_NEVER_WITH_LATIN)


@lru_cache(maxsize=1 << 12)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").partition(" ")[0]


def decoded(data: bytes, encoding: str = "utf-8") -> str:
    """Return the text of a file. A byte order mark overrides `encoding`. Undecodable bytes become U+FFFD."""
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return (data[len(mark) :] if marked == "utf-8" else data).decode(marked, "replace")
    return data.decode(encoding, "replace")


def decoded_lines(data: bytes, encoding: str = "utf-8") -> list[tuple[str, bool]]:
    """Return the lines of a file, and for each line whether it could be decoded."""
    if data.startswith(codecs.BOM_UTF8):
        data, encoding = data.removeprefix(codecs.BOM_UTF8), "utf-8"
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        lines = _lines(data.decode(marked or encoding))
        return [(line if line.isascii() else line.lstrip(_HIDDEN), True) for line in lines]
    except UnicodeDecodeError:
        if marked is None and encoding == "utf-8":  # line by line, which is safe in UTF-8 only
            return [_decoded(line) for line in _LINE_END_BYTES.split(data)]
        text = data.decode(marked or encoding, "replace")
        return [(line, "\ufffd" not in line) for line in _lines(text)]


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _decoded(line: bytes) -> tuple[str, bool]:
    try:
        return line.decode("utf-8").lstrip(_HIDDEN), True
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), False
