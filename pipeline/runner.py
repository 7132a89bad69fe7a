"""Beam runners and options: which are fit for this job, and how they are set."""

from typing import Any

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.worker import sdk_worker
from apache_beam.transforms.environments import EmbeddedPythonGrpcEnvironment

from longtake.pipeline.slots import cores
from longtake.schemas.settings import ConfigError

_LOCAL = "longtake.pipeline.runner.LocalRunner"
_NEVER_MS = 10**11
_THREADS_PER_SLOT = 2  # threads wait for slots and for storage; slots do the work


def _say_nothing(*_: object, **__: object) -> None: ...


class LocalRunner(fn_runner.FnApiRunner):
    """Beam's in-process runner, but it hands the options to its workers, never downloads Prism, and does not tear elements.

    Beam's own `multi_threading` mode flushes output buffers from a timer thread once a second, with no lock against the thread
    that is writing an element (2.77, data_plane.TimeBasedBufferingClosableOutputStream): bundles that last longer can be cut in
    the middle of an element and are then decoded as rubbish. Buffers here are flushed by size alone.
    """

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        sdk_worker.print = _say_nothing  # of each failed bundle it prints a traceback; the job tells the cause once
        direct = options.view_as(DirectOptions)
        if direct.direct_running_mode == "multi_threading":
            self._default_environment = EmbeddedPythonGrpcEnvironment(data_buffer_time_limit_ms=_NEVER_MS)
            direct.direct_running_mode = None  # else the environment is replaced by the faulty one
        encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
        self._provision_info = fn_runner.ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
        )
        return super().run_pipeline(pipeline, options)


def pipeline_options(beam_args: list[str], workers: int, one_thread: bool = False) -> PipelineOptions:
    """Options for `beam_args` as given after `--`; LocalRunner with `workers` decode slots where no runner is named.

    `one_thread` is for graphs that neither wait for slots nor for storage: there Python's threads only get in each other's way.

    Raises ConfigError for a runner that is known to give wrong results.
    """
    options = PipelineOptions(beam_args)
    runner = options.view_as(StandardOptions).runner
    if runner and "dask" in runner.lower():
        raise ConfigError(
            "DaskRunner loses outputs of this graph without an error; use another runner (docs/architecture.md)"
        )
    if runner in (None, "", "DirectRunner"):
        options.view_as(StandardOptions).runner = _LOCAL
        direct = options.view_as(DirectOptions)
        if not any(argument.startswith("--direct_running_mode") for argument in beam_args):
            direct.direct_running_mode = "in_memory" if one_thread else "multi_threading"
        if not any(argument.startswith("--direct_num_workers") for argument in beam_args):
            direct.direct_num_workers = 1 if one_thread else max(workers * _THREADS_PER_SLOT, 2)
    return options


def is_local(options: PipelineOptions) -> bool:
    """Whether the job runs inside this process."""
    return bool(options.view_as(StandardOptions).runner == _LOCAL)


__all__ = ["LocalRunner", "cores", "is_local", "pipeline_options"]
