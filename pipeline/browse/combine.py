"""Expressions that combine saved selections: `fast and not (copies or black)`. `not` binds strongest, then `and`, then `or`."""

import re
from collections.abc import Callable

import numpy as np

from longtake.pipeline.browse.store import Mask

NAME = re.compile(r"\w[\w-]{0,59}")
WORDS = ("and", "or", "not")
_TOKEN = re.compile(r"\s*(?:([()])|(\w[\w-]*)|(\S))")
_MAX_DEPTH = 50  # brackets and `not` in each other

MaskOf = Callable[[str], Mask]


class SelectionError(Exception):
    """A selection cannot be evaluated. The message is for the person who asked for it."""


def is_name(text: str) -> bool:
    """Whether a selection may have this name: up to 60 letters, digits, _ and -, none of the words of expressions."""
    return NAME.fullmatch(text) is not None and text.lower() not in WORDS


def names_in(expression: str) -> list[str]:
    """The names in an expression, each once. Raises SelectionError."""
    found: dict[str, None] = {}

    def note(name: str) -> Mask:
        found[name] = None
        return np.zeros(0, bool)

    evaluate(expression, note)
    return list(found)


def evaluate(expression: str, mask_of: MaskOf) -> Mask:
    """The rows that an expression chooses; `mask_of` gives the rows of each name. Raises SelectionError."""
    reader = _Reader(expression, mask_of)
    found = reader.either(0)
    if reader.token is not None:
        raise SelectionError(f"{reader.token!r} is not expected there; combine names with and, or, not and brackets")
    return found


class _Reader:
    """Reads an expression from left to right, one token ahead."""

    def __init__(self, expression: str, mask_of: MaskOf) -> None:
        self._tokens = [found.group().strip() for found in _TOKEN.finditer(expression.rstrip())]
        self._mask_of, self._at = mask_of, 0

    @property
    def token(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, word: str) -> bool:
        is_next = self.token is not None and self.token.lower() == word
        self._at += is_next
        return is_next

    def either(self, depth: int) -> Mask:
        found = self._both(depth)
        while self._take("or"):
            found = found | self._both(depth)
        return found

    def _both(self, depth: int) -> Mask:
        found = self._one(depth)
        while self._take("and"):
            found = found & self._one(depth)
        return found

    def _one(self, depth: int) -> Mask:
        if depth > _MAX_DEPTH:
            raise SelectionError(f"more than {_MAX_DEPTH} brackets in each other")
        if self._take("not"):
            return ~self._one(depth + 1)
        if self._take("("):
            found = self.either(depth + 1)
            if not self._take(")"):
                raise SelectionError("a bracket is not closed")
            return found
        name = self.token
        if name is None or not is_name(name):
            raise SelectionError(f"{name!r} is no name of a selection" if name else "a name of a selection is missing")
        self._at += 1
        return self._mask_of(name)
