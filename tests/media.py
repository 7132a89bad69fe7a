"""Small real videos, made once by ffmpeg and kept, and the folder of real files that is not part of the repository."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg
import pytest
import sources

#: Real files and their MANIFEST.md, beside the repository; LONGTAKE_SHARED names another place.
SHARED = sources.SHARED / "data"
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
_CACHE = Path(tempfile.gettempdir()) / f"longtake-test-media-{os.getuid()}"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent; set LONGTAKE_SHARED to its parent")


def shared(*names: str) -> list[Path]:
    """The video files in these folders of SHARED, sorted; none where SHARED is absent."""
    kinds = {".mp4", ".webm", ".mkv", ".mov", ".avi", ".ts", ".ogv", ".m4s"}
    return sorted(p for name in names for p in (SHARED / name).glob("*") if p.suffix in kinds)


def make(name: str, arguments: Sequence[str | Path]) -> Path:
    """The file that `ffmpeg ARGUMENTS name` writes, from the cache where it is already."""
    words = [str(a) for a in arguments]
    key = hashlib.sha256("\0".join([FFMPEG, name, *words]).encode()).hexdigest()[:16]
    return _kept(key, name, lambda path: _run([*words, str(path)]))


def encode(
    name: str,
    codec: str = "libx264",
    *,
    duration: float = 4,
    size: str = "320x180",
    rate: str = "25",
    audio: bool = False,
    extra: Sequence[str] = (),
) -> Path:
    """A test picture with a moving counter, encoded by `codec` into the file format of `name`. Times in seconds."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={duration}"]
    if audio:
        inputs += ["-f", "lavfi", "-i", f"sine=duration={duration}"]
    speed = ["-preset", "veryfast"] if codec in ("libx264", "libx265") else []
    pixels = [] if "-pix_fmt" in extra else ["-pix_fmt", "yuv420p"]
    return make(name, [*inputs, "-c:v", codec, *speed, *pixels, "-threads", "1", *extra])


def changed(source: Path, name: str, change: Callable[[bytearray], bytearray]) -> Path:
    """A copy of `source` with its bytes changed."""
    data = change(bytearray(source.read_bytes()))
    key = hashlib.sha256(data).hexdigest()[:16]
    return _kept(key, name, lambda path: path.write_bytes(data))


def truncated(source: Path, share: float) -> Path:
    """The first `share` of a file."""
    return changed(source, f"truncated-{source.name}", lambda data: data[: int(len(data) * share)])


def damaged(source: Path, at: float, length: int = 200) -> Path:
    """A file with `length` bytes overwritten from the share `at` of it on."""

    def spoil(data: bytearray) -> bytearray:
        start = int(len(data) * at)
        for i in range(start, min(start + length, len(data))):
            data[i] ^= (i * 37 + 11) & 0xFF
        return data

    return changed(source, f"damaged-{source.name}", spoil)


def derived(about: str, name: str, write: Callable[[Path], object]) -> Path:
    """The file that `write` makes, from the cache where it is already; `about` says all that decides it."""
    return _kept(hashlib.sha256(about.encode()).hexdigest()[:16], name, write)


def _kept(key: str, name: str, write: Callable[[Path], object]) -> Path:
    folder = _CACHE / key
    target = folder / name
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:  # whole or absent, also with several test processes
            made = Path(scratch) / name
            write(made)
            shutil.move(made, target)
    return target


def _run(arguments: Sequence[str]) -> None:
    command = [FFMPEG, "-nostdin", "-y", "-loglevel", "error", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
