"""From the bytes of a transcript file to text: byte order marks, encodings, and bytes that fit none."""

import codecs
import re

_LINE_END = re.compile(r"\r\n|\n|\r")
_LINE_END_BYTES = re.compile(rb"\r\n|\n|\r")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before that of UTF-16, which it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(data: bytes, encoding: str = "utf-8") -> str:
    """The text of a file. A byte order mark goes before `encoding`. What cannot be decoded becomes U+FFFD."""
    for mark, marked in _MARKS:
        if data.startswith(mark):
            return (data[len(mark) :] if marked == "utf-8" else data).decode(marked, "replace")
    return data.decode(encoding, "replace")


def decoded_lines(data: bytes, encoding: str = "utf-8") -> list[tuple[str, bool]]:
    """The lines of a file, each with whether it could be decoded."""
    if data.startswith(codecs.BOM_UTF8):
        data, encoding = data.removeprefix(codecs.BOM_UTF8), "utf-8"
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        return [(line, True) for line in _LINE_END.split(data.decode(marked or encoding))]
    except UnicodeDecodeError:
        if marked is None and encoding == "utf-8":  # line by line, which no other encoding is safe for
            return [_decoded(line) for line in _LINE_END_BYTES.split(data)]
        text = data.decode(marked or encoding, "replace")
        return [(line, "\ufffd" not in line) for line in _LINE_END.split(text)]


def _decoded(line: bytes) -> tuple[str, bool]:
    try:
        return line.decode("utf-8"), True
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), False
