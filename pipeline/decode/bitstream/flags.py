"""The flags of a packet, and the memory of what a decoder has been told."""

from collections.abc import Callable, Iterable, Sequence

#: Other pictures may be predicted from this one.
REFERENCE = 1
#: Decoding the packet puts a frame on screen.
VISIBLE = 2
#: Decoding can start here, and all that follows in output order is exact.
ENTRY = 4
#: HEVC only: belongs to a higher temporal layer, so that unreferenced in its layer does not mean unreferenced.
LAYERED = 8
#: What follows cannot be decoded without it: it carries parameters (size, tables, tools) that no packet before it had.
CHANGES = 64
#: A picture that may be predicted from later ones, so that the order of decoding is not that of showing.
BACKWARD = 128

PLAIN = REFERENCE | VISIBLE

Reader = Callable[[memoryview, bool], int]


class Parameters:
    """The parameter sets that a decoder knows from the start, by content.

    A stream may bring others with its very first picture, if every entry point brings as many: then a decoder that begins there
    knows what it needs. Anything else that is new changes what follows, also for pictures that are reached from elsewhere.
    """

    def __init__(self, known: Iterable[bytes]) -> None:
        self._known = {one.rstrip(b"\0") for one in known}
        self._begun = False
        self._repeats = 0  # sets that every entry point has to bring

    def change(self, sets: Sequence[bytes], entry: bool) -> int:
        """CHANGES where `sets`, those of the next picture, are new, or where an entry point lacks them."""
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
