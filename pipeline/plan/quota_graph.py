"""The Beam step that assigns splits by exact quota. All that it holds as a whole is a number for each bucket of videos."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsSingleton

from longtake.pipeline.plan.quota import Place, bucket_of, cuts_in, place_of, split_by, wanted_places

T = TypeVar("T")


class SplitByQuota(beam.PTransform):
    """Set the splits of elements, each of one or several videos. They wait until all are counted: many are better as batches.

    Args:
        shares: the share of each split.
        seed: decides the order of the videos.
        videos_of: returns the ids of an element's videos.
        with_splits: yields what an element becomes; its second argument gives the split of a video.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        seed: int,
        videos_of: Callable[[T], Iterable[str]],
        with_splits: Callable[[T, Callable[[str], str]], Iterable[Any]],
    ) -> None:
        super().__init__()
        self._shares, self._seed, self._videos_of, self._with_splits = dict(shares), seed, videos_of, with_splits

    def expand(self, elements: Any) -> Any:
        shares, seed, videos_of, with_splits = self._shares, self._seed, self._videos_of, self._with_splits
        places = (
            elements
            | "Videos" >> beam.FlatMap(videos_of)
            | "Place" >> beam.Map(lambda video: (place_of(video, seed), None))
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
        return elements | "Split" >> beam.FlatMap(
            lambda element, cuts: with_splits(element, lambda video: split_by(place_of(video, seed), cuts, shares)),
            AsDict(cuts),
        )


def _cuts_in_bucket(
    element: tuple[int, Iterable[Place]], wanted: dict[int, dict[int, int]]
) -> Iterator[tuple[int, Place]]:
    bucket, places = element
    yield from cuts_in(places, wanted[bucket])
