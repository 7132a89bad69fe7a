"""Merge counters in Beam."""

from collections import Counter
from collections.abc import Iterable

import apache_beam as beam

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
