"""The faults of a corpus that `longtake verify` reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from longtake.schemas.printable import printable

T = TypeVar("T")

_KEPT = 20  # faults of one file; a file that is wrong throughout needs few lines, so the rest is only counted
_MAX_TEXT = 300


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault. `where` is a file of the corpus, followed by a key if the fault is about one sample."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{printable(self.where, _MAX_TEXT)}: {printable(self.what, _MAX_TEXT)}"


@dataclass(slots=True)
class FaultList:
    """The faults of one file, in the order found. Only the first few are kept; the rest are counted."""

    where: str
    found: list[Fault] = field(default_factory=list)
    omitted: int = 0
    unreadable: bool = False  # the file could not be read to its end, so it cannot be compared with others

    def add(self, what: str, at: str = "") -> None:
        """Add a fault; `at` is the key of the sample, or another place within the file."""
        if len(self.found) < _KEPT:
            self.found.append(Fault(f"{self.where} {at}" if at else self.where, what))
        else:
            self.omitted += 1

    def add_each(self, subjects: Sequence[T], what: str, name: Callable[[T], str]) -> None:
        """Add the same fault for many subjects. `name` is called only for the faults that are kept."""
        room = max(_KEPT - len(self.found), 0)
        for subject in subjects[:room]:
            self.add(what, name(subject))
        self.omitted += len(subjects[room:])

    def cannot_read(self, why: str) -> None:
        """Add the fault that stops the reading of the file."""
        self.add(why)
        self.unreadable = True

    @property
    def number(self) -> int:
        """The number of faults, kept or only counted."""
        return len(self.found) + self.omitted

    def lines(self) -> list[Fault]:
        """The kept faults, and a last line with the number of the others."""
        more = [Fault(self.where, f"and {self.omitted:,} more faults in this file")] if self.omitted else []
        return [*self.found, *more]


def short(value: object) -> str:
    """A value shortened for a message."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def list_some(values: Sequence[str]) -> str:
    """The first few of many names."""
    return ", ".join(values[:3]) + (f" and {len(values) - 3:,} more" if len(values) > 3 else "")
