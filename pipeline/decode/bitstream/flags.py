"""The flags of a packet, and the memory of what a decoder has been told."""

from collections.abc import Callable, Iterable

#: Other pictures may be predicted from this one.
REFERENCE = 1
#: Decoding the packet puts a frame on screen.
VISIBLE = 2
#: Decoding can start here, and all that follows in output order is exact.
ENTRY = 4
#: HEVC only: belongs to a higher temporal layer, so that unreferenced in its layer does not mean unreferenced.
LAYERED = 8
#: Carries parameters (size, tables, tools) that no packet before it had: what follows cannot be decoded without it.
CHANGES = 64
#: A picture that may be predicted from later ones, so that the order of decoding is not that of showing.
BACKWARD = 128

PLAIN = REFERENCE | VISIBLE

Reader = Callable[[memoryview, bool], int]


class Parameters:
    """The parameter sets that a decoder knows from the start, by content."""

    def __init__(self, known: Iterable[bytes]) -> None:
        self._known = {one.rstrip(b"\0") for one in known}
        self._started = bool(self._known)

    def change(self, sets: Iterable[bytes]) -> int:
        """CHANGES where one of `sets` is new. What the first packets with any bring is the start of a stream without a header."""
        fresh = {one.rstrip(b"\0") for one in sets} - self._known
        self._known |= fresh
        if not fresh:
            return 0
        started, self._started = self._started, True
        return CHANGES if started else 0
