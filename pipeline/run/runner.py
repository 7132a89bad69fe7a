"""Beam runners and options: which ones suit this job, and how they are set."""

from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
import pyarrow as pa
from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    StandardOptions,
)
from apache_beam.portability.api import beam_fn_api_pb2, beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.worker import sdk_worker
from apache_beam.transforms.environments import EmbeddedPythonGrpcEnvironment, ExternalEnvironment

from longtake.pipeline.run import beam_lookups, dataflow, job_servers
from longtake.pipeline.run.batches import Batches
from longtake.pipeline.run.slots import cores
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.settings import did_you_mean

_LOCAL = "longtake.pipeline.run.runner.LocalRunner"
_NEVER_MS = 10**11
_ALL_CORES = 0  # all cores of the worker; only the worker knows the number
#: A host that was cut off is heard again late: the system waits longer before each new try to send. Beam's workers (2.77) give up
#: by themselves after a minute without an answer.
_ASK_MS, _ANSWER_MS = 30_000, 180_000
#: What a runner says of a worker process that ended before its work did; jobs/job.py explains it.
WORKER_DIED = "Channel closed prematurely: the worker died"


def _say_nothing(*_: object, **__: object) -> None: ...


class _Grpc:
    """The module grpc as Beam's runner uses it, with servers that ask their workers for signs of life. Beam's own (2.77) do not,
    and a host that is gone without a word keeps the job waiting for ever."""

    def __getattr__(self, name: str) -> Any:
        return getattr(grpc, name)

    def server(self, pool: Any, options: Any) -> Any:
        alive = [("grpc.keepalive_time_ms", _ASK_MS), ("grpc.keepalive_timeout_ms", _ANSWER_MS)]
        return grpc.server(pool, options=[*options, *alive, ("grpc.keepalive_permit_without_calls", 1)])


class _Connection(worker_handlers.ControlConnection):
    """The runner's end of the channel to a worker. When the worker dies, it answers in its place with an error; Beam's own (2.77)
    waits for the answer for ever."""

    _gone = False

    def _read(self) -> None:
        try:
            super()._read()
        except Exception:  # of gRPC: the channel broke
            self._gone = True
            for future in list(self._futures_by_id.values()):
                self._answer(future)

    def push(self, req: Any) -> Any:
        future = super().push(req)
        if self._gone and future is not None:
            self._answer(future)
        return future

    @staticmethod
    def _answer(future: Any) -> None:
        future.set(beam_fn_api_pb2.InstructionResponse(instruction_id=future.instruction_id, error=WORKER_DIED))


class LocalRunner(fn_runner.FnApiRunner):
    """Beam's in-process runner, but it hands the options to its workers, never downloads Prism, does not cut elements, and does
    not wait for a worker that has died.

    Beam's own `multi_threading` mode flushes output buffers from a timer thread once a second, without a lock against the
    thread that writes an element (2.77, data_plane.TimeBasedBufferingClosableOutputStream). It can cut bundles that last longer
    in the middle of an element, and Beam then decodes rubbish. LocalRunner flushes buffers by size alone.

    With `--environment_type=EXTERNAL` the steps run in worker processes of the pool at `--environment_config`, as many as
    `--direct_num_workers`. Flink and Spark work the same way, but with a server between.
    """

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        # Arrow's own pool keeps what tables gave back: a quarter of the memory of a plan.
        pa.set_memory_pool(pa.system_memory_pool())
        sdk_worker.print = _say_nothing  # it prints a traceback for each failed bundle; the job names the cause once
        worker_handlers.ControlConnection, worker_handlers.grpc = _Connection, _Grpc()
        direct = options.view_as(DirectOptions)
        portable = options.view_as(PortableOptions)
        if portable.environment_type == "EXTERNAL":
            self._default_environment = ExternalEnvironment.from_options(portable)
            direct.direct_running_mode = None
        elif direct.direct_running_mode == "multi_threading":
            self._default_environment = EmbeddedPythonGrpcEnvironment(data_buffer_time_limit_ms=_NEVER_MS)
            direct.direct_running_mode = None  # else Beam replaces the environment by the faulty one
        encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
        self._provision_info = fn_runner.ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
        )
        return super().run_pipeline(pipeline, options)


def pipeline_options(beam_args: list[str], workers: int) -> PipelineOptions:
    """Parse `beam_args`, the options after `--`. If they name no runner, use LocalRunner with `workers` decode slots; 0 means
    all cores.

    Beam then has one thread, because Python's threads only disturb each other, and steps that wait have threads of their own
    (Concurrent).

    Raises ConfigError for a runner that is known to give wrong results, and for options that cannot work or are unknown.
    """
    beam_lookups.remember()
    options = PipelineOptions(beam_args)
    options.get_all_options(add_extra_args_fn=lambda parser: _check_names(parser, beam_args))
    runner = options.view_as(StandardOptions).runner
    if runner and "dask" in runner.lower():
        raise ConfigError(
            "DaskRunner loses outputs of this graph without an error; use another runner (docs/architecture.md)"
        )
    if runner in (None, "", "DirectRunner"):
        options.view_as(StandardOptions).runner = _LOCAL
        direct = options.view_as(DirectOptions)
        elsewhere = options.view_as(PortableOptions).environment_type is not None
        if not any(argument.startswith("--direct_num_workers") for argument in beam_args):
            direct.direct_num_workers = (workers or cores()) if elsewhere else 1
        if not any(argument.startswith("--direct_running_mode") for argument in beam_args):
            direct.direct_running_mode = "in_memory" if direct.direct_num_workers == 1 else "multi_threading"
    if dataflow.is_dataflow(options):
        dataflow.prepare(options)
    else:
        _check_environment(options)
        job_servers.prepare(options)
    return options


def _check_names(parser: Any, beam_args: list[str]) -> None:
    """Raise ConfigError for arguments that Beam would silently ignore, and for values that it cannot read."""

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"options for Apache Beam: {message}")

    parser.error = refuse
    known, unknown = parser.parse_known_args(beam_args)
    names = [name for action in parser._actions for name in action.option_strings]
    served = job_servers.runner_name(known.runner) in job_servers.SERVED
    faults = []
    for argument in unknown:
        name = argument.partition("=")[0]
        meant = did_you_mean(name, names, 0.85 if served else 0.7)
        if name.startswith("-") and (meant or not served):
            faults.append(f"{name}: Apache Beam has no such option.{meant}")
    if not faults and unknown and not unknown[0].startswith("-"):
        faults.append(f"{unknown[0]!r} belongs to no option of Apache Beam; write options after -- as --name=value")
    if faults:
        raise ConfigError("\n".join(faults))


def _check_environment(options: PipelineOptions) -> None:
    """Raise ConfigError if the workers would not have longtake, or could not start."""
    portable, runner = options.view_as(PortableOptions), options.view_as(StandardOptions).runner
    kind = portable.environment_type
    if runner == _LOCAL and kind not in (None, "EXTERNAL"):
        raise ConfigError(
            f"--environment_type={kind}: this runner starts its workers itself; remove the option, or use EXTERNAL"
        )
    if kind == "EXTERNAL" and not portable.environment_config:
        raise ConfigError(
            "--environment_type=EXTERNAL: say where the workers are, as in --environment_config=localhost:50000"
        )
    name = job_servers.runner_name(runner)
    master = {
        "FlinkRunner": options.view_as(FlinkRunnerOptions).flink_master,
        "SparkRunner": options.view_as(SparkRunnerOptions).spark_master_url,
        "PortableRunner": "elsewhere",
    }.get(name)
    if master is not None and kind is None and not job_servers.is_inside_job_server(master):
        raise ConfigError(
            f"{name}: Beam's own image for workers has no longtake. Give --environment_type=EXTERNAL and --environment_config, "
            "or --environment_type=DOCKER and the image of docker/Dockerfile as --environment_config (docs/cloud.md)"
        )


def is_ours(options: PipelineOptions) -> bool:
    """Whether the runner is LocalRunner, wherever its workers are."""
    return bool(options.view_as(StandardOptions).runner == _LOCAL)


def slots_per_process(options: PipelineOptions, workers: int) -> int:
    """The number of decoders that each worker process runs. `workers` is the number asked for, or 0. A result of 0 means one
    for each core.

    Runners that start a process for each core need one decoder in each. Runners with one process per machine need all.
    """
    if workers:
        return workers
    if is_local(options):
        return cores()
    if dataflow.is_dataflow(options):
        one_process = options.view_as(DebugOptions).lookup_experiment("no_use_multiple_sdk_containers")
        return _ALL_CORES if one_process else 1
    if options.view_as(StandardOptions).runner == _LOCAL:
        return 1
    processes = options.view_as(PortableOptions).sdk_worker_parallelism
    return _ALL_CORES if str(processes) == "1" else 1


def check_reachable(
    config: CorpusConfig, options: PipelineOptions, more: Mapping[str, str | None] | None = None
) -> None:
    """Raise ConfigError if the workers cannot read or write a path of the configuration, or of `more` by setting."""
    if dataflow.is_dataflow(options):
        dataflow.check_paths(config, more or {})


def is_local(options: PipelineOptions) -> bool:
    """Whether the job runs inside this process."""
    return bool(
        options.view_as(StandardOptions).runner == _LOCAL
        and options.view_as(DirectOptions).direct_running_mode != "multi_processing"
        and options.view_as(PortableOptions).environment_type is None
    )


def batches_for(options: PipelineOptions) -> Batches:
    """How a job with these options keeps rows on their way: in files if it runs inside this process."""
    return Batches(is_local(options))


__all__ = [
    "LocalRunner", "batches_for", "check_reachable", "cores", "is_local", "is_ours", "pipeline_options",
    "slots_per_process",
]  # fmt: skip
