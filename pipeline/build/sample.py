"""A sample before it is written: a long clip with decoded frames, from a fragment or from a finished corpus."""

from collections.abc import Callable
from dataclasses import dataclass

from longtake.pipeline.fragments.fragment import FragmentSample, Marker
from longtake.schemas.records import LongClip


@dataclass(frozen=True, slots=True)
class Sample:
    """A long clip, the facts about its decoded frames, and a function that reads the frames' tar entries."""

    clip: LongClip
    marker: Marker
    frames: FragmentSample
    entries: Callable[[], bytes]
