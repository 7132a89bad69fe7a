"""The flags of a packet, and the parameter sets that a decoder knows."""

from collections.abc import Callable, Iterable, Sequence

#: Other pictures may be predicted from this one.
REFERENCE = 1
#: Decoding the packet puts a frame on screen.
VISIBLE = 2
#: Decoding can start here, and everything later in output order is exact.
ENTRY = 4
#: HEVC only: the picture is in a higher temporal layer, where unreferenced in its layer does not mean unreferenced.
LAYERED = 8
#: Later packets cannot be decoded without this one: it carries new parameters (size, tables, tools).
CHANGES = 64
#: The picture may be predicted from later ones, so decoding order differs from display order.
BACKWARD = 128

PLAIN = REFERENCE | VISIBLE

Reader = Callable[[memoryview, bool], int]


class Parameters:
    """The parameter sets that a decoder knows from the start, by content.

    A stream may bring new sets with its very first picture, if every entry point brings as many: then a decoder that starts at
    an entry point knows enough. Any other new set changes the pictures after it, even if decoding reaches them from elsewhere.
    """

    def __init__(self, known: Iterable[bytes]) -> None:
        self._known = {one.rstrip(b"\0") for one in known}
        self._begun = False
        self._repeats = 0  # number of sets that every entry point must bring

    def change(self, sets: Sequence[bytes], entry: bool) -> int:
        """CHANGES if `sets`, the sets of the next picture, are new, or if an entry point lacks some; else 0."""
        if not sets and not entry:
            return 0
        fresh = {one.rstrip(b"\0") for one in sets} - self._known
        begun, self._begun = self._begun, True
        if not fresh:
            return CHANGES if entry and len(sets) < self._repeats else 0
        self._known |= fresh
        if begun:
            return CHANGES
        self._repeats = len(sets)
        return 0
