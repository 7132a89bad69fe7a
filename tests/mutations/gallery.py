"""Videos whose container or clock lies, jumps or says little, by name: each frame tells its number (tests/numbered_video.py)."""

from tests.mutations import clocks, codings, headers, key_marks, mp4_times, streams  # noqa: F401  (each adds its cases)
from tests.mutations.cases import CASES, Case

__all__ = ["CASES", "Case"]
