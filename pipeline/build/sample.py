"""A sample on its way into a shard: a long clip with decoded frames, from a fragment or from a finished corpus."""

from collections.abc import Callable
from dataclasses import dataclass

from longtake.pipeline.fragments.fragment import FragmentSample, Marker
from longtake.schemas.records import LongClip


@dataclass(frozen=True, slots=True)
class Sample:
    """A long clip with its decoded frames: facts, and how to get the frames' tar entries."""

    clip: LongClip
    marker: Marker
    frames: FragmentSample
    entries: Callable[[], bytes]
