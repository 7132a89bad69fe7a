"""Beam's cached look-ups find what Beam itself finds."""

from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.coders import StrUtf8Coder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, TimerSpec, on_timer

from longtake.pipeline.run import beam_lookups

_BAG, _TIMER = BagStateSpec("bag", StrUtf8Coder()), TimerSpec("timer", TimeDomain.WATERMARK)
_IN_BAG, _AT_TIMER = beam.DoFn.StateParam(_BAG), beam.DoFn.TimerParam(_TIMER)


class Plain(beam.DoFn):
    def process(self, element: Any) -> Iterator[Any]:
        yield element


class Stateful(beam.DoFn):
    def process(self, element: Any, bag: Any = _IN_BAG, timer: Any = _AT_TIMER) -> None: ...

    @on_timer(_TIMER)
    def end(self, bag: Any = _IN_BAG) -> None: ...


def _called(element: Any, bag: Any = _IN_BAG) -> Iterator[Any]:
    yield element


class Holder:
    def method(self, element: Any, bag: Any = _IN_BAG) -> Iterator[Any]:
        yield element


MAKERS: list[Callable[[], beam.DoFn]] = [
    Plain,
    Stateful,
    lambda: beam.core.CallableWrapperDoFn(_called),
    lambda: beam.core.CallableWrapperDoFn(lambda element: [element]),
    lambda: beam.core.CallableWrapperDoFn(Holder().method),
    lambda: beam.core.CallableWrapperDoFn(str.split),
]


def test_states_and_timers_are_those_that_beam_finds_in_any_order() -> None:
    assert beam_lookups._whole_specs(Stateful()) == ({_BAG}, {_TIMER})
    for makers in (MAKERS, MAKERS[::-1]) * 2:
        for make in makers:
            dofn = make()
            assert beam_lookups._specs(dofn) == beam_lookups._whole_specs(dofn)


@pytest.mark.parametrize("make", MAKERS[:2])
def test_a_caller_cannot_change_what_the_next_one_gets(make: Callable[[], beam.DoFn]) -> None:
    beam_lookups._specs(make())[0].add("mine")
    assert beam_lookups._specs(make()) == beam_lookups._whole_specs(make())
