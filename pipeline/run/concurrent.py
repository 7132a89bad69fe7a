"""Work on several elements at a time, in threads of the step itself. Beam's own threads each repeat the whole job's overhead."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from longtake.pipeline.run import metrics
from longtake.pipeline.run.slots import cores

_THREADS_PER_SLOT = 2  # threads wait for slots and for storage; slots do the work

Outcome = tuple[list[Any], metrics.HeldMetrics]


class Concurrent(beam.DoFn):
    """A DoFn that does what `step` does, but to several elements of a bundle at a time. For steps that wait for slots or storage.

    One object of `step` serves all threads. A thread takes the next element when it is free, so uneven work spreads evenly, and
    no thread starts without an element. Outputs come in any order. They are counted and handed on by Beam's thread: Beam knows
    no other.

    Args:
        step: has `setup` and `process`; nothing else of it is called. Its collections have no windows.
        slots: the decoder processes that its elements share; 0 means one for each core.
        threads: their number, for steps that wait for something else than slots; None: two for each slot.
    """

    def __init__(self, step: beam.DoFn, slots: int, threads: int | None = None) -> None:
        self._step, self._slots, self._asked = step, slots, threads

    def default_type_hints(self) -> Any:
        return self._step.default_type_hints()

    def setup(self) -> None:
        self._step.setup()
        self._threads = self._asked or (self._slots or cores()) * _THREADS_PER_SLOT

    def start_bundle(self) -> None:
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix=type(self._step).__name__)
        self._running: set[Future[Outcome]] = set()

    def process(self, element: Any, *sides: Any) -> Iterator[Any]:
        if len(self._running) == self._threads:
            yield from self._outputs()
        self._running.add(self._pool.submit(self._work, element, sides))

    def finish_bundle(self) -> Iterator[Any]:
        while self._running:
            yield from map(windowed, self._outputs())
        self._pool.shutdown()

    def _work(self, element: Any, sides: tuple[Any, ...]) -> Outcome:
        with metrics.held_back() as held:
            return list(self._step.process(element, *sides) or ()), held

    def _outputs(self) -> Iterator[Any]:
        """Wait until an element is done, and yield its outputs."""
        ended, self._running = wait(self._running, return_when=FIRST_COMPLETED)
        for future in ended:
            try:
                outputs, held = future.result()
            except BaseException:
                self._pool.shutdown(wait=False)
                raise
            held.count()
            yield from outputs


def windowed(output: Any) -> Any:
    """An output as Beam wants it when no element is at hand."""
    if isinstance(output, TaggedOutput):
        return TaggedOutput(output.tag, GlobalWindows.windowed_value(output.value))
    return GlobalWindows.windowed_value(output)
