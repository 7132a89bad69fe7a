"""Cache Beam's look-ups that never change. Repeating them took half of the time of a small job.

Beam 2.77 builds an argparse parser at each `PipelineOptions.view_as` (800 times in the plan of one video) and inspects the
signature of each method of each DoFn repeatedly (29,000 times in a build, to find out 900 times whether a DoFn has state). The
cache does not change the work: corpora keep the same bytes.
"""

import functools
import types
import weakref
from collections.abc import Callable
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core, userstate


def remember() -> None:
    """Replace the look-ups by cached ones. A second call changes nothing."""
    if PipelineOptions.view_as is not _view_as:
        PipelineOptions.view_as = _view_as
        core.get_function_args_defaults = _arguments_and_defaults
        userstate.get_dofn_specs = _specs


# -- options -----------------------------------------------------------------------------------------------------------

_whole_view_as = PipelineOptions.view_as


def _view_as(self: Any, cls: Any) -> Any:
    """Return the same as PipelineOptions.view_as, but parse the same flags only once for each class."""
    flags = self._flags
    if flags is None:  # Beam takes the flags from sys.argv, which may change
        return _whole_view_as(self, cls)
    visible = _parsed(cls, tuple(flags))
    view = cls.__new__(cls)
    view._flags, view._visible_options, view._all_options = flags, visible, self._all_options
    for name in view._visible_option_list():
        if name not in self._all_options:
            value = getattr(visible, name)
            self._all_options[name] = value.copy() if isinstance(value, list | dict) else value
    return view


@functools.lru_cache(maxsize=512)
def _parsed(cls: Any, flags: tuple[str, ...]) -> Any:
    return cls(list(flags))._visible_options


# -- signatures --------------------------------------------------------------------------------------------------------

_whole: Callable[[Any], tuple[list[str], list[Any]]] = core.get_function_args_defaults
_of_functions: Any = weakref.WeakKeyDictionary()
_of_methods: Any = weakref.WeakKeyDictionary()


def _arguments_and_defaults(function: Any) -> tuple[list[str], list[Any]]:
    """The names of the arguments and the default values, cached for plain functions and for methods of objects."""
    known, key = _of_functions, function
    if isinstance(function, types.MethodType):
        known, key = _of_methods, function.__func__
    if not isinstance(key, types.FunctionType):
        return _whole(function)
    if key not in known:
        known[key] = _whole(function)
    arguments, defaults = known[key]
    return list(arguments), list(defaults)


# -- state -------------------------------------------------------------------------------------------------------------

_whole_specs: Callable[[Any], tuple[set[Any], set[Any]]] = userstate.get_dofn_specs
_of_classes: Any = weakref.WeakKeyDictionary()


def _specs(dofn: Any) -> tuple[set[Any], set[Any]]:
    """State and timers of a DoFn. They are those of its class, unless the object holds methods itself."""
    if any(isinstance(value, types.MethodType) for value in vars(dofn).values()):
        return _whole_specs(dofn)
    if type(dofn) not in _of_classes:
        _of_classes[type(dofn)] = _whole_specs(dofn)
    states, timers = _of_classes[type(dofn)]
    return set(states), set(timers)
