"""What a case of the gallery is, and how cases are added to it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.media import changed, derived, make
from tests.numbered_video import numbered

Change = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Case:
    """How to make the file; whether it is among the few of every test run; the stream to compare, where ffmpeg takes another."""

    make: Callable[[], Path]
    quick: bool = False
    stream: int | None = None


CASES: dict[str, Case] = {}


def add(name: str, make: Callable[[], Path], quick: bool = False, stream: int | None = None) -> None:
    """Add a file."""
    assert name not in CASES, name
    CASES[name] = Case(make, quick, stream)


def mutant(name: str, base: Callable[[], Path], change: Change, quick: bool = False) -> None:
    """Add `base` with its bytes changed."""

    def build() -> Path:
        source = base()
        before = source.read_bytes()
        after = change(before)
        assert after != before, f"{name} changes nothing"
        return changed(source, f"{name}{source.suffix}", lambda _: bytearray(after))

    add(name, build, quick)


def assembled(name: str, kind: str, parts: Callable[[], bytes], quick: bool = False) -> None:
    """Add a file of a kind put together from others."""

    def build() -> Path:
        data = parts()
        return derived(hashlib.sha256(data).hexdigest(), f"{name}.{kind}", lambda path: path.write_bytes(data))

    add(name, build, quick)


def copied(source: Path, name: str, *options: str, before: tuple[str, ...] = ()) -> Path:
    """The file in another container, without coding it anew."""
    return make(name, [*before, "-i", source, "-c", "copy", *options])


def h264(kind: str = "mp4", first: int = 0, *, params: str = "", audio: float = 0, extra: tuple[str, ...] = ()) -> Path:
    """100 frames from `first` on, in H.264 with B-frames."""
    options = ["-x264-params", f"keyint=25:bframes=2:scenecut=0{params}", *extra]
    return numbered(f"h264.{kind}", first=first, audio=audio, extra=options)


def codec(kind: str, codec: str) -> Callable[[], Path]:
    """100 frames of any codec."""
    return lambda: numbered(f"{codec}.{kind}", codec)
