"""Merge counters in Beam."""

from collections import Counter
from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from longtake.pipeline.ledger.tally import Tally


class MergeTallies(beam.CombineFn):
    """A CombineFn that adds counters."""

    def create_accumulator(self) -> Tally:
        return Counter()

    def add_input(self, accumulator: Tally, element: Tally) -> Tally:
        accumulator.update(element)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        total: Tally = Counter()
        for accumulator in accumulators:
            total.update(accumulator)
        return total

    def extract_output(self, accumulator: Tally) -> Tally:
        return accumulator


class SumTallies(beam.DoFn):
    """Adds counters where they are made, so that one of each bundle leaves the step, not one of each video."""

    def start_bundle(self) -> None:
        self._sum: Tally = Counter()

    def process(self, element: Tally) -> None:
        self._sum.update(element)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield GlobalWindows.windowed_value(self._sum)
