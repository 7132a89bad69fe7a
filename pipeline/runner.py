"""Beam runners and options: which are fit for this job, and how they are set."""

from typing import Any

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from longtake.pipeline.slots import cores
from longtake.schemas.config import ConfigError

_LOCAL = "longtake.pipeline.runner.LocalRunner"
_THREADS_PER_SLOT = 4  # threads wait for slots and for storage; slots do the work


class LocalRunner(fn_runner.FnApiRunner):  # type: ignore[misc]
    """Beam's in-process runner, which hands the pipeline options to its workers and never downloads Prism."""

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
        self._provision_info = fn_runner.ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
        )
        return super().run_pipeline(pipeline, options)


def pipeline_options(beam_args: list[str], workers: int) -> PipelineOptions:
    """Options for `beam_args` as given after `--`; LocalRunner with `workers` decode slots where no runner is named.

    Raises ConfigError for a runner that is known to give wrong results.
    """
    options = PipelineOptions(beam_args)
    runner = options.view_as(StandardOptions).runner
    if runner and "dask" in runner.lower():
        raise ConfigError("DaskRunner loses outputs of this graph without an error; use another runner (docs/architecture.md)")
    if runner in (None, "", "DirectRunner"):
        options.view_as(StandardOptions).runner = _LOCAL
        direct = options.view_as(DirectOptions)
        direct.direct_running_mode = "multi_threading"
        direct.direct_num_workers = max(workers * _THREADS_PER_SLOT, 2)
    return options


def is_local(options: PipelineOptions) -> bool:
    """Whether the job runs inside this process."""
    return options.view_as(StandardOptions).runner == _LOCAL


__all__ = ["LocalRunner", "cores", "is_local", "pipeline_options"]
