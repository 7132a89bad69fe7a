"""Ids for the parts of a page. Each id is given once, so every link leads to the part it names, whatever the names hold."""

import re

from longtake.pipeline.audit.report.pictures import bare
from longtake.pipeline.audit.result import Sheet

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class Anchors:
    """The ids of one page. `taken` are the ids in the templates. Names come from the audit, and may be a stranger's."""

    def __init__(self, taken: tuple[str, ...]) -> None:
        self._ids = {name: name for name in taken}
        self._used = set(taken)
        self._sheets: dict[Sheet, str] = {}

    def add(self, name: str) -> str:
        """The id for a name, made if the name has none yet."""
        if name not in self._ids:
            self._ids[name] = self._free(name)
        return self._ids[name]

    def href(self, href: str) -> str:
        """`href` as a link within the page; "" if it leads out of the page or to an unknown name."""
        name = href.removeprefix("#")
        return f"#{self._ids[name]}" if href.startswith("#") and name in self._ids else ""

    def shown(self, sheet: Sheet) -> str:
        """The id of a contact sheet that is already on the page, even with other facts; else ""."""
        return self._sheets.get(bare(sheet), "")

    def show(self, sheet: Sheet) -> str:
        """Give a contact sheet a new id. From now on it counts as shown."""
        return self._sheets.setdefault(bare(sheet), self._free(f"sheet-{sheet.key}"))

    def _free(self, name: str) -> str:
        wanted = _UNSAFE.sub("-", name)[:120] or "part"
        found, n = wanted, 2
        while found in self._used:
            found, n = f"{wanted}-{n}", n + 1
        self._used.add(found)
        return found
