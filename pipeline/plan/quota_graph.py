"""The Beam step that assigns splits by exact quota. All that it holds as a whole is a number for each bucket of videos."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsSingleton

from longtake.pipeline.plan.quota import Place, bucket_of, cuts_in, place_of, split_by, wanted_places

T = TypeVar("T")


class SplitByQuota(beam.PTransform):
    """Set the splits of elements, each of one video.

    Args:
        shares: the share of each split.
        seed: decides the order of the videos.
        video_of: returns the id of an element's video.
        with_split: returns an element with another split.
    """

    def __init__(
        self, shares: Mapping[str, float], seed: int, video_of: Callable[[T], str], with_split: Callable[[T, str], T]
    ) -> None:
        super().__init__()
        self._shares, self._seed, self._video_of, self._with_split = dict(shares), seed, video_of, with_split

    def expand(self, elements: Any) -> Any:
        shares, seed, video_of, with_split = self._shares, self._seed, self._video_of, self._with_split
        places = (
            elements
            | "Place" >> beam.Map(lambda element: (place_of(video_of(element), seed), None))
            | "Each video" >> beam.GroupByKey()
            | "Bucket" >> beam.Map(lambda found: (bucket_of(found[0]), found[0]))
        )
        counts = places | "Count bucket" >> beam.combiners.Count.PerKey()
        wanted = (
            elements.pipeline
            | "Shares" >> beam.Create([shares], reshuffle=False)
            | "Wanted" >> beam.Map(lambda shares, counts: wanted_places(counts, shares), AsDict(counts))
        )
        cuts = (
            places
            | "Near a cut" >> beam.Filter(lambda found, wanted: found[0] in wanted, AsSingleton(wanted))
            | "By bucket" >> beam.GroupByKey()
            | "Cuts" >> beam.FlatMap(_cuts_in_bucket, AsSingleton(wanted))
        )
        return elements | "Split" >> beam.Map(
            lambda element, cuts: with_split(element, split_by(place_of(video_of(element), seed), cuts, shares)),
            AsDict(cuts),
        )


def _cuts_in_bucket(
    element: tuple[int, Iterable[Place]], wanted: dict[int, dict[int, int]]
) -> Iterator[tuple[int, Place]]:
    bucket, places = element
    yield from cuts_in(places, wanted[bucket])
