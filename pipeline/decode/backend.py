"""The interface of a decoding backend, and the choice of one by name."""

from collections.abc import Sequence
from typing import Protocol

from longtake.pipeline.decode.results import Decoded
from longtake.pipeline.decode.stopwatch import Stopwatch
from longtake.schemas.config import Frames, Limits
from longtake.schemas.extras import check_package


class Backend(Protocol):
    """A decoder for the frames of one file at wanted times."""

    def decode(self, path: str, times_ms: Sequence[int], frames: Frames, limits: Limits, watch: Stopwatch) -> Decoded:
        """The frames on screen at `times_ms` (any order, repeats allowed). Raises SourceError."""
        ...

    def versions(self) -> dict[str, str]:
        """The versions of the libraries that decide the pixels."""
        ...


def backend(name: str) -> Backend:
    """The backend called `name`: "pyav" or "decord". Raises MissingExtraError if its library is not installed."""
    if name == "decord":
        check_package("frames.decoder: decord", "decord", "decord")
        from longtake.pipeline.decode.decord_backend import DecordBackend

        return DecordBackend()
    if name == "pyav":
        from longtake.pipeline.decode.pyav_backend import PyAvBackend

        return PyAvBackend()
    raise ValueError(f"no decoder called {name!r}; there are pyav and decord")
