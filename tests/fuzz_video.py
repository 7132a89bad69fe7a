"""Fuzzing of the decoder: mutated video files, each decoded in a slot as in a build. `python tests/fuzz.py` runs it for long."""

import hashlib
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import media
from fuzz_mutation import changed_video

from longtake.pipeline.decode import SourceError, decode_frames, probe
from longtake.pipeline.run.slots import SlotCrashed, Slots, SlotTimeout
from longtake.schemas.config import Frames, Limits

SECONDS = 20.0  # for one file that is decoded in less than one
_LARGEST = 600_000  # bytes of a file to start from
LIMITS = Limits(duration_ms=3_600_000, packets=200_000, pixels=1 << 22)
FRAMES = Frames(short_side=16)


def seeds() -> list[Path]:
    """Small files of many kinds: made by ffmpeg here, and real ones where they are."""
    made = [
        media.encode("fuzz.mp4", duration=2, size="64x48", audio=True, extra=["-bf", "2", "-g", "12"]),
        media.encode("fuzz.mkv", duration=2, size="64x48"),
        media.encode("fuzz.ts", duration=2, size="64x48"),
        media.encode("fuzz.avi", "mpeg4", duration=2, size="64x48"),
        media.encode("fuzz.webm", "libvpx-vp9", duration=1, size="64x48"),
        media.encode("fuzz.flv", "flv", duration=1, size="64x48"),
        media.encode("fuzz.mpg", "mpeg2video", duration=1, size="64x48"),
        media.encode("frag.mp4", duration=2, size="64x48", extra=["-movflags", "frag_keyframe+empty_moov"]),
    ]
    return made + [path for path in media.shared("odd", "videos") if 0 < path.stat().st_size <= _LARGEST]


def decode_once(path: str) -> str:
    """What the file comes to: "decoded", or the reason of its SourceError. Runs in a child."""
    outcome = "decoded"
    for work in (
        lambda: probe(path, LIMITS),
        lambda: probe(path, LIMITS, packets=True),
        lambda: decode_frames(path, [0, 700, 1500], FRAMES, LIMITS),
    ):
        try:
            work()
        except SourceError as error:
            outcome = error.reason.value
    return outcome


@dataclass
class Findings:
    """What a run came to: outcomes by kind; and the files that did what no file may do, kept in `folder`."""

    folder: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    slowest: float = 0.0


def fuzz_video(folder: Path, number: int | None = None, until: float | None = None, seed: int = 0) -> Findings:
    """Decode `number` mutated files, or as many as there is time for `until` (time.monotonic). Bad ones are kept in `folder`."""
    found = Findings(folder)
    folder.mkdir(parents=True, exist_ok=True)
    originals = [(path.name, path.read_bytes()) for path in seeds()]
    with tempfile.TemporaryDirectory(prefix="longtake-fuzz-") as scratch, Slots(1) as slots:
        slots.run(SECONDS, decode_once, str(seeds()[0]))  # imports
        for name, data in _cases(originals, number, until, seed):
            path = Path(scratch, "case")
            path.write_bytes(data)
            _run_one(slots, path, name, data, found)
            path.unlink()
            assert not os.listdir(scratch), "nothing is written beside a source"
    return found


def _cases(
    originals: Sequence[tuple[str, bytes]], number: int | None, until: float | None, seed: int
) -> Iterator[tuple[str, bytes]]:
    case = 0
    while (number is None or case < number) and (until is None or time.monotonic() < until):
        name, data = originals[case % len(originals)]
        yield f"seed {seed} case {case} of {name}", changed_video(data, random.Random(f"{seed}:{case}"))
        case += 1


def _run_one(slots: Slots, path: Path, name: str, data: bytes, found: Findings) -> None:
    start = time.monotonic()
    try:
        outcome: Any = slots.run(SECONDS, decode_once, str(path))
    except SlotTimeout:
        outcome = "HANG"
    except SlotCrashed:
        outcome = "CRASH"
    except MemoryError:
        outcome = "out of memory"  # of the child, which costs a build that video
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"[:200]
    found.slowest = max(found.slowest, time.monotonic() - start)
    keep(found, outcome, name, data)


def keep(found: Findings, outcome: str, name: str, data: bytes) -> None:
    """Count an outcome. Those in capitals, and exceptions, are findings, whose input is kept."""
    found.outcomes[outcome[:30]] += 1
    if outcome != outcome.lower():
        kept = found.folder / hashlib.sha256(data).hexdigest()[:12]
        kept.write_bytes(data)
        found.bad.append(f"{outcome}: {name}: {kept}")
