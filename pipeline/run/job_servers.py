"""Options for Flink, Spark and whatever else is behind one of Beam's job servers."""

import os
import re
from pathlib import Path

from apache_beam.options.pipeline_options import (
    DebugOptions,
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    StandardOptions,
)

from longtake.schemas.errors import ConfigError

#: Their job servers take options that Beam's Python part does not know.
SERVED = ("FlinkRunner", "SparkRunner", "PortableRunner")
_HERE = re.compile(
    r"\[(local|auto|collection)\]|local(\[.+\])?"
)  # Flink's and Spark's names for a cluster inside the job server
_KEEP_MS = 600_000
_SPARK_TASKS = "spark.default.parallelism"
#: Spark tries a task that failed again at once, on the same executor, with the same Python worker, even when that is dead. So two
#: of its four attempts are left to another executor.
_SPARK_ELSEWHERE = {
    "spark.excludeOnFailure.enabled": "true",
    "spark.excludeOnFailure.task.maxTaskAttemptsPerExecutor": "2",
}
_FLINK_TASKS = re.compile(r"^parallelism(\.default:|:\s*\n\s+default:)", re.MULTILINE)
_UNTOLD = "{} would run {} at once, on a cluster of any size: give --parallelism=N, {} of the cluster (docs/cloud.md)"


def runner_name(runner: object) -> str:
    """The name of a runner without its module."""
    return str(runner).rsplit(".", 1)[-1]


def is_inside_job_server(master: str) -> bool:
    """Whether `master`, of Flink or Spark, is a cluster inside the job server."""
    return _HERE.fullmatch(master) is not None


def prepare(options: PipelineOptions) -> None:
    """Set what a job server has to be told, unless the user has.

    Raises ConfigError if a cluster of Flink or Spark is not told how many tasks to run at once (`--parallelism`), or cannot be.
    """
    name, portable = runner_name(options.view_as(StandardOptions).runner), options.view_as(PortableOptions)
    if name not in SERVED:
        return
    if (
        portable.environment_cache_millis == 0
    ):  # Spark's ends its Python workers after each step, and a start takes seconds
        portable.environment_cache_millis = _KEEP_MS
    # Beam's list of the launcher's packages: each worker asks for it four times, and a cluster without a common disk has it not.
    options.view_as(DebugOptions).add_experiment("disable_logging_submission_environment")
    if name == "FlinkRunner":
        _prepare_flink(options)
    elif name == "SparkRunner":
        _prepare_spark(options)


def _prepare_flink(options: PipelineOptions) -> None:
    flink = options.view_as(FlinkRunnerOptions)
    elsewhere = options.view_as(PortableOptions).job_endpoint or not is_inside_job_server(flink.flink_master)
    if elsewhere and flink.parallelism < 1 and not _configured(os.environ.get("FLINK_CONF_DIR")):
        raise ConfigError(_UNTOLD.format("FlinkRunner", "one task", "the slots"))


def _configured(folder: str | None) -> bool:
    """Whether Flink's configuration, where the job server looks for it, has a `parallelism.default`."""
    files = [Path(folder) / name for name in ("config.yaml", "flink-conf.yaml")] if folder else []
    return any(_FLINK_TASKS.search(file.read_text(errors="replace")) for file in files if file.is_file())


def _prepare_spark(options: PipelineOptions) -> None:
    """Hand on `--parallelism`, which Beam gives to Flink alone. Spark (3.5) takes the cores that it knows at the start, and on a
    cluster of its own that is two, because its executors are not there yet."""
    spark, server = options.view_as(SparkRunnerOptions), options.view_as(JobServerOptions)
    tasks = options.view_as(FlinkRunnerOptions).parallelism
    if options.view_as(PortableOptions).job_endpoint or spark.spark_submit_uber_jar:
        if tasks > 0:
            raise ConfigError(
                "--parallelism reaches neither a job server that runs by itself nor Spark's REST API: give Spark "
                f"{_SPARK_TASKS}={tasks} there, and remove the option (docs/cloud.md)"
            )
        return
    if is_inside_job_server(spark.spark_master_url):
        return
    given = {one.removeprefix("-D").partition("=")[0] for one in server.job_server_jvm_properties}
    ours = _SPARK_ELSEWHERE | ({_SPARK_TASKS: str(tasks)} if tasks > 0 else {})
    more = [f"-D{name}={value}" for name, value in ours.items() if name not in given]
    server.job_server_jvm_properties = [*server.job_server_jvm_properties, *more]
    if spark.spark_master_url.startswith("spark://") and tasks < 1 and _SPARK_TASKS not in given:
        raise ConfigError(_UNTOLD.format("SparkRunner", "two tasks", "three times the cores"))


__all__ = ["SERVED", "is_inside_job_server", "prepare", "runner_name"]
