"""Make text from a corpus safe for Markdown: ids, licences and hosts come from strangers, and a card is shown as a web page."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from longtake.schemas.printable import printable

_ACTIVE = re.compile(r"[\\`*_\[\]<>#|~&$@]")
_BARE_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp|www)(?=[:.])")  # becomes a link even without markup
_AT_START = re.compile(r"\A(\d+(?=[.)](\s|\Z))|(?=[-+=]))")  # marks of a list or a heading


def escape(text: object, limit: int = 200) -> str:
    """`text` on one line of Markdown that shows it unchanged, even in a table or list: no markup, HTML or link takes effect."""
    shown = _ACTIVE.sub(r"\\\g<0>", printable(" ".join(str(text).split()), limit))
    return _AT_START.sub(r"\g<0>\\", _BARE_LINK.sub(r"\g<0>\\", shown))


def one_line(text: str) -> str:
    """A text as plain text on one line, for places that are not Markdown."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def fenced(text: str, language: str = "") -> str:
    """A code block with a fence that `text` cannot close."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], text_columns: int = 1) -> str:
    """A table. The first `text_columns` columns are text, aligned left; the others are numbers. Cells are escaped."""
    rule = [("---" if n < text_columns else "---:") for n in range(len(columns))]
    lines = [list(columns), rule, *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    """A value as a table cell: whole numbers with thousands separators, other numbers with one decimal, text escaped."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else escape(value)
