"""A step that works on several elements at a time gives what it gives alone, whatever the runner."""

import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import apache_beam as beam
import pytest
from apache_beam.pvalue import AsDict, TaggedOutput
from apache_beam.testing.util import assert_that, equal_to

from longtake.pipeline.run import metrics
from longtake.pipeline.run.concurrent import Concurrent
from longtake.pipeline.run.runner import pipeline_options

MODES = [
    [],
    ["--direct_num_workers=3"],
]  # worker processes cannot import this module; test_runners.py builds a corpus in them
_MET = threading.Barrier(4)


class Step(beam.DoFn):
    """Gives (number, name) for even numbers, and odd numbers as `odd`."""

    def process(self, number: int, names: dict[int, str]) -> Iterator[Any]:
        metrics.count("pack", shards=1)
        metrics.measure("pack", shard_bytes=number)
        yield (number, names[number]) if number % 2 == 0 else TaggedOutput("odd", number)


class Meeting(beam.DoFn):
    """Ends only if four elements are worked on at the same time."""

    def process(self, number: int) -> Iterator[int]:
        _MET.wait(30)
        yield number


class Failing(beam.DoFn):
    def process(self, number: int) -> Iterator[int]:
        if number == 7:
            raise OSError("no room for seven")
        time.sleep(0.001)
        yield number


@pytest.mark.parametrize("arguments", MODES)
def test_outputs_tags_side_inputs_and_metrics_are_those_of_the_step(arguments: list[str]) -> None:
    pipeline = beam.Pipeline(options=pipeline_options(arguments, 2))
    names = pipeline | "Names" >> beam.Create([(n, f"n{n}") for n in range(50)])
    found = (
        pipeline
        | beam.Create(range(50))
        | beam.ParDo(Concurrent(Step(), 2), AsDict(names)).with_outputs("odd", main="even")
    )
    by_name = found.even | "Swap" >> beam.Map(lambda pair: pair[::-1]) | beam.GroupByKey() | beam.Keys()
    assert_that(by_name, equal_to([f"n{n}" for n in range(0, 50, 2)]), label="even")
    assert_that(found.odd, equal_to(list(range(1, 50, 2))), label="odd")
    result = pipeline.run()
    result.wait_until_finish()
    told = metrics.totals(result)
    assert told["pack/shards"] == 50
    assert (told["pack/shard_bytes:count"], told["pack/shard_bytes:sum"]) == (50, sum(range(50)))


def test_elements_are_worked_on_at_the_same_time() -> None:
    with beam.Pipeline(options=pipeline_options([], 2)) as root:
        assert_that(root | beam.Create(range(8)) | beam.ParDo(Concurrent(Meeting(), 2)), equal_to(list(range(8))))


@pytest.mark.parametrize("elements", [8, 200])
def test_an_error_of_one_element_fails_the_job_with_its_message(elements: int) -> None:
    pipeline = beam.Pipeline(options=pipeline_options([], 2))
    _ = pipeline | beam.Create(range(elements)) | beam.ParDo(Concurrent(Failing(), 2))
    with pytest.raises(OSError, match="no room for seven"):
        pipeline.run().wait_until_finish()
    until = time.monotonic() + 10
    while any(thread.name.startswith("Failing") for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("Failing")]


def test_there_are_no_more_threads_than_elements() -> None:
    Named.names.clear()
    with beam.Pipeline(options=pipeline_options([], 64)) as root:
        assert_that(root | beam.Create(range(3)) | beam.ParDo(Concurrent(Named(), 64)), equal_to([0, 1, 2]))
    assert 1 <= len(Named.names) <= 3


class Named(beam.DoFn):
    """Notes the names of the threads that work."""

    names: ClassVar[set[str]] = set()

    def process(self, number: int) -> Iterator[int]:
        self.names.add(threading.current_thread().name)
        yield number
