"""A page as a tree, read by Python's own parser: what a test finds in it does not depend on how the page was made."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_EMPTY = {"meta", "link", "img", "br", "input", "hr"}


@dataclass
class Element:
    """An element; `children` are elements and texts."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: "list[Element | str]" = field(default_factory=list)

    def all(self, tag: str = "", name: str = "", id: str = "") -> "Iterator[Element]":
        """The elements inside with this tag, class and id, in order."""
        for child in self.children:
            if isinstance(child, Element):
                classes = child.attributes.get("class", "").split()
                if tag in ("", child.tag) and (not name or name in classes) and id in ("", child.attributes.get("id")):
                    yield child
                yield from child.all(tag, name, id)

    def one(self, tag: str = "", name: str = "", id: str = "") -> "Element":
        """The first of them."""
        return next(self.all(tag, name, id))

    @property
    def text(self) -> str:
        """All text inside, with single spaces."""
        return " ".join(self.raw.split())

    @property
    def raw(self) -> str:
        """All text inside as it is."""
        return "".join(child if isinstance(child, str) else child.raw for child in self.children)

    def table(self, caption: str) -> list[list[str]]:
        """The cells of the table with this caption, without its head."""
        found = next(t for t in self.all("table") if t.one("caption").text == caption)
        return [
            [cell.text for cell in row.children if isinstance(cell, Element)] for row in found.one("tbody").all("tr")
        ]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(made)
        if tag not in _EMPTY:
            self._open.append(made)

    def handle_endtag(self, tag: str) -> None:
        for at in range(len(self._open) - 1, 0, -1):
            if self._open[at].tag == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parse(page: str) -> Element:
    """The tree of a page."""
    parser = _Parser()
    parser.feed(page)
    return parser.root
